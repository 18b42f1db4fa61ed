"""Rows for a person to judge, in a file that a text editor (`.jsonl`) or a spreadsheet (`.csv`) opens.

JSONL: one row a line. CSV: UTF-8 with a byte order mark, which spreadsheets need to show Hangul; None is
an empty cell, and a list of texts is its texts, a line each. The file is replaced as a whole, and half
of a surrogate pair, which has no UTF-8, is shown as `\\ud83d`, so that it keeps no row from being read.
"""

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bitsft.data.common.atomic import atomic_path
from bitsft.data.common.json_line import any_json_line

_SUFFIXES = (".jsonl", ".csv")


def check_review_path(path: str | os.PathLike[str]) -> Path:
    """Return the path of a review file.

    Raises:
        ValueError: When its name does not end in .jsonl or .csv.
    """
    path = Path(path)
    if path.suffix.lower() not in _SUFFIXES:
        raise ValueError(f"review_path={str(path)!r} must end in .jsonl or .csv to tell the format")
    return path


def write_review(
    path: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str] | None = None
) -> None:
    """Write rows in their order.

    Args:
        path: What `check_review_path` returned; an older file is replaced.
        rows: The rows.
        columns: The columns of the CSV file; None for all that occur, in the order of appearance.
    """
    with atomic_path(path) as part:
        if path.suffix.lower() == ".jsonl":
            with part.open("w", encoding="utf-8", newline="\n") as file:
                file.writelines(any_json_line(row) + "\n" for row in rows)
            return
        if columns is None:
            rows = list(rows)
            columns = list(dict.fromkeys(name for row in rows for name in row))
        with part.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            file.write("\ufeff")
            table = csv.DictWriter(file, columns, lineterminator="\n")
            if columns:
                table.writeheader()
            table.writerows({name: _cell(value) for name, value in row.items()} for row in rows)


def _cell(value: Any) -> Any:
    return "\n".join(map(str, value)) if isinstance(value, list | tuple) else value
