"""`Record`: a raw row and where it came from, on its way through the stages.

Every stage is a generator, records in, records out, so a file of any size passes through in constant
memory:

    with Ledger("rejected.jsonl") as ledger:
        records = read_records("raw/", ledger=ledger)
        records = check_records(records, "koalpaca", ledger=ledger)
        records = clean_records(records, ledger=ledger)
        write_records(records, "clean.jsonl", ledger=ledger)
    print(ledger)

A row's number is its index in its source, from 0, and never changes on the way.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bitsft.data.fields import shorten

if TYPE_CHECKING:
    from bitsft.data.ledger import Ledger


@dataclass(slots=True)
class Record:
    """A row with its origin.

    Attributes:
        values: The row. After `check_records` it has the columns of its task (`tasks.py`), and its
            task's name under `"task"`.
        source: The file or data set it came from, as the user named it; "" for rows from memory.
        number: The row's index in the source, from 0.
    """

    values: dict[str, Any]
    source: str = ""
    number: int = 0

    def __str__(self) -> str:
        return f"{self.source}, row {self.number}" if self.source else f"row {self.number}"


def as_records(
    rows: Iterable["Record | Mapping[str, Any]"], ledger: "Ledger", source: str = ""
) -> Iterator[Record]:
    """Yield records; a plain row becomes one, numbered by its place, and is counted in.

    Every stage calls this first, so that each of them also takes a list of dicts or a
    `datasets.Dataset`.

    Args:
        rows: Records, which pass unchanged, or plain rows.
        ledger: Where plain rows are counted as rows in, and what is no row at all is rejected.
        source: The name that plain rows get as their origin.

    Raises:
        TypeError: For what is not rows at all: a text, a single row, a pandas DataFrame.
    """
    if isinstance(rows, str | bytes | Mapping):
        raise TypeError(
            f"rows is {shorten(rows)}, of type {type(rows).__name__}, not rows; give a list of dicts, or "
            "read a file with read_records"
        )
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(rows, pandas.DataFrame):
        raise TypeError("rows is a pandas DataFrame; give rows.to_dict('records')")
    for number, row in enumerate(rows):
        if isinstance(row, Record):
            yield row
            continue
        ledger.count_in()
        if isinstance(row, Mapping):
            yield Record(dict(row), source, number)
        else:
            ledger.reject(
                Record({}, source, number),
                stage="read",
                field=None,
                value=row,
                reason="is not a mapping of column names to values",
                remedy="Give each row as a dict",
            )
