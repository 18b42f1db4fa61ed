from typing import Any

import pytest

from bitsft.data.common.answers import Answers
from bitsft.data.fields import RowError
from bitsft.data.raft_builder.question_rows import QuestionRow

DOCUMENTS = {"7": "서울은 수도이다."}


def read(**row: Any) -> QuestionRow:
    return QuestionRow.read({"question": "수도는?", **row}, DOCUMENTS, "document_id")


def test_qa_row() -> None:
    row = read(context="서울은 수도이다.", answers=["서울", "한양", "서울"], task="qa", id=3)
    assert (row.answers, row.oracle, row.id) == (("서울", "한양"), "서울은 수도이다.", 3)


def test_squad_answers() -> None:
    row = read(context="서울은 수도이다.", answers={"text": ["서울"], "answer_start": [0]})
    assert row.answers == ("서울",)


def test_document_by_id() -> None:
    assert read(document_id=7, answer="서울").oracle == "서울은 수도이다."


def test_raft_row_keeps_its_other_documents() -> None:
    row = read(
        context=["부산", "서울은 수도이다."], oracle_context="서울은 수도이다.", answer="서울"
    )
    assert (row.oracle, row.others) == ("서울은 수도이다.", ("부산",))


def test_oracle_context_alone() -> None:
    assert read(oracle_context="서울은 수도이다.", answer="서울").oracle == "서울은 수도이다."


def test_chain_of_thought_of_the_authors_generator() -> None:
    row = read(
        context={"title": [["placeholder_title"]], "sentences": [["서울은 수도이다."]]},
        cot_answer="##begin_quote##서울은 수도##end_quote##\n<ANSWER>：서울",
    )
    assert row.answers == ("서울",)
    assert row.cot == "##begin_quote##서울은 수도##end_quote##"


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"answer": "서울"}, "context"),
        ({"answer": "서울", "context": ["가", "나"]}, "oracle_context"),
        ({"answer": "서울", "document_id": "8"}, "document_id"),
        ({"context": "가"}, "answer"),
        ({"context": "가", "answers": []}, "answers"),
        ({"context": "가", "answers": [""]}, "answers[0]"),
        ({"context": "가", "answer": "나", "question": " "}, "question"),
        ({"context": "가", "answers": 7}, "answers"),
    ],
)
def test_rows_that_cannot_be_used(row: dict[str, Any], field: str) -> None:
    with pytest.raises(RowError) as error:
        read(**row)
    assert error.value.field == field


def choose(chunks: list[str], answer: str, cot: str | None = None) -> str:
    row = QuestionRow("서울의 강은?", (answer,), " ".join(chunks), cot=cot)
    return row.choose_chunk(chunks, Answers(row.answers))


def test_the_chunk_with_the_answer() -> None:
    assert choose(["서울은 수도이다.", "한강이 흐른다."], "한강") == "한강이 흐른다."


def test_of_several_the_one_like_the_question() -> None:
    chunks = ["한강은 길다.", "서울의 강은 한강이다.", "한강 다리"]
    assert choose(chunks, "한강") == "서울의 강은 한강이다."


def test_the_chunk_with_the_quotes() -> None:
    cot = "##begin_quote##한강 다리##end_quote##가 있다."
    assert choose(["서울의 강은 한강이다.", "한강 다리"], "한강", cot) == "한강 다리"
    assert choose(["서울의 강", "한강 다리"], "예", cot) == "한강 다리"


def test_one_chunk_needs_no_answer() -> None:
    assert choose(["서울은 수도이다."], "예") == "서울은 수도이다."


def test_no_chunk_has_it() -> None:
    with pytest.raises(RowError, match="chunk_size"):
        choose(["서울은 수도이다.", "부산은 항구이다."], "한강")
