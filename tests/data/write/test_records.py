import json
import math
from collections.abc import Iterator
from pathlib import Path

import datasets
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitsft.data.ledger import Ledger
from bitsft.data.records import Record
from bitsft.data.write import as_dataset, collect, write_records

TEXT = st.text(max_size=20)
TASK_ROWS = st.one_of(
    st.fixed_dictionaries(
        {"task": st.just("classification"), "text": TEXT, "label": TEXT},
        optional={"text_pair": TEXT, "id": st.integers(-(2**63), 2**63 - 1)},
    ),
    st.fixed_dictionaries(
        {
            "task": st.just("qa"),
            "question": TEXT,
            "context": TEXT,
            "answers": st.lists(TEXT, max_size=3),
        },
        optional={"title": st.none() | TEXT, "score": st.floats(allow_infinity=False)},
    ),
    st.fixed_dictionaries(
        {
            "task": st.just("dialogue"),
            "messages": st.lists(st.fixed_dictionaries({"role": TEXT, "content": TEXT})),
        },
        optional={"extra": st.dictionaries(st.sampled_from("가나다"), TEXT)},
    ),
)


def filled(value: object) -> object:
    """Without names that have no value: None, NaN and {}."""
    if isinstance(value, dict):
        kept = {name: filled(part) for name, part in value.items()}
        return {name: part for name, part in kept.items() if part not in (None, {})}
    if isinstance(value, list):
        return [filled(part) for part in value]
    return None if isinstance(value, float) and math.isnan(value) else value


@given(st.lists(TASK_ROWS, min_size=1, max_size=8))
def test_reading_back_gives_the_same_rows(tmp_path_factory, rows: list[dict]) -> None:
    folder = tmp_path_factory.mktemp("written")
    for name in ("a.jsonl", "a.parquet"):
        ledger = Ledger()
        assert write_records(rows, folder / name, ledger=ledger) == len(rows)
        assert (ledger.rows_in, ledger.rows_out) == (len(rows), len(rows))
    lines = (folder / "a.jsonl").read_text("utf-8").splitlines()
    assert [filled(json.loads(line)) for line in lines] == [filled(row) for row in rows]
    table = pq.read_table(folder / "a.parquet").to_pylist()
    assert [filled(row) for row in table] == [filled(row) for row in rows]


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    rows = [{"task": "koalpaca", "instruction": f"질문 {n}", "output": "답"} for n in range(25_000)]
    for suffix in ("jsonl", "parquet"):
        one, other = tmp_path / f"a.{suffix}", tmp_path / "b" / f"c.{suffix}"
        write_records(rows, one, ledger=Ledger())
        write_records(iter(rows), other, ledger=Ledger())
        assert one.read_bytes() == other.read_bytes()
    assert pq.ParquetFile(tmp_path / "a.parquet").metadata.num_row_groups == 3


def test_a_file_can_be_written_over_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "가"}\n{"text": "나"}\n', "utf-8")
    ledger = Ledger()

    def changed() -> Iterator[Record]:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file):
                ledger.count_in()
                yield Record({"text": json.loads(line)["text"] * 2}, "a.jsonl", number)

    assert write_records(changed(), path, ledger=ledger) == 2
    assert path.read_text("utf-8") == '{"text": "가가"}\n{"text": "나나"}\n'
    ledger.check_balance()


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_a_failure_keeps_the_old_file_and_counts_nothing_out(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("old")
    ledger = Ledger()
    with pytest.raises(ValueError, match="row 1, column 'text': holds half of a surrogate pair"):
        write_records([{"text": "가"}, {"text": "\udc80"}], path, ledger=ledger)
    with pytest.raises(ValueError, match=r"no rows to write \(1 rows in, 0 out, 1 rejected"):
        write_records([7], path, ledger=Ledger())
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert ledger.rows_out == 0


def test_mixed_types_are_an_error_in_parquet_and_none_in_jsonl(tmp_path: Path) -> None:
    rows = [
        {"task": "qa", "question": "가?", "context": "나", "answers": ["다"]},
        {"task": "raft", "question": "가?", "context": ["나"], "answer": "다"},
    ]
    with pytest.raises(ValueError, match="row 1, column 'context': holds a list where others hold"):
        write_records(rows, tmp_path / "a.parquet", ledger=Ledger())
    assert write_records(rows, tmp_path / "a.jsonl", ledger=Ledger()) == 2


def test_other_endings(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must end in one of .jsonl, .parquet to tell the format"):
        write_records([{"a": "b"}], tmp_path / "a.csv", ledger=Ledger())


def test_collect_and_as_dataset() -> None:
    rows = [{"task": "raft", "question": "가?", "context": ["나"], "answer": "다"}, 3]
    ledger = Ledger()
    assert collect(rows, ledger) == rows[:1]
    ledger.check_balance()
    ledger = Ledger()
    dataset = as_dataset([rows[0], {**rows[0], "cot": "이유"}], ledger)
    assert isinstance(dataset, datasets.Dataset)
    assert dataset["cot"][:] == [None, "이유"]
    assert dataset.column_names == [
        "task",
        "question",
        "context",
        "answer",
        "cot",
        "instruction",
        "oracle_context",
    ]
    ledger.check_balance()
    with pytest.raises(ValueError, match="no rows to make a data set of"):
        as_dataset([], Ledger())
