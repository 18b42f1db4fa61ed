import unicodedata

import pytest

from bitsft.data.common.hashing import digest
from bitsft.data.records import Record
from bitsft.data.split.keys import (
    DOCUMENT,
    QUESTION,
    checked_task,
    cluster_key,
    column_key,
    document_keys,
    question_key,
    row_key,
)
from bitsft.data.tasks import TASKS


def asked(text: str) -> bytes | None:
    row = {"task": "koalpaca", "instruction": text, "output": "답"}
    return question_key(Record(row), TASKS["koalpaca"])


def test_spacing_case_and_unicode_form_play_no_part() -> None:
    assert asked("띄어 쓰기\u3000 A\n") == asked("띄어쓰기a")
    assert asked(unicodedata.normalize("NFD", "각 나")) == asked("각나")
    assert asked("ㅋㅋ") != asked("\u110f\u110f")  # what NFKC makes of it
    assert asked(" \u200b\n") is None


def test_digests_do_not_change_between_versions() -> None:
    # Computed once with hashlib; if they changed, rows would change sides.
    assert digest("가", QUESTION).hex() == "99b0c2e261f57c623aa10047590e02c4"
    assert digest("가", DOCUMENT) != digest("가", QUESTION)


def test_row_key_leaves_id_and_missing_values_out() -> None:
    assert row_key({"id": 1, "a": "가", "b": None}) == row_key({"a": "가", "id": 2})
    assert row_key({"a": "가"}) != row_key({"a": "가 "})
    assert row_key({"a": 1, "b": [{"c": 2, "d": 3}]}) == row_key({"b": [{"d": 3, "c": 2}], "a": 1})
    assert row_key({"a": {1: 2, "b": 3}}) != row_key({"a": {1: 2, "b": 4}})


def test_column_keys() -> None:
    assert column_key({"a": "가 나"}, "a") == column_key({"a": "가나"}, "a")
    assert column_key({"a": 1}, "a") != column_key({"a": 2}, "a")
    for row in ({}, {"a": None}, {"a": " "}, {"a": float("nan")}):
        assert column_key(row, "a") is None


def test_cluster_labels() -> None:
    assert cluster_key(1) != cluster_key("1")


def test_question_and_documents_of_a_row() -> None:
    row = Record({"task": "qa", "question": "어디?", "context": " ", "answers": ["서울"]})
    assert checked_task(row) is TASKS["qa"]
    assert question_key(row, TASKS["qa"]) == digest("어디?", QUESTION)
    assert document_keys(row, TASKS["qa"]) == []
    first = Record({"task": "dialogue", "messages": [{"role": "user", "content": "안녕"}]})
    assert question_key(first, TASKS["dialogue"]) is None


@pytest.mark.parametrize(
    "row", [{"task": "dialogue"}, {"task": "dialogue", "messages": 3}, {"task": "raft"}]
)
def test_rows_that_were_not_checked(row: dict) -> None:
    record = Record(row, "a.csv", 4)
    find = question_key if row["task"] == "dialogue" else document_keys
    with pytest.raises(ValueError, match="^a.csv, row 4: .* is no (dialogue|raft) row. Pass"):
        find(record, TASKS[row["task"]])
    with pytest.raises(ValueError, match="row 0: .*check_records first. .* group_by='...'"):
        checked_task(Record({"prompt": "가"}))
