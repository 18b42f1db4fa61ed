import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bitsft.data.check import Bounds, check_records
from bitsft.data.fields import RowError
from bitsft.data.format.raft import format_raft
from bitsft.data.ledger import Ledger
from bitsft.data.records import Record

KOALPACA = {"instruction": "수도는?", "output": "서울."}
ROWS: dict[str, dict[str, Any]] = {
    "raft": {"question": "수도는?", "context": "서울은 수도이다.", "answer": "서울", "cot": None},
    "koalpaca": KOALPACA,
    "qa": {"question": "수도는?", "context": "서울은 수도이다.", "answers": ["서울"]},
    "summarization": {"document": "긴 글.", "summary": "글."},
    "translation": {"translation": {"ko": "안녕", "en": "Hi"}},
    "classification": {"text": "재밌다", "label": 1},
    "dialogue": {"messages": [{"from": "human", "value": "안"}, {"from": "gpt", "value": "녕"}]},
    "preference": {"prompt": "수도는?", "chosen": "서울", "rejected": "몰라"},
}


def check(rows: list[Any], task: str | None, **options: Any) -> tuple[list[Record], Ledger]:
    ledger = Ledger()
    records = list(check_records(rows, task, ledger=ledger, **options))
    ledger.count_out(len(records))
    ledger.check_balance()
    return records, ledger


@pytest.mark.parametrize("task", ROWS)
def test_each_task_in_its_one_shape_which_passes_again(task: str) -> None:
    (record,), _ = check([ROWS[task] | {"id": 7}], task)
    assert list(record.values)[-2:] == ["id", "task"]
    assert (record.values["id"], record.values["task"]) == (7, task)
    for again in (task, None):
        (second,), ledger = check([record.values], again)
        assert list(second.values.items()) == list(record.values.items())
        assert not ledger.columns_left_out


def test_a_canonical_raft_row_is_what_the_formatter_reads() -> None:
    (record,), _ = check([ROWS["raft"]], "raft")
    assert record.values == {
        "question": "수도는?",
        "context": ["서울은 수도이다."],
        "answer": "서울",
        "task": "raft",
    }
    assert format_raft(record.values) == format_raft(ROWS["raft"])


def test_the_callers_rows_are_not_changed() -> None:
    row = {"Q": " 수도는? ", "A": "서울", "id": "a"}
    given = Record(row, "a.csv", 12)
    (record,) = check_records([given], "koalpaca", ledger=Ledger())
    assert record.values == {
        "instruction": "수도는?",
        "output": "서울",
        "id": "a",
        "task": "koalpaca",
    }
    assert (record.source, record.number) == ("a.csv", 12)
    assert given.values is row
    assert row == {"Q": " 수도는? ", "A": "서울", "id": "a"}


def test_rejects_and_their_accounting(tmp_path: Path) -> None:
    rows = [KOALPACA, KOALPACA | {"output": ""}, 3, KOALPACA | {"instruction": 5}, KOALPACA]
    with Ledger(tmp_path / "rejected.jsonl") as ledger:
        records = list(check_records(rows, "koalpaca", ledger=ledger))  # type: ignore[arg-type]
    assert [record.number for record in records] == [0, 4]
    assert (ledger.rows_in, ledger.rows_rejected) == (5, 3)
    lines = [json.loads(line) for line in (tmp_path / "rejected.jsonl").open(encoding="utf-8")]
    assert [
        (line["row_number"], line["stage"], line["field"], line["reason"]) for line in lines
    ] == [
        (1, "check", "output", "is empty"),
        (2, "read", None, "is not a mapping of column names to values"),
        (3, "check", "instruction", "is of type int, not text"),
    ]


def test_strict() -> None:
    rows = check_records([KOALPACA, {"output": "서울"}], "koalpaca", ledger=Ledger(strict=True))
    next(rows)
    with pytest.raises(RowError, match="row 1, field 'instruction' is missing") as caught:
        next(rows)
    assert caught.value.__context__ is None


