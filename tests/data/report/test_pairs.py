from typing import Any

import pytest

from bitsft.data.report.pairs import FORMATTED, Pair, characters, pair_of, task_name_of


def test_checked_rows_are_formatted() -> None:
    row = {"task": "koalpaca", "instruction": "수도는?", "output": "서울입니다."}
    assert pair_of(row) == Pair("### 질문: 수도는?\n\n### 답변:", " 서울입니다.")
    assert task_name_of(row) == "koalpaca"


def test_a_given_formatter_is_used() -> None:
    row = {"task": "summarization", "document": "긴 글", "summary": "요약"}
    pair = pair_of(row, lambda row: {"prompt": row["document"], "completion": row["summary"]})
    assert pair == Pair("긴 글", "요약")


def test_formatted_rows_stay_as_they_are() -> None:
    row = {"prompt": "질문:", "completion": " 답"}
    assert pair_of(row, lambda row: pytest.fail("not to be called")) == Pair("질문:", " 답")
    assert task_name_of(row) == FORMATTED
    assert task_name_of(row | {"task": "raft"}) == "raft"


def test_messages() -> None:
    pair = pair_of(
        {
            "prompt": [{"role": "user", "content": "안녕"}],
            "completion": [{"role": "assistant", "content": "반가워요"}],
        }
    )
    assert pair.is_messages
    assert (characters(pair.prompt), characters(pair.completion)) == (2, 4)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"text": "a"}, "the formatter gave ['text']"),
        ("text", "the formatter gave str"),
        ({"prompt": "a", "completion": None}, "a completion of type NoneType"),
        ({"prompt": "a", "completion": [{"role": "assistant", "content": "b"}]}, "of type list"),
        ({"prompt": [{"content": "b"}], "completion": [{"content": "b"}]}, "give two texts, or"),
    ],
)
def test_a_formatter_that_gives_something_else(result: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        pair_of({"task": "koalpaca"}, lambda row: result)
    assert message in str(caught.value)


def test_rows_without_a_task() -> None:
    with pytest.raises(ValueError, match="no 'task'; pass it through check_records first"):
        task_name_of({"text": "글"})
