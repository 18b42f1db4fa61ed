import datetime
from collections.abc import Iterator
from typing import Any

import pytest
from datasets import Dataset, DatasetDict, IterableDataset
from datasets.exceptions import DatasetNotFoundError

from bitsft.data.ledger import Ledger
from bitsft.data.read import read_records, read_rows
from bitsft.data.read.faults import UnreadableFileError
from bitsft.data.read.hub import is_dataset, pick_split

ROWS = [{"q": f"질문 {number}", "a": ["답"]} for number in range(3)]


def test_a_dataset() -> None:
    dataset = Dataset.from_list(ROWS)
    ledger = Ledger()
    records = list(read_records(dataset, columns={"question": "q"}, ledger=ledger))
    assert [record.values for record in records] == [
        {"a": ["답"], "question": row["q"]} for row in ROWS
    ]
    assert [str(record) for record in records] == ["row 0", "row 1", "row 2"]
    assert ledger.rows_in == 3
    assert dataset.column_names == ["q", "a"]


def test_its_format_does_not_matter() -> None:
    dataset = Dataset.from_dict({"n": [1, 2]}).with_format("numpy")
    assert [type(row["n"]) for row in read_rows(dataset)] == [int, int]


def test_values_that_json_has_no_form_for() -> None:
    dataset = Dataset.from_dict(
        {"d": [datetime.date(2024, 3, 1), None], "b": ["가".encode(), b"\xff"]}
    )
    ledger = Ledger()
    assert [record.values for record in read_records(dataset, ledger=ledger)] == [
        {"d": "2024-03-01", "b": "가"}
    ]
    assert str(ledger) == (
        "2 rows in, 0 out, 1 rejected (read: holds a value that is neither text nor number: 1)"
    )


def test_a_stream() -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield from ROWS
        yield {"q": datetime.date(2024, 3, 1), "a": ("답",)}

    assert read_rows(IterableDataset.from_generator(rows)) == [
        *ROWS,
        {"q": "2024-03-01", "a": ["답"]},
    ]


def test_a_stream_that_breaks_off() -> None:
    def rows() -> Iterator[dict[str, str]]:
        for number in range(1000):
            yield {"q": str(number)}
        raise ValueError("연결 끊김")

    ledger = Ledger()
    dataset = IterableDataset.from_generator(rows)
    assert len(list(read_records(dataset, ledger=ledger))) == 1000
    (rejected,) = ledger.rejected_rows
    assert (rejected.row_number, rejected.reason) == (
        1000,
        "the data set breaks off; the rest is not read",
    )
    with pytest.raises(ValueError, match=r"row 1000: the data set breaks off \(연결 끊김\)"):
        read_rows(dataset)


def test_splits() -> None:
    both = DatasetDict({"train": Dataset.from_list(ROWS), "test": Dataset.from_list(ROWS[:1])})
    assert len(read_rows(both)) == 3
    assert len(read_rows(both, split="test")) == 1
    assert len(read_rows(DatasetDict({"test": both["test"]}))) == 1
    with pytest.raises(ValueError, match=r"no split 'dev'. Name one of \['train', 'test'\]"):
        read_rows(both, split="dev")
    with pytest.raises(ValueError, match="no split 'train'. Name one of"):
        pick_split(DatasetDict({"a": both["test"], "b": both["test"]}), None)
    with pytest.raises(ValueError, match="the DatasetDict is empty"):
        read_rows(DatasetDict())
    with pytest.raises(ValueError, match="split='test' does not apply to a Dataset"):
        read_rows(both["train"], split="test")
    with pytest.raises(ValueError, match="header= does not apply to a Dataset"):
        read_rows(both["train"], header=["q"])


def test_what_is_a_dataset() -> None:
    assert is_dataset(Dataset.from_list(ROWS))
    assert is_dataset(DatasetDict())
    assert not is_dataset(Dataset.from_list(ROWS)["q"])
    assert not is_dataset(ROWS)


def test_a_missing_column_is_known_with_the_first_row() -> None:
    with pytest.raises(ValueError, match=r"a Dataset: columns names 'x', but the file has \['q'"):
        next(read_records(Dataset.from_list(ROWS), columns={"y": "x"}, ledger=Ledger()))


def test_streaming_from_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict[str, Any]] = []

    def load_dataset(name: str, config: str | None, **options: Any) -> IterableDataset:
        calls.append({"name": name, "config": config, **options})
        return Dataset.from_list(ROWS).to_iterable_dataset()

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    records = list(read_records("owner/name", streaming=True, split="dev", ledger=Ledger()))
    assert [record.values for record in records] == ROWS
    assert str(records[2]) == "owner/name, row 2"
    assert calls == [{"name": "owner/name", "config": None, "split": "dev", "streaming": True}]


@pytest.mark.parametrize(
    "error", [DatasetNotFoundError("없음"), ValueError("없음"), ConnectionError("없음")]
)
def test_a_hub_set_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def load_dataset(*args: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    with pytest.raises(UnreadableFileError, match="owner/name: the Hub data set cannot be loaded"):
        read_rows("owner/name")
