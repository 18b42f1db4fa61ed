from typing import Any

import pytest

from bitsft.data.duplicates.compared import check_by, compared_parts, row_key, written

RAFT = {
    "task": "raft",
    "question": "수도는?",
    "context": ["부산은 항구다.", "서울은 수도다."],
    "oracle_context": "서울은 수도다.",
    "answer": "서울",
}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("가", "가"),
        (None, ""),
        (float("nan"), ""),
        (1, "1"),
        (True, "True"),
        (["가", 2], "가\x1e2"),
        ({"role": "user", "content": "가"}, "content\x1d가\x1erole\x1duser"),
    ],
)
def test_values_as_written(value: Any, text: str) -> None:
    assert written(value) == text


@pytest.mark.parametrize(
    ("row", "by", "parts"),
    [
        (RAFT, "row", ("수도는?", "서울은 수도다.", "서울")),
        (RAFT, "question", ("수도는?", "서울은 수도다.")),
        (RAFT, ("answer",), ("서울",)),
        ({"task": "classification", "text": "좋다", "label": 1}, "row", ("좋다", "1")),
        (
            {"task": "summarization", "document": "긴 글", "summary": "글"},
            "row",
            ("긴 글", "글"),
        ),
        (
            {
                "task": "dialogue",
                "messages": [
                    {"role": "user", "content": "안녕"},
                    {"role": "assistant", "content": "네"},
                ],
            },
            "row",
            ("안녕", "네"),
        ),
        ({"id": 7, "Q": "가", "A": None}, "row", ("A\x1fQ", "", "가")),
        ({"id": 7, "Q": " ", "A": None}, "row", ()),
        ({"Q": ""}, ("Q", "A"), ()),
    ],
)
def test_parts_that_are_compared(row: dict[str, Any], by: Any, parts: tuple[str, ...]) -> None:
    assert compared_parts(row, by) == parts


def same(first: dict[str, Any], second: dict[str, Any], by: Any = "row") -> bool:
    return row_key(first, by, True) == row_key(second, by, True)


def test_rows_are_equal_by_what_is_named() -> None:
    one = {"task": "koalpaca", "id": 1, "instruction": "먹고 싶다", "output": "네"}
    two = {"task": "koalpaca", "id": 2, "instruction": "먹고싶다", "output": "네", "input": None}
    other = {"task": "koalpaca", "instruction": "먹고싶다", "output": "아니요"}
    assert same(one, two)
    assert not same(one, other)
    assert same(one, other, "question")
    assert same(one, other, ("instruction",))
    assert not same(one, other, ("output",))


def test_columns_and_list_items_do_not_run_together() -> None:
    assert not same({"a": "가나", "b": "다"}, {"a": "가", "b": "나다"})
    assert not same({"a": "가"}, {"b": "가"})
    assert not same({"a": ["가나", "다"]}, {"a": ["가", "나다"]})
    assert not same({"a": "가\x1f나", "b": ""}, {"a": "가", "b": "나"})
    assert same({"a": "가", "b": None}, {"a": "가"})


def test_a_question_about_another_document_is_another_question() -> None:
    row = {"task": "qa", "question": "언제?", "context": "가의 글", "answers": ["어제"]}
    assert not same(row, {**row, "context": "나의 글"}, "question")
    assert same(row, {**row, "answers": ["오늘"]}, "question")


@pytest.mark.parametrize("by", ["rows", "", [], [1]])
def test_by_must_be_known(by: Any) -> None:
    with pytest.raises(ValueError, match="by="):
        check_by(by)


def test_by_must_fit_the_row() -> None:
    with pytest.raises(ValueError, match="names no column"):
        row_key({"Q": "가"}, ("질문",), True)
    with pytest.raises(ValueError, match="names no column"):
        compared_parts({"Q": "가"}, ("질문",))
    with pytest.raises(ValueError, match="has no 'task'"):
        row_key({"Q": "가"}, "question", True)
    with pytest.raises(ValueError, match="has no 'task'"):
        compared_parts({"Q": "가"}, "question")
    with pytest.raises(ValueError, match="is not known"):
        row_key({"task": ["qa"]}, "row", True)