def test_columns_left_out_are_counted_where_they_hold_something() -> None:
    rows = [
        KOALPACA | {"url": "x", "task": "요약"},
        KOALPACA | {"url": None, "task": None},
        KOALPACA | {"url": "y", "n\ud800": 1, "task": "koalpaca"},
    ]
    records, ledger = check(rows, "koalpaca")
    assert dict(ledger.columns_left_out) == {"url": 2, "task": 1, "n\\ud800": 1}
    assert {record.values["task"] for record in records} == {"koalpaca"}
    assert "url" not in records[0].values


def test_columns_to_keep() -> None:
    (record,), ledger = check([KOALPACA | {"url": "x", "label": [1]}], "koalpaca", keep=["label"])
    assert list(record.values) == ["instruction", "output", "label", "task"]
    assert record.values["label"] == [1]
    assert dict(ledger.columns_left_out) == {"url": 1}


@pytest.mark.parametrize(
    ("identity", "kept"),
    [(3, 3), (" a1 ", "a1"), ("", None), (None, None), (True, None), (1.5, None), ([1], None)],
)
def test_ids(identity: Any, kept: Any) -> None:
    (record,), _ = check([KOALPACA | {"id": identity}], "koalpaca")
    assert record.values.get("id") == kept
    assert ("id" in record.values) == (kept is not None)


def test_an_id_that_cannot_be_written_is_refused() -> None:
    _, ledger = check([KOALPACA | {"id": "\ud800"}], "koalpaca")
    assert ledger.rejected_rows[0].field == "id"


def test_bounds() -> None:
    records, ledger = check(
        [KOALPACA, KOALPACA | {"output": "서울특별시."}],
        "koalpaca",
        bounds={"output": Bounds(max=3)},
    )
    assert len(records) == 1
    assert dict(ledger.rejections) == {("check", "output", "is longer than 3 characters"): 1}


def test_options_of_tasks() -> None:
    rows = [
        ROWS["classification"] | {"task": "classification"},
        ROWS["translation"] | {"task": "translation"},
        ROWS["qa"] | {"task": "qa", "answers": []},
        KOALPACA | {"task": "koalpaca"},
    ]
    records, _ = check(
        rows, None, label_names=["부정", "긍정"], languages=("en", "ko"), no_answer="모릅니다."
    )
    assert records[0].values["label"] == "긍정"
    assert records[1].values["source"] == "Hi"
    assert records[2].values["answers"] == ["모릅니다."]
    assert records[3].values["task"] == "koalpaca"


@pytest.mark.parametrize(
    ("named", "reason"),
    [
        ({}, "is missing"),
        ({"task": "koalpacas"}, "is not known"),
        ({"task": ["koalpaca"]}, "is of type list, not text"),
        ({"task": " "}, "is empty"),
    ],
)
def test_rows_that_do_not_name_their_task(named: dict[str, Any], reason: str) -> None:
    records, ledger = check([KOALPACA | named, KOALPACA | {"task": "koalpaca"}], None)
    assert len(records) == 1
    assert dict(ledger.rejections) == {("check", "task", reason): 1}


def test_a_recognised_column_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        check(
            [{"Q": "수도는?", "output": "서울"}] * 3 + [{"output": "서울", "Q": "수도는?"}],
            "koalpaca",
        )
    assert [record.getMessage() for record in caplog.records] == [
        "rows: the column 'Q' is read as 'instruction' of the task koalpaca"
    ]


def test_a_fault_in_a_recognised_column_names_it() -> None:
    _, ledger = check([{"Q": "수도는?", "output": "서울"}, {"Q": "", "output": "서울"}], "koalpaca")
    assert ledger.rejected_rows[0].field == "instruction"
    assert ledger.rejected_rows[0].detail == "column 'Q'"


