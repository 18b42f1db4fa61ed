import csv
import json
from pathlib import Path
from typing import Any

import pytest

from bitsft.data.quality.report import QualityReport
from bitsft.data.quality.row_scores import score_row
from bitsft.data.records import Record


def raft(answer: str, number: int = 0, **values: Any) -> Record:
    row = {
        "task": "raft",
        "question": "대한민국의 수도는?",
        "context": ["서울은 대한민국의 수도이다."],
        "answer": answer,
    }
    return Record(row | values, "a.jsonl", number)


def filled(worst: int = 100) -> QualityReport:
    report = QualityReport(worst=worst)
    for number, answer in enumerate(["서울", "부산", "예", "서울 부산", "대구"]):
        record = raft(answer, number)
        report.add(record, score_row(record.values))
    return report


def test_the_summary() -> None:
    report = filled()
    groundedness = report.scores["groundedness"]
    assert (report.rows, groundedness.rows, groundedness.mean) == (5, 4, 0.375)
    assert groundedness.bins == [2, 0, 0, 0, 0, 1, 0, 0, 0, 1]
    assert groundedness.not_judged == {"the answer is a verdict": 1}
    numbers = report.as_dict()
    assert numbers["tasks"] == {"raft": 5}
    assert numbers["scores"]["question_context"]["mean"] == 1.0
    assert numbers["scores"]["groundedness"]["signature"].startswith("groundedness|method:")
    assert numbers["scores"]["groundedness"]["histogram"]["edges"][:3] == [0.0, 0.1, 0.2]
    assert numbers["languages"]["rows"] == {"hangul": 5}
    assert str(report).splitlines()[:2] == [
        "5 rows",
        "groundedness: mean 0.375 of 4 rows, 2 below 0.5; not judged: the answer is a verdict: 1",
    ]


def test_the_worst_come_first_and_equal_ones_in_their_order() -> None:
    assert [row["row_number"] for row in filled().worst_rows()] == [1, 4, 3, 0, 2]
    assert [row["row_number"] for row in filled(worst=2).worst_rows()] == [1, 4]
    assert filled(worst=0).worst_rows() == []


def test_rows_without_any_score_are_not_for_review() -> None:
    report = QualityReport()
    row = {"task": "classification", "text": "좋다", "label": "긍정"}
    report.add(Record(row), score_row(row))
    assert report.worst_rows() == []
    assert "groundedness: no row judged; not judged: the answer is a class label: 1" in str(report)


def test_the_review_as_jsonl(tmp_path: Path) -> None:
    path = tmp_path / "new" / "review.jsonl"
    filled(worst=1).write_review(path)
    assert [json.loads(line) for line in path.read_text("utf-8").splitlines()] == [
        {
            "source": "a.jsonl",
            "row_number": 1,
            "task": "raft",
            "lowest": 0.0,
            "groundedness": 0.0,
            "question_context": 1.0,
            "question_answer": None,
            "missing": ["부산"],
            "question": "대한민국의 수도는?",
            "answer": "부산",
            "documents": ["서울은 대한민국의 수도이다."],
        }
    ]


def test_the_review_as_csv(tmp_path: Path) -> None:
    path = tmp_path / "review.csv"
    filled().write_review(path)
    assert path.read_bytes().startswith(b"\xef\xbb\xbfsource,")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["answer"] for row in rows] == ["부산", "대구", "서울 부산", "서울", "예"]
    assert (rows[0]["lowest"], rows[4]["groundedness"]) == ("0.0", "")
    QualityReport().write_review(path)
    assert path.read_bytes() == b"\xef\xbb\xbf"


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_texts_that_break_lines_and_encodings(name: str, tmp_path: Path) -> None:
    report = QualityReport()
    record = raft("부산\u2028\r\n대구 \ud83d")
    report.add(record, score_row(record.values))
    report.write_review(tmp_path / name)
    text = (tmp_path / name).read_bytes().decode("utf-8")
    if name == "a.jsonl":
        assert text.count("\n") == len(text.splitlines()) == 1
        assert json.loads(text)["answer"] == "부산\u2028\r\n대구 \ud83d"
    else:
        assert "\\ud83d" in text


def test_wrong_arguments(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must end in \.jsonl or \.csv"):
        filled().write_review(tmp_path / "review.txt")
    with pytest.raises(ValueError, match="worst=-1 must be 0 or more"):
        QualityReport(worst=-1)
