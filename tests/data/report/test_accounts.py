from typing import Any

import pytest

from bitsft.data.ledger import Ledger
from bitsft.data.records import Record
from bitsft.data.rejected import RejectedRow
from bitsft.data.report.accounts import (
    changes_examples,
    changes_section,
    overview_section,
    rejected_section,
)
from bitsft.data.report.survey import survey_rows
from bitsft.data.report.words import words
from bitsft.pages.blocks import Cards, Figures, Marked, Note, Section, Table
from tests.data.report.rows import asked, small

TEXT = words("en")


def of_kind(section: Section | None, kind: type) -> list[Any]:
    assert section is not None
    return [block for block in section.blocks if isinstance(block, kind)]


def a_ledger() -> Ledger:
    """Three read, two added, one rejected twice over: 3 + 2 = 3 + 2."""
    ledger = Ledger()
    ledger.count_in(3)
    ledger.count_added("mix", 2)
    for number in (5, 6):
        ledger.reject(
            Record({}, "a.csv", number),
            stage="check",
            field="answer",
            value="",
            reason="is empty",
            remedy="Fill it in",
        )
    ledger.count_out(3)
    return ledger


def surveyed(rows: dict) -> dict:
    return survey_rows(rows, None, samples=0, token_rows=0, seed=0)


def test_headline_numbers_and_the_identity() -> None:
    tasks = surveyed({"train": [asked("a", "b")] * 2, "test": [asked("a", "b")]})
    section = overview_section(a_ledger().as_dict(), tasks, TEXT)
    (cards,) = of_kind(section, Cards)
    assert cards.cards == (
        ("Rows in", "3", "plain"),
        ("Added", "2", "plain"),
        ("Rejected", "2", "plain"),
        ("Rows out", "3", "good"),
    )
    assert [note.tone for note in of_kind(section, Note)] == ["good"]
    (flow,) = of_kind(section, Figures)
    assert flow.figures[0].chart.name == "overview-flow"
    (table,) = of_kind(section, Table)
    assert table.rows == (("train", 2, "66.7%"), ("test", 1, "33.3%"))


def test_rows_that_do_not_add_up_are_said_to() -> None:
    counts = a_ledger().as_dict() | {"rows_in": 10}
    notes = of_kind(overview_section(counts, surveyed({"train": [asked("a", "b")]}), TEXT), Note)
    assert [(note.tone, note.text) for note in notes] == [
        ("bad", "The rows do not add up: 7 are unaccounted for."),
        ("bad", "The splits hold 1 rows, but 3 were counted out."),
    ]


def test_the_stages_come_in_the_order_in_which_rows_pass_them() -> None:
    ledger = Ledger()
    for stage in ("split", "clean", "own", "check"):
        ledger.reject(Record({}), stage=stage, field=None, value=None, reason="x")
    (flow,) = of_kind(overview_section(ledger.as_dict(), {}, TEXT), Figures)
    names = ("Rows in", "check", "clean", "split", "own", "Rows out")
    found = [flow.figures[0].chart.json.index(name) for name in names]
    assert found == sorted(found)


def test_tasks_by_split_and_columns_that_no_stage_used() -> None:
    ledger = Ledger()
    ledger.count_in(33)
    ledger.count_out(33)
    ledger.columns_left_out["url"] = 4
    splits, unused = of_kind(overview_section(ledger.as_dict(), surveyed(small()), TEXT), Table)
    assert splits.columns == ("Split", "Rows", "Share", "classification", "koalpaca")
    assert splits.rows[1] == ("validation", 2, "6.1%", 1, 1)
    assert unused.rows == (("url", 4),)


def test_a_formatters_refusals_are_shown() -> None:
    tasks = surveyed({"train": [asked("a", "b"), asked("", "b")]})
    (note,) = of_kind(overview_section(None, tasks, TEXT), Note)
    assert note.tone == "bad"
    assert note.text.startswith("koalpaca: the formatter refuses 1 rows. The first: train, row 1")


def test_rejected_rows_by_reason() -> None:
    ledger = a_ledger()
    section = rejected_section(ledger.as_dict(), ledger.rejected_rows, TEXT)
    (figures,) = of_kind(section, Figures)
    assert figures.figures[0].heading == "By reason (2)"
    assert "check \\u00b7 answer \\u00b7 is empty" in figures.figures[0].chart.json
    (table,) = of_kind(section, Table)
    assert table.rows[0] == ("a.csv", "5", "check", "answer", "", "is empty", "Fill it in")


def test_three_examples_of_each_reason_and_long_values_cut() -> None:
    rows = [RejectedRow(n, "text", "가" * 500, "is too long") for n in range(9)]
    rows.append(RejectedRow(9, None, {"a": 1}, "is no text", detail="what it is"))
    (table,) = of_kind(rejected_section(None, rows, TEXT), Table)
    assert [row[1] for row in table.rows] == ["0", "1", "2", "9"]
    assert table.rows[0][4] == "가" * 160 + "…"
    assert table.rows[3][4:6] == ("{'a': 1}", "is no text (what it is)")


def test_many_reasons_are_put_together() -> None:
    rows = [RejectedRow(n, None, None, f"reason {n:02}") for n in range(30)]
    (figures,) = of_kind(rejected_section(None, rows, TEXT), Figures)
    assert "reason 24" in figures.figures[0].chart.json
    assert "reason 25" not in figures.figures[0].chart.json
    assert "5 others" in figures.figures[0].chart.json


def test_none_rejected_is_not_the_same_as_not_known() -> None:
    (note,) = of_kind(rejected_section(Ledger().as_dict(), (), TEXT), Note)
    assert (note.tone, note.text) == ("good", "No row was rejected.")
    assert rejected_section(None, (), TEXT) is None


def test_changes_with_examples() -> None:
    ledger = Ledger()
    ledger.changed(
        Record({}, "a.csv", 7),
        stage="clean",
        kind="repeated characters",
        field="text",
        before="ㅋㅋㅋㅋ 끝",
        after="ㅋㅋ 끝",
        times=2,
    )
    section = changes_section(ledger.as_dict(), changes_examples(ledger), TEXT)
    (figures,) = of_kind(section, Figures)
    assert "1 (2 times)" in figures.figures[0].chart.json
    (table,) = of_kind(section, Table)
    assert table.rows == (
        (
            "repeated characters",
            "a.csv, row 7",
            "text",
            Marked("ㅋㅋ", "ㅋㅋ", " 끝"),
            Marked("ㅋㅋ", "", " 끝"),
        ),
    )


def test_no_changes_no_section() -> None:
    assert changes_section(Ledger().as_dict(), [], TEXT) is None
    assert changes_section(None, [], TEXT) is None


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"rows_in": "3"}, "ledger_counts['rows_in'] is '3'; give a whole number from 0 up"),
        ({"rows_in": -1}, "ledger_counts['rows_in'] is -1"),
        ({"rejections": {"a": 1}}, "ledger_counts['rejections'] is {'a': 1}; give a list"),
        ({"rejections": ["a"]}, "ledger_counts['rejections'][0] is 'a'; give a mapping"),
        ({"rows_added": [1]}, "ledger_counts['rows_added'] is [1]; give a mapping"),
    ],
)
def test_counts_that_are_none(counts: dict, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        overview_section(counts, {}, TEXT)
    assert message in str(caught.value)