def test_ambiguous_columns() -> None:
    _, ledger = check([{"Q": "수도는?", "질문": "수도?", "output": "서울"}, KOALPACA], "koalpaca")
    row = ledger.rejected_rows[0]
    assert (row.field, row.value) == ("instruction", ["Q", "질문"])
    assert row.reason == "is missing, and more than one column could be it"
    assert row.remedy == "Name one when reading: columns={'instruction': 'Q'}"


def test_wrong_columns_end_the_check_with_balanced_counts(tmp_path: Path) -> None:
    taken = 0

    def rows() -> Any:
        nonlocal taken
        for _ in range(100_000):
            taken += 1
            yield {"본문": "글", "점수": 3}

    with Ledger(tmp_path / "rejected.jsonl") as ledger, pytest.raises(ValueError) as caught:
        list(check_records(rows(), "koalpaca", ledger=ledger))
    assert str(caught.value) == (
        "none of the first 100 rows has the needed columns. row 99: The task koalpaca lacks "
        "instruction, output, and the columns are '본문', '점수'. If a column only has another name, "
        "name it when reading: columns={'instruction': '...'}"
    )
    assert (taken, ledger.rows_in, ledger.rows_rejected, ledger.rows_out) == (100, 100, 100, 0)
    ledger.check_balance()
    with (tmp_path / "rejected.jsonl").open(encoding="utf-8") as file:
        assert len(file.readlines()) == 100


def test_one_row_with_the_columns_keeps_the_check_going() -> None:
    rows: list[Mapping[str, Any]] = [{"본문": "글"}] * 99 + [KOALPACA | {"output": ""}]
    records, ledger = check([*rows, *[{"본문": "글"}] * 200, KOALPACA], "koalpaca")
    assert (len(records), ledger.rows_rejected) == (1, 300)


def test_empty_values_are_no_missing_columns() -> None:
    records, ledger = check([KOALPACA | {"output": None}] * 300, "koalpaca")
    assert (len(records), ledger.rows_rejected) == (0, 300)


def test_few_rows_without_the_columns_are_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        check([{"본문": "글"}] * 3, "koalpaca")
    assert "no row has the needed columns. row 2: The task koalpaca lacks" in caplog.text


def test_many_layouts_are_forgotten_again() -> None:
    rows = [KOALPACA | {f"x{i}": None} for i in range(2_500)]
    records, ledger = check(rows, "koalpaca")
    assert len(records) == 2_500
    assert not ledger.columns_left_out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "summary"}, "task='summary' is not known"),
        ({"bounds": {"x": Bounds()}}, "'x' is no column of koalpaca"),
        ({"keep": "url"}, r"keep='url' is one text; give a list of columns, e.g. \['url'\]"),
        ({"label_names": {}}, "names no class"),
        ({"languages": ("ko", "ko")}, "must be a source and a target"),
        ({"languages": "ko"}, "must be a source and a target"),
        ({"no_answer": " "}, "must be a text"),
    ],
)
def test_wrong_options_are_errors_before_the_first_row(
    options: dict[str, Any], message: str
) -> None:
    options = {"task": "koalpaca", **options}
    with pytest.raises(ValueError, match=message):
        check_records([], options.pop("task"), ledger=Ledger(), **options)


def test_what_stages_added_stays_in_rows_that_were_checked_before() -> None:
    row = {"instruction": "쉽게 말해\n\n수도는?", "output": "서울", "group": "수도는?", "augmented": "instruction", "repeat": 1}  # fmt: skip
    ledger = Ledger()
    (raw,) = check_records([row], "koalpaca", ledger=ledger)
    assert set(raw.values) == {"instruction", "output", "task"}
    assert ledger.columns_left_out == {"group": 1, "augmented": 1, "repeat": 1}
    ledger = Ledger()
    (again,) = check_records([{**row, "task": "koalpaca"}], None, ledger=ledger)
    assert again.values == {**row, "task": "koalpaca"}
    assert not ledger.columns_left_out
