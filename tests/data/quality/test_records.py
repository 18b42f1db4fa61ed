import copy
from typing import Any

import numpy as np
import pytest

from bitsft.data.ledger import Ledger
from bitsft.data.quality.records import quality_records, quality_report
from bitsft.data.quality.report import QualityReport
from bitsft.data.records import Record


def raft(question: str, context: list[str], answer: str) -> dict[str, Any]:
    return {"task": "raft", "question": question, "context": context, "answer": answer}


SEOUL = ["서울은 대한민국의 수도이다."]
GOOD = raft("대한민국의 수도는?", SEOUL, "서울")
UNGROUNDED = raft("대한민국의 수도는?", SEOUL, "부산")
UNRELATED = raft("양파는 어떤 식물인가요?", SEOUL, "서울")
ENGLISH = raft("What is the capital of Korea?", ["The capital of Korea is Seoul."], "Seoul")
ROWS = [GOOD, UNGROUNDED, UNRELATED, ENGLISH]


def test_rows_pass_unchanged_and_the_report_is_filled() -> None:
    rows, before = ROWS, copy.deepcopy(ROWS)
    ledger, report = Ledger(), QualityReport()
    records = [Record(row, "a", n) for n, row in enumerate(rows)]
    passed = list(quality_records(records, ledger=ledger, report=report))
    assert [record is same for record, same in zip(passed, records, strict=True)] == [True] * 4
    assert rows == before
    assert (ledger.rows_in, ledger.rows_rejected, report.rows) == (0, 0, 4)


@pytest.mark.parametrize(
    ("thresholds", "rejected", "field", "reason"),
    [
        (
            {"min_groundedness": 0.5},
            UNGROUNDED,
            "answer",
            "is not grounded enough in the documents",
        ),
        (
            {"min_question_context": 0.5},
            UNRELATED,
            "question",
            "has too little to do with the documents",
        ),
        ({"min_hangul": 0.5}, ENGLISH, None, "has too few Hangul letters"),
    ],
)
def test_thresholds(
    thresholds: dict[str, float], rejected: dict[str, Any], field: str | None, reason: str
) -> None:
    ledger, report = Ledger(), QualityReport()
    passed = list(quality_records(ROWS, ledger=ledger, report=report, **thresholds))
    ledger.count_out(len(passed))
    ledger.check_balance()
    assert [record.values for record in passed] == [row for row in ROWS if row is not rejected]
    (row,) = ledger.rejected_rows
    assert (row.stage, row.field, row.value, row.reason) == ("quality", field, 0.0, reason)
    assert report.rows == 4


def test_a_threshold_on_the_answers_relevance() -> None:
    ledger = Ledger()
    rows = [
        {"task": "koalpaca", "instruction": "서울의 인구는?", "output": output}
        for output in ("서울의 인구는 천만입니다", "양파는 줄기 식물입니다", "천만")
    ]
    passed = list(quality_records(rows, ledger=ledger, min_question_answer=0.5))
    assert [record.values["output"] for record in passed] == ["서울의 인구는 천만입니다", "천만"]


def test_a_value_at_the_threshold_passes_and_rows_without_a_score_do() -> None:
    ledger = Ledger()
    half = raft("대한민국의 수도는?", SEOUL, "서울 부산")
    label = {"task": "classification", "text": "123", "label": "1"}
    rows = [half, label]
    options = {"min_groundedness": 0.5, "min_hangul": 1.0, "min_question_context": 0.5}
    assert len(list(quality_records(rows, ledger=ledger, **options))) == 2  # type: ignore[arg-type]


def embed(texts: list[str]) -> np.ndarray:
    return np.array([[1.0, "서울" in text, "수도" in text] for text in texts])


def test_the_second_opinion() -> None:
    two = raft("대한민국의 수도는?", ["부산은 항구이다.", *SEOUL], "부산")
    label = {"task": "classification", "text": "좋다", "label": "1"}
    report = quality_report([two, label], embed=embed, signature="words@1")
    context = report.scores["similarity_question_context"]
    # The nearest document: (1,0,1)·(1,1,1) / √2√3, not that of the first.
    assert (context.rows, context.mean) == (1, pytest.approx(2 / 6**0.5))
    assert report.scores["similarity_question_answer"].mean == pytest.approx(0.5**0.5)
    assert report.signatures["similarity_question_context"] == (
        "similarity_question_context|method:cosine|embedder:words@1|v:1"
    )
    assert report.worst_rows()[0]["similarity_question_context"] == pytest.approx(0.8165)


def test_batches_of_the_embedder_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = quality_report(ROWS, embed=embed, signature="a").as_dict()
    monkeypatch.setattr("bitsft.data.quality.records._BATCH", 3)
    assert quality_report(ROWS, embed=embed, signature="a").as_dict() == whole


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_groundedness": 1.5}, "min_groundedness=1.5 must be from 0 to 1"),
        ({"min_hangul": -1}, "min_hangul=-1 must be from 0 to 1"),
        ({"embed": embed, "report": QualityReport()}, "embed needs a report to write to, and sign"),
        ({"embed": embed, "signature": "a"}, "embed needs a report"),
    ],
)
def test_wrong_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        quality_records([], ledger=Ledger(), **options)


def test_the_report_does_not_depend_on_how_often_it_is_made() -> None:
    assert quality_report(ROWS).as_dict() == quality_report(ROWS).as_dict()
    assert quality_report(iter(ROWS), worst=1).worst_rows()[0]["answer"] == "부산"
