from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from bitsft.data.check import check_records
from bitsft.data.fields import RowError
from bitsft.data.format.koalpaca import format_koalpaca
from bitsft.data.format.raft import format_raft
from bitsft.data.format.records import FORMATTERS, format_record, format_records
from bitsft.data.format.rows import format_rows
from bitsft.data.ledger import Ledger
from bitsft.data.records import Record
from bitsft.data.tasks import TASKS

ALPACA = {"instruction": "수도는?", "output": "서울", "task": "koalpaca"}
RAFT = {
    "question": "수도는?",
    "context": ["서울은 수도이다."],
    "answer": "서울",
    "cot": "글에 있다.",
    "task": "raft",
}
REVIEW = {"text": "재밌다", "label": "긍정", "task": "classification"}


def test_every_task_has_a_formatter() -> None:
    assert list(FORMATTERS) == list(TASKS)


def test_a_row_is_formatted_by_its_task() -> None:
    assert format_record(ALPACA) == format_koalpaca(ALPACA)
    assert format_record(RAFT) == format_raft(RAFT)
    chat = format_record(RAFT, language="en", as_messages=True, system="Be brief.")
    assert chat == format_raft(RAFT, language="en", as_messages=True, system="Be brief.")


def test_options_by_task() -> None:
    by_task: dict[str, dict[str, Any]] = {
        "raft": {"with_cot": False, "language": "en"},
        "classification": {"labels": ["긍정", "부정"]},
    }
    formatter = partial(format_record, by_task=by_task)
    assert formatter(RAFT) == format_raft(RAFT, with_cot=False, language="en")
    assert "보기: 긍정, 부정" in formatter(REVIEW)["prompt"]
    assert formatter(ALPACA) == format_koalpaca(ALPACA)
    with pytest.raises(TypeError, match="labels"):
        format_record(RAFT, by_task={"raft": {"labels": []}})


@pytest.mark.parametrize("task", [None, "koalpacas", ["koalpaca"]])
def test_rows_of_no_known_task(task: Any) -> None:
    with pytest.raises(RowError, match="row 4, field 'task' names no known task"):
        format_record(ALPACA | {"task": task}, 4)


def test_mixed_tasks_into_one_dataset() -> None:
    done = format_rows([ALPACA, RAFT, REVIEW, {"task": "raft"}], format_record)
    assert str(done) == "4 rows in, 3 out, 1 rejected (question: 1)"
    assert done.dataset["completion"][0] == " 서울"


def test_the_stage() -> None:
    ledger = Ledger()
    rows = [ALPACA | {"id": 1}, RAFT | {"answer": ""}, REVIEW]
    records = list(format_records(rows, ledger=ledger))
    assert [record.values for record in records] == [
        {**format_koalpaca(ALPACA), "task": "koalpaca", "id": 1},
        {**format_record(REVIEW), "task": "classification"},
    ]
    assert [record.number for record in records] == [0, 2]
    ledger.count_out(len(records))
    ledger.check_balance()
    assert dict(ledger.rejections) == {("format", "answer", "is empty"): 1}


def test_after_the_check() -> None:
    ledger = Ledger()
    given = Record({"Q": "수도는?", "A": "서울"}, "a.csv", 8)
    (record,) = format_records(check_records([given], "koalpaca", ledger=ledger), ledger=ledger)
    assert (record.source, record.number) == ("a.csv", 8)
    assert record.values == {**format_koalpaca(ALPACA), "task": "koalpaca"}


def test_another_formatter() -> None:
    def title(row: Mapping[str, Any]) -> dict[str, Any]:
        if not row["title"]:
            raise ValueError("no title")
        return {"text": row["title"]}

    ledger = Ledger()
    records = list(
        format_records([{"title": "글", "task": 1}, {"title": ""}], title, ledger=ledger)
    )
    assert [record.values for record in records] == [{"text": "글", "task": 1}]
    assert dict(ledger.rejections) == {("format", "", "no title"): 1}
    with pytest.raises(KeyError):
        list(format_records([{}], title, ledger=Ledger()))


def test_a_wrong_option_ends_the_stage() -> None:
    ledger = Ledger()
    rows = iter([ALPACA] * 1_000)
    with pytest.raises(ValueError, match="the first 100 rows were all refused: language='fr'"):
        list(format_records(rows, partial(format_record, language="fr"), ledger=ledger))
    assert ledger.rows_in == ledger.rows_rejected == 100
    assert len(list(rows)) == 900


def test_rejected_rows_do_not_end_the_stage() -> None:
    ledger = Ledger()
    records = format_records([ALPACA | {"output": ""}] * 300 + [ALPACA], ledger=ledger)
    assert len(list(records)) == 1
    assert ledger.rows_rejected == 300


def test_strict() -> None:
    with pytest.raises(RowError, match="row 0, field 'output' is empty"):
        list(format_records([ALPACA | {"output": ""}], ledger=Ledger(strict=True)))
