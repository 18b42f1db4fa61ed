import pytest

from bitsft.data.ledger import Ledger
from bitsft.data.records import Record
from bitsft.data.split import assign_splits, split_records
from bitsft.data.write import collect

ROWS = [{"task": "koalpaca", "instruction": f"질문 {n}", "output": f"답 {n}"} for n in range(300)]


def test_every_row_comes_out_once_and_in_order() -> None:
    ledger = Ledger()
    split = split_records(ROWS, ledger=ledger)
    parts = {name: collect(split.records(name), ledger) for name in split.names}
    assert {name: len(rows) for name, rows in parts.items()} == split.report.rows
    assert sorted(row["output"] for rows in parts.values() for row in rows) == sorted(
        row["output"] for row in ROWS
    )
    names = list(assign_splits(ROWS))
    for name, rows in parts.items():
        assert rows == [row for row, own in zip(ROWS, names, strict=True) if own == name]
    ledger.check_balance()
    assert str(split).startswith("300 rows in 300 groups")


def test_records_keep_their_origin_and_can_be_read_again() -> None:
    records = [Record(row, "가.csv", 1000 + n) for n, row in enumerate(ROWS)]
    split = split_records(records, ledger=Ledger())
    first = list(split.records("test"))
    assert first == list(split.records("test"))
    assert all(record == records[record.number - 1000] for record in first)
    with pytest.raises(ValueError, match="no split 'dev'; there are train, validation, test"):
        next(split.records("dev"))


def test_rows_without_the_group_are_rejected() -> None:
    rows = [{**row, "film": None if n == 7 else n % 50} for n, row in enumerate(ROWS)]
    ledger = Ledger()
    split = split_records(rows, group_by="film", ledger=ledger)
    assert sum(split.report.rows.values()) == 299
    assert ledger.rejections == {("split", "film", "is missing, and rows are grouped by it"): 1}
    assert ledger.rejected_rows[0].row_number == 7
    with pytest.raises(
        ValueError, match=r"group_by='movie': no row has a value .* the rows have \["
    ):
        split_records(rows, group_by="movie", ledger=Ledger())
    with pytest.raises(ValueError, match="row 7, field 'film' is missing"):
        split_records(rows, group_by="film", ledger=Ledger(strict=True))
