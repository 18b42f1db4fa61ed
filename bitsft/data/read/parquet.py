"""Parquet: read batch by batch, so that memory holds a few pages of each column and not the file.

Values that JSON has no form for are changed as plain_values.py says. A row whose texts are not UTF-8 is a
fault of that row; what breaks a whole batch ends the file. Checksums are verified where a file has them.
"""

import os
from collections.abc import Iterator
from typing import Any

from bitsft.data.read.faults import Fault, Row, UnreadableFileError, first_line, value_fault
from bitsft.data.read.plain_values import NoPlainFormError, columns_to_change, plain_value

_BATCH = 1024  # rows
_REMEDY = "Copy or write the file again"


def read_parquet(path: str, source: str) -> Iterator[Row | Fault]:
    """Yield the rows of a Parquet file, and faults in the place of those that cannot be read.

    Args:
        path: The file.
        source: Its name in messages.

    Raises:
        UnreadableFileError: When it is no Parquet file, is broken before its first row, or names two columns
            alike.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not os.path.getsize(path):
        raise UnreadableFileError(source, "holds no rows", "the file is empty (0 bytes)", _REMEDY)
    # Arrow reports malformed input by its own exceptions and by the built-in ones that match.
    broken = (pa.ArrowException, OSError, ValueError, KeyError, OverflowError)
    rows = 0
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            names = file.schema_arrow.names
            _check_names(names, source)
            change = columns_to_change(file.schema_arrow)
            for group in range(file.num_row_groups):
                for batch in file.iter_batches(_BATCH, row_groups=[group]):
                    for row in _rows_of(batch, rows, change, broken):
                        rows += 1
                        yield row
    except UnreadableFileError:
        raise
    except broken as error:
        message = first_line(error)
        if not rows:
            raise UnreadableFileError(
                source, "not a Parquet file, or a broken one", message, _REMEDY
            ) from error
        yield Fault(
            reason="broken Parquet file; the rest of the file is not read",
            place=f"row {rows}",
            said=f"broken Parquet file ({message}); the rest of the file is not read",
            remedy=_REMEDY,
            detail=message,
            ends=True,
        )


def _check_names(names: list[str], source: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UnreadableFileError(
            source,
            "has two columns of one name",
            f"it names {twice} more than once",
            "Rename one of them, or leave it out",
        )


def _rows_of(
    batch: Any, first: int, change: list[str], broken: tuple[type[Exception], ...]
) -> Iterator[Row | Fault]:
    import pyarrow as pa

    try:
        batch.validate(full=True)
        rows = batch.to_pylist(maps_as_pydicts="strict")
    except broken as error:
        if isinstance(error, pa.ArrowInvalid) and "UTF8" not in str(error):
            raise  # its buffers do not fit together: nothing in it can be looked at
        rows = None  # row by row, to find the one at fault
    for number in range(batch.num_rows):
        try:
            row = rows[number] if rows is not None else _one_row(batch, number)
            for name in change:
                row[name] = plain_value(row[name])
        except NoPlainFormError as error:
            yield value_fault(first + number, str(error))
        except broken as error:
            yield value_fault(first + number, str(error))
        else:
            yield row


def _one_row(batch: Any, number: int) -> Row:
    return batch.slice(number, 1).to_pylist(maps_as_pydicts="strict")[0]
