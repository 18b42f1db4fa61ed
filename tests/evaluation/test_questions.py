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
