"""JSONL: one object a line. A line that is broken is a fault, and reading goes on with the next.

Lines end at "\\n" only: JSON texts may hold U+2028, U+0085 and the like as they are. Blank lines are
skipped.
"""

import json
from collections.abc import Iterator

from bitsft.data.fields import shorten
from bitsft.data.read.charset import TextFile
from bitsft.data.read.faults import Fault, Row, excerpt
from bitsft.data.read.json_values import RowFaultError, whole_value


def read_json_lines(file: TextFile) -> Iterator[Row | Fault]:
    """Yield the objects of a JSONL file, and a fault for each line that is none."""
    with file.open() as lines:
        for number, line in enumerate(lines, start=1):
            try:
                row = whole_value(line)
            except json.JSONDecodeError as error:
                if not line.isspace():
                    yield _not_json(error, number, line)
            except RowFaultError as error:
                yield row_fault(error, f"line {number}", line)
            else:
                yield row if isinstance(row, dict) else not_an_object(row, f"line {number}")


def _not_json(error: json.JSONDecodeError, number: int, line: str) -> Fault:
    shown = excerpt(line)
    column = min(error.pos, len(line.rstrip("\r\n"))) + 1
    return Fault(
        reason="not JSON",
        place=f"line {number}, column {column}",
        said=f"not JSON ({error.msg}), in {shorten(shown)}",
        remedy="Each line must hold one whole object",
        value=shown,
        detail=error.msg,
    )


def row_fault(error: RowFaultError, place: str, value: str | None = None) -> Fault:
    """The fault of a row that is JSON, but holds what no row may hold."""
    return Fault(
        reason=error.reason,
        place=place,
        said=f"{error.reason} ({error.detail})",
        remedy=error.remedy,
        value=None if value is None else excerpt(value),
        detail=error.detail,
    )


def not_an_object(value: object, place: str) -> Fault:
    """The fault of a row that is a list, a text, a number or null."""
    return Fault(
        reason="is not an object",
        place=place,
        said=f"{shorten(value)} is not an object",
        remedy="Give each row as an object of column names and values",
        value=shorten(value),
    )
