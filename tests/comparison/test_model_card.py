"""The section in a model card: added, replaced, nothing else touched; model-index."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard, metadata_load

from bitsft.comparison import compare
from bitsft.comparison.model_card import BEGIN, END, write_model_index, write_section
from tests.comparison.evaluations import answer, evaluation, scored, simple

_CARD = "---\nlicense: mit   # kept\n---\n\n# My model\n\nText.\n"


def test_it_is_added_at_the_end_and_the_rest_stays(tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    card.write_text(_CARD, encoding="utf-8")
    write_section(card, "## 비교\n")
    assert card.read_text(encoding="utf-8") == f"{_CARD}\n{BEGIN}\n## 비교\n{END}\n"


def test_twice_is_as_once_and_a_new_one_takes_its_place(tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    card.write_text(_CARD)
    write_section(card, "old")
    first = card.read_bytes()
    write_section(card, "old")
    assert card.read_bytes() == first
    card.write_bytes(first + b"\n## License\n")  # the user goes on below
    write_section(card, r"new \1 \g<0>")
    assert card.read_text() == f"{_CARD}\n{BEGIN}\nnew \\1 \\g<0>\n{END}\n\n## License\n"


def test_line_ends_of_windows_stay(tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    card.write_bytes(b"# a\r\n")
    write_section(card, "one\ntwo")
    write_section(card, "one\ntwo")
    assert card.read_bytes() == f"# a\r\n\r\n{BEGIN}\r\none\r\ntwo\r\n{END}\r\n".encode()


@pytest.mark.parametrize("left", [BEGIN, END, f"{END}\n{BEGIN}", f"{BEGIN}\n{BEGIN}\n{END}"])
def test_half_a_section_is_refused_and_nothing_is_written(tmp_path: Path, left: str) -> None:
    card = tmp_path / "README.md"
    card.write_text(f"# a\n{left}\n")
    with pytest.raises(ValueError, match="must occur once each"):
        write_section(card, "x")
    assert card.read_text() == f"# a\n{left}\n"


def test_what_is_no_card_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such model card"):
        write_section(tmp_path / "none.md", "x")
    (tmp_path / "latin.md").write_bytes(b"\xff")
    with pytest.raises(ValueError, match="not UTF-8, at byte 0"):
        write_section(tmp_path / "latin.md", "x")


def test_the_hub_reads_the_model_index(tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    card.write_text(_CARD)
    tuned = evaluation([answer(0)], scored("rougeL", [0.75]), scored("rougeL_recall", [0.5]))
    write_model_index(card, compare(tuned, tuned))
    write_model_index(card, compare(tuned, tuned))
    (result,) = ModelCard.load(card).data.eval_results or []
    assert (result.dataset_name, result.metric_type, result.metric_name, result.metric_value) == (
        *("rows.jsonl", "rougeL", "ROUGE-L"),
        0.75,
    )
    assert card.read_text().endswith("# My model\n\nText.\n")


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ({"name": "/home/kim/secret/rows.jsonl", "split": None, "files": [{}]}, "rows.jsonl"),
        ({"name": "data/kim/", "split": "test", "files": [{}]}, "kim"),
        ({"name": "C:\\kim\\rows.csv", "files": [{}]}, "rows.csv"),
        ({"name": ".."}, "data"),
        ({"name": "owner/set", "split": "test", "files": []}, "owner/set"),
    ],
)
def test_no_folders_are_published(tmp_path: Path, data: dict[str, Any], name: str) -> None:
    card = tmp_path / "README.md"
    card.write_text(_CARD)
    tuned = replace(simple([0.5]), data=data)
    write_model_index(card, compare(tuned, tuned))
    (result,) = ModelCard.load(card).data.eval_results or []
    assert (result.dataset_type, result.dataset_name) == (name, name)


def test_values_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    card.write_text(_CARD)
    nan = evaluation([answer(0)], scored("rougeL", [float("nan")]))
    write_model_index(card, compare(nan, nan))
    assert card.read_text() == _CARD, "there is nothing to say"
    both = evaluation([answer(0)], scored("rougeL", [float("nan")]), scored("chrf", [50.0]))
    write_model_index(card, compare(simple([0.1]), simple([0.2])))
    write_model_index(card, compare(both, both))
    (result,) = ModelCard.load(card).data.eval_results or []
    assert (result.metric_type, result.metric_value) == ("chrf", 50.0), "the old ROUGE-L is gone"


def test_entries_of_others_stay_and_ours_are_brought_up_to_date(tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    card.write_text(
        "---\nlicense: mit\nmodel-index:\n- name: named\n  results:\n  - task: {type: text-generation}\n"
        "    dataset: {type: other, name: other}\n    metrics: [{type: acc, value: 0.5}]\n---\n# a\n"
    )
    write_model_index(card, compare(simple([0.1]), simple([0.2])))
    write_model_index(card, compare(simple([0.1]), simple([0.3])))
    metadata = metadata_load(card) or {}
    assert metadata["license"] == "mit"
    (index,) = metadata["model-index"]
    assert index["name"] == "named"
    found = {(one["dataset"]["name"], one["metrics"][0]["value"]) for one in index["results"]}
    assert found == {("other", 0.5), ("rows.jsonl", 0.3)}
