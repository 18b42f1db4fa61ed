"""Records: plain rows become records once, and are counted in."""

from typing import Any

import pandas
import pytest

from bitsft.data.ledger import Ledger
from bitsft.data.records import Record, as_records


def test_plain_rows_are_numbered_and_counted_in() -> None:
    ledger = Ledger()
    rows = [{"a": 1}, {"a": 2}]
    records = list(as_records(rows, ledger, source="memory"))
    assert records == [Record({"a": 1}, "memory", 0), Record({"a": 2}, "memory", 1)]
    assert ledger.rows_in == 2
    records[0].values["a"] = 9
    assert rows[0] == {"a": 1}, "the caller's row is not the record's"


def test_records_pass_as_they_are_and_are_not_counted_again() -> None:
    ledger = Ledger()
    record = Record({"a": 1}, "a.csv", 17)
    (same,) = as_records([record], ledger)
    assert same is record
    assert ledger.rows_in == 0


def test_what_is_no_row_is_rejected() -> None:
    ledger = Ledger()
    assert [r.number for r in as_records([{"a": 1}, "text", None], ledger)] == [0]  # type: ignore[list-item]
    assert (ledger.rows_in, ledger.rows_rejected) == (3, 2)
    assert [(row.row_number, row.value) for row in ledger.rejected_rows] == [(1, "text"), (2, None)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a.csv", "of type str, not rows; give a list of dicts, or read a file with read_records"),
        ({"question": "?"}, "of type dict, not rows"),
        (pandas.DataFrame({"question": ["?"]}), r"DataFrame; give rows.to_dict\('records'\)"),
    ],
)
def test_what_is_not_rows_at_all_is_refused(rows: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        next(as_records(rows, Ledger()))


def test_a_record_says_where_it_is_from() -> None:
    assert str(Record({}, "a.csv", 3)) == "a.csv, row 3"
    assert str(Record({}, number=3)) == "row 3"
