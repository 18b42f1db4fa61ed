"""The files of a comparison."""

import json
from pathlib import Path

import pytest

from bitsft.comparison import compare
from bitsft.comparison.files import write_comparison
from tests.comparison.evaluations import answer, evaluation, scored, simple


def test_three_files_and_nothing_else_touched(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    written = write_comparison(compare(simple([0.0]), simple([1.0], model="t")), tmp_path)
    assert [path.name for path in written] == ["comparison.md", "comparison.json", "report.html"]
    assert {path.name for path in tmp_path.iterdir()} == {
        *(path.name for path in written),
        "mine.txt",
    }


def test_without_the_report(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    write_comparison(compare(simple([0.0]), simple([1.0])), folder, report=False)
    assert sorted(path.name for path in folder.iterdir()) == ["comparison.json", "comparison.md"]


def test_half_a_surrogate_pair_comes_back_from_the_json(tmp_path: Path) -> None:
    one = evaluation([answer(0, "x\udc80")], scored("rougeL", [1.0]))
    write_comparison(compare(one, one), tmp_path, report=False)
    document = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))
    assert document["pairs"][0]["tuned"] == "x\udc80"
    assert "x⟨U+DC80⟩" in (tmp_path / "comparison.md").read_text(encoding="utf-8")


def test_an_unknown_language_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    comparison = compare(simple([0.0]), simple([1.0]))
    with pytest.raises(ValueError, match="xx"):
        write_comparison(comparison, tmp_path, language="xx")
    assert list(tmp_path.iterdir()) == []
