import json
from typing import Any

import pytest

from bitsft.data.duplicates.report import DuplicateReport
from bitsft.data.quality import quality_report
from bitsft.data.report.findings import (
    duplicates_section,
    leaks_section,
    quality_section,
)
from bitsft.data.report.words import words
from bitsft.data.split.leaks import find_leaks
from bitsft.pages.blocks import Cards, Figures, Note, Section, Table
from tests.data.report.rows import asked

TEXT = words("en")


def of_kind(section: Section | None, kind: type) -> list[Any]:
    assert section is not None
    return [block for block in section.blocks if isinstance(block, kind)]


def test_what_was_not_looked_for_has_no_section() -> None:
    assert duplicates_section(None, TEXT) is None
    assert quality_section(None, TEXT) is None
    assert leaks_section(None, TEXT) is None


def test_no_leaks_are_green() -> None:
    leaks = find_leaks({"train": [asked("가?", "나")], "test": [asked("다?", "라")]})
    note, *_ = of_kind(leaks_section(leaks.as_dict(), TEXT), Note)
    assert note.tone == "good"
    assert note.text.startswith("No leaks")


def test_leaks_are_counted_and_not_green() -> None:
    leaks = find_leaks({"train": [asked("가?", "나")], "test": [asked("가?", "라")]})
    section = leaks_section(leaks.as_dict(), TEXT)
    note, *_ = of_kind(section, Note)
    assert (note.tone, note.text[:6]) == ("bad", "1 rows")
    (table,) = of_kind(section, Table)
    assert ("test ← train", "question", 1, "100.0%") in table.rows


def test_a_distractor_is_no_leak() -> None:
    shared = {"kind": "distractor", "split": "test", "other": "train", "rows": 3, "of": 4}
    first, last = of_kind(leaks_section({"shared": [shared]}, TEXT), Note)
    assert first.tone == "good"
    assert last.text.startswith("Shared distractors are no leak")


def test_leaks_without_counts_are_no_good_news() -> None:
    with pytest.raises(ValueError, match="which counts nothing"):
        leaks_section({"documents": []}, TEXT)


def test_rows_in_which_no_leak_could_be_found() -> None:
    notes = of_kind(leaks_section({"shared": [], "rows_without_task": 5}, TEXT), Note)
    assert [note.tone for note in notes] == ["good", "bad"]


def test_duplicates() -> None:
    report = DuplicateReport(exact=3, near=2, clusters=2, conflicts=1)
    report.sizes.update({2: 10, 11: 1})
    examples = [
        {"cluster": 0, "similarity": 1.0, "kept": True, "source": "a", "row_number": 1, "text": "가"},
        {"cluster": 0, "similarity": 0.8, "kept": False, "source": "a", "row_number": 9, "text": "나"},
    ]  # fmt: skip
    conflicts = [{"question": "수도는?", "first_answer": "서울", "answer": "부산"}]
    given_counts = report.as_dict() | {"examples": examples, "conflict_examples": conflicts}
    section = duplicates_section(given_counts, TEXT)
    (cards,) = of_kind(section, Cards)
    assert [number for _, number, _ in cards.cards] == ["3", "2", "1"]
    (figures,) = of_kind(section, Figures)
    (trace,) = json.loads(figures.figures[0].chart.json)["data"]
    assert trace["x"] == [10, 1]  # in the order of sizes, not of their digits
    clusters, answers = of_kind(section, Table)
    assert clusters.rows == (
        ("0", "a, row 1", "kept", "1.00", "가"),
        ("0", "a, row 9", "", "0.80", "나"),
    )
    assert answers.rows == (("수도는?", "서울", "부산"),)


def test_no_duplicates() -> None:
    (note,) = of_kind(duplicates_section(DuplicateReport().as_dict(), TEXT), Note)
    assert (note.tone, note.text) == ("good", "No duplicates were found.")


def test_quality() -> None:
    rows = [
        {"task": "qa", "question": "수도는?", "context": "수도는 서울이다.", "answers": ["서울"]},
        {"task": "qa", "question": "수도는?", "context": "바다가 넓다.", "answers": ["런던"]},
    ]
    report = quality_report(rows)
    section = quality_section(report.as_dict() | {"worst": report.worst_rows()}, TEXT)
    (figures,) = of_kind(section, Figures)
    groundedness = next(f for f in figures.figures if f.heading == "groundedness")
    assert groundedness.caption
    assert sum(json.loads(groundedness.chart.json)["data"][0]["y"]) == 2
    (table,) = of_kind(section, Table)
    assert table.rows[0][0] == "0.00"
    assert table.rows[0][2:4] == ("수도는?", "런던")


def test_a_score_that_judged_no_row_has_no_empty_chart() -> None:
    report = quality_report([{"task": "classification", "text": "좋은 영화다", "label": "긍정"}])
    assert quality_section(report.as_dict(), TEXT) is None


def test_scores_as_values() -> None:
    section = quality_section({"scores": {"a": [0.1, 0.9], "b": {"values": [1, 2]}}}, TEXT)
    (figures,) = of_kind(section, Figures)
    assert [figure.heading for figure in figures.figures] == ["a", "b"]
    assert quality_section({}, TEXT) is None


@pytest.mark.parametrize(
    ("section", "value", "message"),
    [
        (duplicates_section, {"exact": 1.5}, "duplicates['exact'] is 1.5"),
        (duplicates_section, {"cluster_sizes": {"two": 1}}, "has the size 'two'"),
        (quality_section, {"scores": {"a": "high"}}, "quality['scores']['a'] is 'high'"),
        (quality_section, {"scores": {"a": {"histogram": {"edges": [0]}}}}, "'edges' (rising)"),
        (quality_section, {"worst": [{"lowest": "x"}]}, "['lowest'] is 'x'; give a number"),
        (leaks_section, {"shared": [3]}, "leaks['shared'][0] is 3"),
    ],
)
def test_mappings_that_are_not_as_described(section: Any, value: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        section(value, TEXT)
    assert message in str(caught.value)
