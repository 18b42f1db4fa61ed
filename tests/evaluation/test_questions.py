"""Questions: which rows are asked as they are, which are formatted, and their numbers."""

from typing import Any

import pytest

from bitsft.data.ledger import Ledger
from bitsft.data.records import Record
from bitsft.evaluation.questions import form_of, read_questions


@pytest.mark.parametrize(
    ("row", "form"),
    [
        ({"prompt": "수도는?", "completion": " 서울"}, "asked"),
        ({"prompt": "수도는?", "completion": " 서울", "task": "qa"}, "asked"),
        ({"messages": []}, "asked"),
        ({"messages": [], "task": "messages"}, None),
        ({"text": "서울은 수도이다.", "id": "a"}, "text"),
        ({"text": "좋다", "label": "긍정"}, None),
        ({"instruction": "수도는?", "output": "서울"}, None),
    ],
)
def test_forms(row: dict[str, Any], form: str | None) -> None:
    assert form_of(row) == form


@pytest.mark.parametrize(("second", "numbers"), [("a.jsonl", [3, 7]), ("b.jsonl", [0, 1])])
def test_numbers_are_of_one_file_or_of_all_rows(second: str, numbers: list[int]) -> None:
    row = {"prompt": "수도는?", "completion": " 서울 "}
    records = [Record(row, "a.jsonl", 3), Record(row, second, 7)]
    questions, texts = read_questions(records, dict, Ledger())
    assert [question.number for question in questions] == numbers
    assert questions[0].row.reference == "서울" and texts == []


@pytest.mark.parametrize("task", ["all", "held_out"])
def test_a_task_that_would_take_the_place_of_other_scores_is_refused(task: str) -> None:
    ledger = Ledger()
    records = [
        Record({"prompt": "수도는?", "completion": " 서울", "task": name}, "a.jsonl", number)
        for number, name in enumerate((task, "mine"))
    ]
    questions, _ = read_questions(records, dict, ledger)
    assert [question.task for question in questions] == ["mine"]
    assert f"the task '{task}' is the name of other scores" in str(ledger.rejected_rows[0])


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "수도는 \ud83d?", "completion": "서울"},
        {"prompt": "수도는?", "completion": "서울\udc00"},
        {
            "messages": [
                {"role": "user", "content": "\ud83d"},
                {"role": "assistant", "content": "서울"},
            ]
        },
        {"prompt": "수도는?", "completion": "서울", "id": "\ud83d"},
        {"text": "서울은 \ud83d"},
    ],
)
def test_half_of_a_surrogate_pair_is_refused_with_its_row(row: dict[str, Any]) -> None:
    ledger = Ledger()
    whole = {"text": "서울 😀"} if "text" in row else {"prompt": "수도는 😀?", "completion": "서울"}
    records = [Record(one, "a.jsonl", number) for number, one in enumerate((row, whole))]
    questions, texts = read_questions(records, dict, ledger)
    assert len(questions) + len(texts) == 1
    assert (ledger.rows_rejected, ledger.rejected_rows[0].row_number) == (1, 0)
    assert "half of a surrogate pair" in str(ledger.rejected_rows[0])
