import json
from typing import Any

import pytest

from bitsft.data.budget import token_budget
from bitsft.data.report.token_budget import limits_of, token_budget_section
from bitsft.data.report.words import words
from bitsft.pages.blocks import Figures, Note, Section, Table

TEXT = words("en")


def of_kind(section: Section | None, kind: type) -> list[Any]:
    assert section is not None
    return [block for block in section.blocks if isinstance(block, kind)]


def test_without_a_budget_no_section() -> None:
    assert token_budget_section(None, TEXT) is None
    assert token_budget_section({}, TEXT) is None


def test_token_budget(tiny_tokenizer: Any) -> None:
    rows = [{"prompt": "zq" * n, "completion": "xz"} for n in (1, 2, 40)]
    counted = token_budget(rows, tiny_tokenizer, 10, parts=True).as_dict()
    section = token_budget_section({"train": counted, "test": {"max_length": 10}}, TEXT)
    (figures,) = of_kind(section, Figures)
    chart = json.loads(figures.figures[0].chart.json)
    assert sum(chart["data"][0]["y"]) == 3
    assert [shape["x0"] for shape in chart["layout"]["shapes"]] == [10]
    (table,) = of_kind(section, Table)
    assert table.columns == ("Value", "train", "test")
    cells = {row[0]: row[1:] for row in table.rows}
    assert cells["max_length"] == (10, 10)
    assert cells["Rows that lose all of the completion (dropped)"] == (1, "")
    assert cells["Prompt, tokens"][0].startswith("mean 28.67 · p50 4 ")
    (note,) = of_kind(section, Note)
    assert note.tone == "bad"


def test_a_max_length_far_to_the_right_is_said() -> None:
    budget = {"max_length": 4096, "histogram": {"edges": [0, 16], "counts": [3]}}
    (note,) = of_kind(token_budget_section({"train": budget}, TEXT), Note)
    assert note.text == "train: max_length 4,096 lies far to the right of the chart."


def test_limits() -> None:
    budgets = {"train": {"max_length": 512}, "test": {"max_length": 512}, "all": {}}
    assert limits_of(budgets) == {"max_length 512": 512}
    assert limits_of(None) == {}


@pytest.mark.parametrize(
    ("budgets", "message"),
    [
        ({"train": 3}, "budgets['train'] is 3; give a mapping"),
        ({"train": {"max_length": "x"}}, "['max_length'] is 'x'; give a number"),
        ({"train": {"histogram": {"edges": [0]}}}, "'edges' (rising)"),
    ],
)
def test_budgets_that_are_none(budgets: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        token_budget_section(budgets, TEXT)
    assert message in str(caught.value)
