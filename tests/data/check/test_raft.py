from typing import Any

import pytest
from pydantic import ValidationError

from bitsft.data.check.raft import RaftRow
from bitsft.data.fields import RowError

SEOUL, BUSAN = "서울은 대한민국의 수도이다.", "부산은 항구 도시이다."


def plain(**changes: Any) -> dict[str, Any]:
    row = {"question": "수도는 어디인가요?", "context": [SEOUL, BUSAN], "answer": "서울"}
    return row | changes


def gorilla(**changes: Any) -> dict[str, Any]:
    row = {
        "id": "7a1b",
        "type": "general",
        "question": "What is the capital?",
        "context": {"title": [["placeholder_title"] * 2], "sentences": [["Seoul is.", "Busan."]]},
        "oracle_context": "Seoul is.",
        "cot_answer": "It says ##begin_quote##Seoul is.##end_quote##\n<ANSWER>: Seoul",
        "instruction": (
            "<DOCUMENT>Seoul is.</DOCUMENT>\n<DOCUMENT>Busan.</DOCUMENT>\nWhat is the capital?"
        ),
    }
    return row | changes


def test_plain_row() -> None:
    assert RaftRow.from_raw(
        plain(cot="문서에 따르면 서울이다.", instruction="답하세요.")
    ) == RaftRow(
        question="수도는 어디인가요?",
        documents=(SEOUL, BUSAN),
        answer="서울",
        cot="문서에 따르면 서울이다.",
        instruction="답하세요.",
        oracle=None,
    )


def test_gorilla_row() -> None:
    assert RaftRow.from_raw(gorilla()) == RaftRow(
        question="What is the capital?",
        documents=("Seoul is.", "Busan."),
        answer="Seoul",
        cot="It says ##begin_quote##Seoul is.##end_quote##",
        instruction=None,
        oracle="Seoul is.",
    )


def test_rows_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        RaftRow.from_raw(plain()).answer = "부산"  # type: ignore[misc]


@pytest.mark.parametrize("name", ["question", "answer", "context"])
def test_none_is_missing(name: str) -> None:
    without = plain()
    del without[name]
    reasons = []
    for row in (plain(**{name: None}), without):
        with pytest.raises(RowError) as caught:
            RaftRow.from_raw(row)
        reasons.append((caught.value.field, caught.value.reason))
    assert reasons == [(name, "is missing")] * 2


def test_optional_fields_filled_with_none_change_nothing() -> None:
    filled = plain(instruction=None, cot=None, cot_answer=None, oracle_context=None, type=None)
    assert RaftRow.from_raw(filled) == RaftRow.from_raw(plain())


def test_a_batch_is_refused() -> None:
    with pytest.raises(RowError, match="field 'row' is of type list"):
        RaftRow.from_raw([plain()])  # type: ignore[arg-type]


def test_columns_of_a_plain_row() -> None:
    columns = RaftRow.from_raw(plain(cot=None)).columns()
    assert columns == {
        "question": "수도는 어디인가요?",
        "context": [SEOUL, BUSAN],
        "answer": "서울",
    }
    assert list(columns) == ["question", "context", "answer"]


def test_columns_are_read_back() -> None:
    row = RaftRow.from_raw(gorilla(instruction="한 문장으로 답하세요."))
    columns = row.columns()
    assert list(columns) == [
        "question",
        "context",
        "answer",
        "cot",
        "instruction",
        "oracle_context",
    ]
    assert columns["oracle_context"] == "Seoul is."
    assert RaftRow.from_raw(columns) == row


def test_constructed_directly() -> None:
    row = RaftRow(question=" 어디? ", documents=[SEOUL], answer="서울", cot="")
    assert (row.question, row.documents, row.cot) == ("어디?", (SEOUL,), None)
    with pytest.raises(ValidationError):
        RaftRow(question="어디?", documents=[], answer="서울")
