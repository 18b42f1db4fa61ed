import logging
from collections import Counter
from typing import Any

import pytest

from bitsft.data.common.hashing import row_hash
from bitsft.data.ledger import Ledger
from bitsft.data.quality.balance import balance_records
from bitsft.data.records import Record


def rows(**counts: int) -> list[dict[str, Any]]:
    return [
        {"task": "classification", "text": f"{label} {n}", "label": label}
        for label, count in counts.items()
        for n in range(count)
    ]


def balanced(data: list[dict[str, Any]], **options: Any) -> tuple[list[Record], Ledger]:
    ledger = Ledger()
    records = list(balance_records(data, ledger=ledger, **options))
    ledger.count_out(len(records))
    ledger.check_balance()
    return records, ledger


def labels(records: list[Record]) -> Counter[str]:
    return Counter(record.values["label"] for record in records)


def test_undersampling() -> None:
    data = rows(a=10, b=4)
    records, ledger = balanced(data)
    assert labels(records) == {"a": 4, "b": 4}
    assert ledger.rejections == {
        ("balance", "", "is left out to balance the classes of 'label'"): 6
    }
    assert [r.number for r in records] == sorted(r.number for r in records)
    assert labels(balanced(data, ratio=2)[0]) == {"a": 8, "b": 4}
    assert labels(balanced(data, ratio=2.5)[0]) == {"a": 10, "b": 4}


def test_oversampling() -> None:
    records, ledger = balanced(rows(a=10, b=4), how="oversample", split="train")
    assert labels(records) == {"a": 10, "b": 10}
    assert ledger.rows_added == {"balance": 6}
    copies = Counter(record.values["text"] for record in records if "repeat" in record.values)
    assert sorted(copies.values()) == [1, 1, 2, 2]  # as evenly as can be
    for before, after in zip(records, records[1:], strict=False):
        if "repeat" in after.values:  # a repetition follows its row
            assert after.values["text"] == before.values["text"]
            assert after.values["repeat"] == before.values.get("repeat", 0) + 1
            assert after.number == before.number
    assert labels(balanced(rows(a=10, b=4), how="oversample", split="train", ratio=2)[0]) == {
        "a": 10,
        "b": 5,
    }


@pytest.mark.parametrize("how", ["undersample", "oversample"])
def test_the_order_of_the_file_plays_no_part(how: str) -> None:
    data = rows(a=30, b=7)
    options = {"how": how, "split": "train"}

    def chosen(data: list[dict[str, Any]], seed: int) -> list[str]:
        records, _ = balanced(data, seed=seed, **options)
        return sorted(record.values["text"] for record in records)

    assert chosen(data, 0) == chosen(data[::-1], 0)
    assert chosen(data, 0) != chosen(data, 1)


def test_equal_rows_are_told_apart_by_their_place() -> None:
    data = rows(a=1) * 6 + rows(b=2)
    assert labels(balanced(data)[0]) == {"a": 2, "b": 2}


def test_rows_without_a_class_pass() -> None:
    other = {"task": "koalpaca", "instruction": "a", "output": "b"}
    records, _ = balanced([other, *rows(a=3, b=1)])
    assert [record.values["task"] for record in records].count("koalpaca") == 1
    assert len(records) == 3


def test_rows_that_all_lack_a_class_are_a_mistake_in_by() -> None:
    other = {"task": "koalpaca", "instruction": "a", "output": "b"}
    with pytest.raises(ValueError, match="by='label': no row has such a class. The columns are"):
        balanced([other])


def test_the_rows_are_left_as_they_were() -> None:
    data = rows(a=1, b=3)
    balanced(data, how="oversample", split="train")
    assert data == rows(a=1, b=3)


def test_a_warning_about_spelling(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        balanced(rows(True_=2) + rows(TRUE_=2))
    assert "differ in spelling only" in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"how": "smote"}, "how='smote' is not known"),
        ({"ratio": 0.5}, "ratio=0.5 must be at least 1"),
        ({"ratio": float("nan")}, "ratio=nan must be at least 1"),
        ({"how": "oversample"}, "with split=None: rows repeated before the split land on both"),
        ({"how": "oversample", "split": "test"}, "with split='test'"),
    ],
)
def test_wrong_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        balance_records([], ledger=Ledger(), **options)


def test_the_hash() -> None:
    assert row_hash({"a": 1, "b": 2}, 0) == row_hash({"b": 2, "a": 1}, 0)
    assert row_hash({"a": "\ud83d"}, 0) != row_hash({"a": "\ud83d"}, 1)
