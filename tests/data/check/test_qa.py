from typing import Any

import pytest

from bitsft.data.check.qa import QARow
from bitsft.data.fields import RowError

CONTEXT = "서울은 대한민국의 수도이다. 한강이 흐른다."


def row(**changes: Any) -> dict[str, Any]:
    return {"question": "수도는?", "context": CONTEXT, "answers": ["서울"]} | changes


@pytest.mark.parametrize(
    "answers",
    [
        {"text": ["서울"], "answer_start": [0]},
        {"text": ["서울", "서울"], "answer_start": [0, 0]},
        {"text": "서울", "answer_start": 0},
        {"text": ["서울"]},
        [{"text": "서울", "answer_start": 0}],
        ["서울", " 서울 "],
        "서울",
    ],
)
def test_all_forms_of_the_answers(answers: Any) -> None:
    expected = {"question": "수도는?", "context": CONTEXT, "answers": ["서울"]}
    assert QARow.from_raw(row(answers=answers)).columns() == expected
    renamed = row(answer=answers)
    del renamed["answers"]
    assert QARow.from_raw(renamed).columns() == expected


def test_several_answers_keep_their_order() -> None:
    checked = QARow.from_raw(row(answers=["서울", "서울시", "서울"], title=" 대한민국 "))
    assert checked.answers == ("서울", "서울시")
    assert list(checked.columns()) == ["question", "context", "answers", "title"]
    assert QARow.from_raw(checked.columns()) == checked


@pytest.mark.parametrize("start", [3, -1, 10_000])
def test_a_start_that_is_off_does_not_matter_if_the_answer_is_there(start: int) -> None:
    answers = {"text": ["한강"], "answer_start": [start]}
    assert QARow.from_raw(row(answers=answers)).answers == ("한강",)


def test_an_answer_in_the_other_unicode_form_is_there() -> None:
    nfd = "\u1109\u1165\u110b\u116e\u11af"
    assert QARow.from_raw(row(answers={"text": [nfd], "answer_start": [0]})).answers == (nfd,)


def test_a_free_answer_need_not_be_in_the_context() -> None:
    assert QARow.from_raw(row(answers="서울특별시입니다.")).answers == ("서울특별시입니다.",)


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"answers": None}, "answers", "is missing"),
        ({"answers": ""}, "answers", "is empty"),
        ({"answers": [""]}, "answers[0]", "is empty"),
        ({"answers": [{"answer_start": 0}]}, "answers[0]", "is missing"),
        ({"answers": ["서울", 3]}, "answers[1]", "is of type int, not text"),
        ({"answers": 3}, "answers", "is of type int"),
        (
            {"answers": {"text": ["부산"], "answer_start": [0]}},
            "answers[0]",
            "is not in the context",
        ),
        ({"answers": {"text": ["서울"], "answer_start": [0, 1]}}, "answers", "holds not as many"),
        (
            {"answers": [{"text": "서울", "answer_start": "0"}]},
            "answers[0].answer_start",
            "is of type str, not a whole number",
        ),
        ({"answers": "{'text': ['서울'], 'answer_start': [0]}"}, "answers", "is a printed dict"),
        ({"question": None}, "question", "is missing"),
        ({"context": " "}, "context", "is empty"),
        ({"context": [CONTEXT]}, "context", "is of type list, not text"),
    ],
)
def test_refused(changes: dict[str, Any], field: str, reason: str) -> None:
    with pytest.raises(RowError) as caught:
        QARow.from_raw(row(**changes), 4)
    assert caught.value.field == field
    assert caught.value.reason.startswith(reason)
    assert caught.value.row_number == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"answers": []},
        {"answers": {"text": [], "answer_start": []}},
        {"answers": None, "is_impossible": True},
        {"answers": ["서울"], "is_impossible": True},  # plausible answers
        {"answers": "서울", "is_impossible": "True"},
    ],
)
def test_questions_without_an_answer(changes: dict[str, Any]) -> None:
    with pytest.raises(RowError, match="field 'answers' is empty: a question without an answer"):
        QARow.from_raw(row(**changes))
    checked = QARow.from_raw(row(**changes), no_answer="알 수 없습니다.")
    assert checked.answers == ("알 수 없습니다.",)


def test_no_answer_is_not_for_missing_columns() -> None:
    with pytest.raises(RowError, match="field 'answers' is missing"):
        QARow.from_raw({"question": "수도는?", "context": CONTEXT}, no_answer="모릅니다.")
