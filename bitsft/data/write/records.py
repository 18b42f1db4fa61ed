"""`write_records`, `collect`, `as_dataset`: where records leave the pipeline and are counted out.

A `.jsonl` file takes each row as it comes. A `.parquet` file needs to know all columns before its first
row, so the rows wait in a `Spool` until the last one has been seen. Memory does not grow with the rows
in either case, the same records give the same bytes, and the file is replaced as a whole or not at all
(`atomic.py`).

What a row may hold: `json_line.py`. What a Parquet column may hold: `columns.py`; reading the file back
gives the same rows, with None for each column that a row lacks.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitsft.data.common.atomic import atomic_path
from bitsft.data.common.json_line import json_line
from bitsft.data.common.spool import Spool
from bitsft.data.ledger import Ledger
from bitsft.data.records import Record, as_records
from bitsft.data.write.columns import Columns
from bitsft.data.write.parquet import tables, write_parquet

if TYPE_CHECKING:
    import datasets

_SUFFIXES = (".jsonl", ".parquet")


def write_records(
    records: Iterable[Record | Mapping[str, Any]],
    path: str | os.PathLike[str],
    *,
    ledger: Ledger,
) -> int:
    """Write records to a file; its name's ending, `.jsonl` or `.parquet`, tells the format.

    Args:
        records: Records, or plain rows, which are counted in.
        path: The file. Missing folders are made, an existing file is replaced once all rows are
            written. It may be the file that the records are being read from.
        ledger: Where the rows are counted out, after the file is in place.

    Returns:
        The number of rows written.

    Raises:
        ValueError: For another ending, for no rows at all, for a value that the format has no form
            for (with row and column), and in Parquet for a column of two types.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in _SUFFIXES:
        raise ValueError(
            f"{path}: the name must end in one of {', '.join(_SUFFIXES)} to tell the format"
        )
    with atomic_path(target) as part:
        if suffix == ".jsonl":
            rows = 0
            with part.open("wb") as file:
                for record in as_records(records, ledger):
                    file.write(json_line(record) + b"\n")
                    rows += 1
        else:
            with Spool(part.parent) as spool:
                columns = _put_aside(records, ledger, spool)
                rows = len(spool)
                if rows:
                    write_parquet((row.line for row in spool), part, columns)
        if not rows:
            raise ValueError(f"{path}: there are no rows to write ({ledger})")
    ledger.count_out(rows)
    return rows


def collect(records: Iterable[Record | Mapping[str, Any]], ledger: Ledger) -> list[dict[str, Any]]:
    """Return the rows as a list of dicts, and count them out."""
    rows = [record.values for record in as_records(records, ledger)]
    ledger.count_out(len(rows))
    return rows


def as_dataset(records: Iterable[Record | Mapping[str, Any]], ledger: Ledger) -> "datasets.Dataset":
    """Return the rows as a `datasets.Dataset` in memory, and count them out.

    Its features are those that a Parquet file of the rows would have.

    Raises:
        ValueError: As `write_records` does for Parquet.
    """
    import datasets
    import pyarrow

    with Spool() as spool:
        columns = _put_aside(records, ledger, spool)
        if not len(spool):
            raise ValueError(f"there are no rows to make a data set of ({ledger})")
        schema = columns.schema()
        lines = (row.line for row in spool)
        table = pyarrow.concat_tables(list(tables(lines, columns, schema)))
    ledger.count_out(table.num_rows)
    return datasets.Dataset(table)


def _put_aside(
    records: Iterable[Record | Mapping[str, Any]], ledger: Ledger, spool: Spool
) -> Columns:
    columns = Columns()
    for record in as_records(records, ledger):
        spool.add(record, to_write=True)
        columns.observe(record)
    return columns
