"""The ledger: rows in + added = rows out + rejected, and each rejected row is written down."""

import json
from pathlib import Path

import pytest

from bitsft.data.fields import RowError
from bitsft.data.ledger import Ledger
from bitsft.data.records import Record
from bitsft.data.rejected import RejectedRow


def _reject(ledger: Ledger, number: int = 17, value: object = "") -> None:
    ledger.reject(
        Record({}, "a.csv", number),
        stage="check",
        field="answer",
        value=value,
        reason="is empty",
        remedy="Fill it in",
    )


def test_the_counts_add_up_or_it_is_said(tmp_path: Path) -> None:
    with Ledger(tmp_path / "new" / "rejected.jsonl") as ledger:
        ledger.count_in(10)
        ledger.count_added("augment", 2)
        _reject(ledger)
        ledger.count_out(11)
    ledger.check_balance()
    assert str(ledger) == "10 rows in, 2 added, 11 out, 1 rejected (check: answer is empty: 1)"
    ledger.count_out()
    with pytest.raises(ValueError, match="do not add up: 10 rows in, 2 added, 12 out, 1 rejected"):
        ledger.check_balance()


def test_rejected_rows_are_written_with_place_value_and_remedy(tmp_path: Path) -> None:
    path = tmp_path / "rejected.jsonl"
    with Ledger(path) as ledger:
        _reject(ledger)
        ledger.reject(
            Record({}, number=2), stage="duplicates", field=None, value=None, reason="repeats an earlier row",
            detail="row 0",
        )  # fmt: skip
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert lines == [
        {
            "source": "a.csv",
            "row_number": 17,
            "stage": "check",
            "field": "answer",
            "value": "",
            "reason": "is empty",
            "remedy": "Fill it in",
        },
        {
            "row_number": 2,
            "stage": "duplicates",
            "field": None,
            "value": None,
            "reason": "repeats an earlier row",
            "detail": "row 0",
        },
    ]


_LOOP: list[object] = []
_LOOP.append(_LOOP)


@pytest.mark.parametrize(
    "value",
    [
        "\ud800",
        {1, 2},
        float("nan"),
        b"\xff",
        {b"k": 1},
        {(1, 2): "\ud800"},
        _LOOP,
        {"n": float("inf")},
    ],
)
def test_any_value_can_be_written(value: object, tmp_path: Path) -> None:
    with Ledger(tmp_path / "rejected.jsonl") as ledger:
        _reject(ledger, value=value)
    (line,) = (tmp_path / "rejected.jsonl").read_text("utf-8").splitlines()
    assert (
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))[
            "row_number"
        ]
        == 17
    )


def test_the_file_is_there_after_success_and_not_after_a_run_that_read_nothing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "new" / "rejected.jsonl"
    with pytest.raises(FileNotFoundError), Ledger(path):
        raise FileNotFoundError
    assert not path.parent.exists()
    with Ledger(path) as ledger:
        _reject(ledger)
    with Ledger(path):
        pass
    assert path.read_bytes() == b"", "that of the run before is replaced"
    with pytest.raises(ValueError, match="is empty"), Ledger(path, strict=True) as ledger:
        _reject(ledger)
    assert path.read_text("utf-8").count("\n") == 1


def test_with_a_file_only_examples_are_kept_in_memory(tmp_path: Path) -> None:
    with Ledger(tmp_path / "rejected.jsonl", examples=3) as ledger:
        for number in range(100):
            _reject(ledger, number)
    assert [row.row_number for row in ledger.rejected_rows] == [0, 1, 2]
    assert ledger.rejections == {("check", "answer", "is empty"): 100}
    assert len((tmp_path / "rejected.jsonl").read_text("utf-8").splitlines()) == 100


def test_without_a_file_all_are_kept() -> None:
    ledger = Ledger(examples=1)
    for number in range(5):
        _reject(ledger, number)
    assert len(ledger.rejected_rows) == 5


def test_strict_makes_the_first_reject_an_error() -> None:
    with pytest.raises(
        ValueError, match="a.csv, row 17, field 'answer' is empty .got ''.. Fill it in."
    ):
        _reject(Ledger(strict=True))
    with pytest.raises(RowError, match="row 3, field 'answer' is empty"):
        Ledger(strict=True).reject(
            Record({}, number=3), stage="check", field="answer", value=None, reason="is empty", remedy="Fill it in"
        )  # fmt: skip
    with pytest.raises(ValueError, match="row 3: is no row"):
        Ledger(strict=True).reject(
            Record({}, number=3), stage="read", field=None, value=None, reason="is no row"
        )


def test_errors_of_formatters_become_rejects() -> None:
    ledger = Ledger()
    ledger.reject_error(
        Record({}, "a.csv", 1), RowError("answer", "is empty", "Fill it in", ""), "check"
    )
    ledger.reject_error(Record({}, "a.csv", 2), ValueError("no title"), "format")
    assert ledger.rejected_rows == [
        RejectedRow(1, "answer", "", "is empty", "Fill it in", "check", "a.csv"),
        RejectedRow(2, None, None, "no title", None, "format", "a.csv"),
    ]
    assert str(ledger.rejected_rows[1]) == "a.csv, row 2: no title"


def test_changes_are_counted_with_a_few_examples() -> None:
    ledger = Ledger(examples=1)
    for number in range(3):
        ledger.changed(
            Record({}, "a.csv", number), stage="clean", kind="repeats", field="text", before="ㅋㅋㅋㅋ", after="ㅋㅋㅋ", times=2
        )  # fmt: skip
    (change,) = ledger.changes.values()
    assert (change.times, change.rows) == (6, 3)
    assert change.examples == [("a.csv, row 0", "text", "ㅋㅋㅋㅋ", "ㅋㅋㅋ")]


def test_the_counts_for_a_manifest_are_plain_and_in_order() -> None:
    ledger = Ledger()
    ledger.count_in(2)
    _reject(ledger)
    ledger.count_out()
    ledger.columns_left_out["url"] += 2
    assert ledger.as_dict() == {
        "rows_in": 2,
        "rows_added": {},
        "rows_out": 1,
        "rows_rejected": 1,
        "rejections": [{"stage": "check", "field": "answer", "reason": "is empty", "rows": 1}],
        "changes": [],
        "columns_left_out": {"url": 2},
        "not_read": [],
    }


@pytest.mark.parametrize("stage", ["duplicates", "balance", "mix"])
def test_strict_lets_sound_rows_be_left_out(stage: str) -> None:
    ledger = Ledger(strict=True)
    ledger.reject(Record({}), stage=stage, field=None, value=None, reason="is one too many")
    assert ledger.rows_rejected == 1
