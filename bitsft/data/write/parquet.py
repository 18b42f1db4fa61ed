"""`write_parquet`: lines of JSON and a schema -> a Parquet file, a row group at a time.

A row group ends after 10,000 rows or 32 MiB of JSON, so that memory does not grow with the file. It is
compressed with zstd. The same lines give the same bytes: nothing in the file tells time or place.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bitsft.data.write.columns import Columns, without_empty_objects

if TYPE_CHECKING:
    import pyarrow

_GROUP_ROWS = 10_000
_GROUP_BYTES = 32 * 2**20


def write_parquet(lines: Iterable[bytes], path: Path, columns: Columns) -> int:
    """Write rows that are lines of JSON, all of which `columns` has observed.

    Returns:
        The number of rows.
    """
    import pyarrow.parquet

    schema = columns.schema()
    rows = 0
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for table in tables(lines, columns, schema):
            writer.write_table(table)
            rows += table.num_rows
    return rows


def tables(
    lines: Iterable[bytes], columns: Columns, schema: "pyarrow.Schema"
) -> Iterator["pyarrow.Table"]:
    """Yield the rows as tables of bounded size."""
    import pyarrow

    empty_objects = columns.has_empty_objects()
    for group in _groups(lines):
        rows = [json.loads(line.decode()) for line in group]
        if empty_objects:
            rows = [
                {name: without_empty_objects(value) for name, value in row.items()} for row in rows
            ]
        yield pyarrow.Table.from_pylist(rows, schema=schema)


def _groups(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    group: list[bytes] = []
    size = 0
    for line in lines:
        group.append(line)
        size += len(line)
        if len(group) == _GROUP_ROWS or size >= _GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group
