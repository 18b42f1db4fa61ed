import json
import logging
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsft.data.fields import RowError
from bitsft.data.format.koalpaca import format_koalpaca
from bitsft.data.format.raft import format_raft
from bitsft.data.format.rows import RejectedRow, format_rows

GOOD = {"instruction": "수도는?", "output": "서울"}
ROWS: list[dict[str, Any]] = [
    GOOD,
    {"instruction": "", "output": "서울"},
    {"instruction": "항구는?", "output": 7},
    {"instruction": "섬은?", "output": "제주", "input": None},
]


def test_every_row_is_accounted_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "new" / "rejected.jsonl"
    with caplog.at_level(logging.INFO):
        done = format_rows(ROWS, format_koalpaca, rejected_path=path)

    assert done.rows_in == 4
    assert done.dataset[:] == {
        "prompt": ["### 질문: 수도는?\n\n### 답변:", "### 질문: 섬은?\n\n### 답변:"],
        "completion": [" 서울", " 제주"],
    }
    assert done.rejected == (
        RejectedRow(1, "instruction", "", "is empty", "Fill it in, or leave the row out"),
        RejectedRow(
            2, "output", 7, "is of type int, not text", "Turn it into text first, e.g. with str()"
        ),
    )
    assert [json.loads(line) for line in path.read_text("utf-8").splitlines()] == [
        {
            "row_number": 1,
            "stage": "format",
            "field": "instruction",
            "value": "",
            "reason": "is empty",
            "remedy": "Fill it in, or leave the row out",
        },
        {
            "row_number": 2,
            "stage": "format",
            "field": "output",
            "value": 7,
            "reason": "is of type int, not text",
            "remedy": "Turn it into text first, e.g. with str()",
        },
    ]
    assert str(done) == "4 rows in, 2 out, 2 rejected (instruction: 1, output: 1)"
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == (
        f"4 rows in, 2 out, 2 rejected (instruction: 1, output: 1); see {path}. The first: "
        "row 1, field 'instruction' is empty (got ''). Fill it in, or leave the row out."
    )


def test_nothing_rejected(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "rejected.jsonl"
    path.write_text("left by an older run\n")
    with caplog.at_level(logging.INFO):
        done = format_rows([GOOD], format_koalpaca, rejected_path=path)
    assert str(done) == "1 rows in, 1 out, 0 rejected"
    assert path.read_text() == ""
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [("INFO", str(done))]


@settings(max_examples=30, derandomize=True, deadline=None)
@given(st.lists(st.sampled_from([GOOD, {"instruction": None}, {}, {"output": "답"}]), max_size=9))
def test_rows_in_are_rows_out_and_rows_rejected(rows: list[dict[str, Any]]) -> None:
    rows = [GOOD, *rows]
    done = format_rows(iter(rows), format_koalpaca)
    assert done.rows_in == len(rows) == len(done.dataset) + len(done.rejected)
    assert [row.row_number for row in done.rejected] == [
        number for number, row in enumerate(rows) if row != GOOD
    ]


def test_options_are_bound_with_partial_and_datasets_are_taken() -> None:
    rows = Dataset.from_list([{"question": "수도는?", "context": ["글"], "answer": "서울"}])
    done = format_rows(rows, partial(format_raft, as_messages=True, instruction=""))
    assert done.dataset[0] == {
        "prompt": [{"role": "user", "content": "<DOCUMENT>글</DOCUMENT>\n수도는?"}],
        "completion": [{"role": "assistant", "content": "##Answer: 서울"}],
    }
    assert rows.column_names == ["question", "context", "answer"]


def test_strict_stops_at_the_first() -> None:
    with pytest.raises(RowError, match="row 1, field 'instruction' is empty") as caught:
        format_rows(ROWS, format_koalpaca, strict=True)
    assert caught.value.row_number == 1


def test_own_formatters_may_raise_any_value_error() -> None:
    def formatter(row: Any) -> dict[str, str]:
        if len(row["text"]) < 2:
            raise ValueError("too short")
        return {"text": row["text"]}

    rows = [{"text": "긴 글"}, {"text": "글"}]
    done = format_rows(rows, formatter)
    assert done.rejected == (RejectedRow(1, None, None, "too short", None),)
    assert str(done.rejected[0]) == "row 1: too short"
    assert str(done) == "2 rows in, 1 out, 1 rejected (no field named: 1)"
    with pytest.raises(ValueError, match="row 1: too short"):
        format_rows(rows, formatter, strict=True)


def test_a_mistake_in_the_formatter_is_not_a_rejected_row() -> None:
    with pytest.raises(KeyError, match="text"):
        format_rows([GOOD], lambda row: {"text": row["text"]})


def test_all_rejected_is_an_error_and_is_written(tmp_path: Path) -> None:
    rows = [{"Q": "수도는?", "A": "서울"}, {"Q": "항구는?", "A": "부산"}]
    with pytest.raises(ValueError) as caught:
        format_rows(rows, format_koalpaca, rejected_path=tmp_path / "r.jsonl")
    assert str(caught.value) == (
        "all 2 rows were rejected: instruction is missing: 2. The first: row 0, field "
        "'instruction' is missing. Fill it in, or leave the row out. If the columns only have "
        "other names, use read_rows(columns={...})"
    )
    assert len((tmp_path / "r.jsonl").read_text("utf-8").splitlines()) == 2


def test_no_rows() -> None:
    with pytest.raises(ValueError, match="there are no rows to format"):
        format_rows([], format_koalpaca)


def test_fields_that_differ_would_be_lost_in_a_dataset() -> None:
    with pytest.raises(
        ValueError, match=r"row 1: .* fields \['a', 'b'\], but \['a'\] for the first"
    ):
        format_rows([{"a": "1"}, {"a": "1", "b": "2"}], lambda row: dict(row))


def test_values_that_json_cannot_hold(tmp_path: Path) -> None:
    rows = [
        GOOD,
        {"instruction": {1}, "output": "답"},
        {"instruction": "반\ud83d", "output": "답"},
    ]
    format_rows(rows, format_koalpaca, rejected_path=tmp_path / "r.jsonl")
    lines = (tmp_path / "r.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["value"] for line in lines] == ["{1}", "반\ud83d"]


def test_what_is_particular_to_a_row_is_written_down(tmp_path: Path) -> None:
    good = {"instruction": "수도는?", "output": "서울"}
    rows = [good, {**good, "output": "서울\ud83d"}]
    path = tmp_path / "rejected.jsonl"
    done = format_rows(rows, format_koalpaca, rejected_path=path)
    (line,) = path.read_text("utf-8").splitlines()
    rejected = json.loads(line)
    assert rejected["reason"] == "holds half of a surrogate pair"
    assert rejected["detail"] == done.rejected[0].detail == "at character 2"
