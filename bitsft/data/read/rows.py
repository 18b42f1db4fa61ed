"""`read_rows`: a source of any kind -> a list of dicts, whole, with the first problem as an error."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bitsft.data.ledger import Ledger
from bitsft.data.read.faults import Row
from bitsft.data.read.records import read_records


def read_rows(
    source: str | os.PathLike[str] | Iterable[Any],
    *,
    columns: Mapping[str, str] | None = None,
    header: Sequence[str] | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    quoted: bool | None = None,
    rows_under: str | None = None,
    split: str | None = None,
    config: str | None = None,
) -> list[Row]:
    """Read all raw rows of a file, a folder, or a data set of the Hugging Face Hub into memory.

    `read_records` reads the same sources one row at a time, and goes on after a broken row.

    Args:
        source: As for `read_records`.
        columns: New names, `{new: name in the file}`, e.g. `{"instruction": "Q", "output": "A"}`.
            Columns that are not named keep their own.
        header: The columns' names, for a CSV or TSV file that has no header line.
        encoding: Of a text file, e.g. `"utf-16"`. None tries UTF-8, then CP949.
        delimiter: Between the fields of a CSV or TSV file. None recognises it.
        quoted: Whether fields may be quoted. None means yes for CSV; for TSV, only if that is certain.
        rows_under: The keys that lead to the rows of a .json file, e.g. `"data.items"`.
        split: The part of a Hub data set to read. None means `"train"`.
        config: The configuration of a Hub data set, e.g. `"boolq"`. None for its default.

    Returns:
        One dict for each row, in the file's order. CSV and TSV values are texts.

    Raises:
        FileNotFoundError: When there is no such file, and the name is no Hub id either.
        ValueError: For text in no known encoding (with the byte), a broken line (with its number),
            an empty file, an unknown column, or an option that this kind of file has no use for.
    """
    records = read_records(
        source,
        columns=columns,
        header=header,
        encoding=encoding,
        delimiter=delimiter,
        quoted=quoted,
        rows_under=rows_under,
        split=split,
        config=config,
        ledger=Ledger(strict=True),
    )
    return [record.values for record in records]
