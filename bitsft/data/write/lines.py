"""`json_line`: a record -> one line of JSON in UTF-8, or an error that names row, column and value.

A line holds what JSON has a form for, and no more: texts, integers, numbers, booleans, None, and lists
and objects of these. Three things are settled here rather than by each reader:

- NaN, which JSON has no form for and which means "no value" in `pandas`, becomes null;
- U+0085, U+2028 and U+2029 are escaped, so that readers that take them for ends of lines
  (`str.splitlines`) find as many lines as there are rows;
- a tuple becomes a list.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

from bitsft.data.fields import shorten
from bitsft.data.records import Record

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
_LINE_ENDS = {"\u0085": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_DEEPEST = 20  # levels of lists and objects in a column; Parquet readers stop at about 50
_PLAIN = (str, int, bool, type(None))


def json_line(record: Record) -> bytes:
    """Return the row as a line of JSON, without the line break.

    Raises:
        ValueError: For a value that JSON has no form for, half of a surrogate pair, a name that is no
            text, or more than 20 lists and objects within each other; with row, column and value.
    """
    values: Mapping[str, Any] = record.values
    with_nan = False
    for name, value in values.items():
        if type(name) is not str:
            _check_name(record, name)
        if type(value) not in _PLAIN:
            with_nan |= _check(record, name, value, 0)
    if with_nan:
        values = _without_nan(values)
    text = _encode(values)
    try:
        line = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise _half_a_pair(record) from error
    if not text.isascii():
        for character, escape in _LINE_ENDS.items():
            if character in text:
                text = text.replace(character, escape)
                line = text.encode("utf-8")
    return line


def _check(record: Record, column: str, value: Any, depth: int) -> bool:
    """Whether a NaN is in the value; ValueError for what JSON has no form for."""
    if value is None or isinstance(value, str | int):
        return False
    if isinstance(value, float):
        if math.isinf(value):
            raise ValueError(
                f"{record}, column {column!r}: {value!r} is no number that JSON has a form for. "
                "Leave the value out"
            )
        return math.isnan(value)
    if depth == _DEEPEST:
        raise ValueError(
            f"{record}, column {column!r}: more than {_DEEPEST} lists and objects within each "
            "other. Turn the value into text first, e.g. with json.dumps"
        )
    with_nan = False
    if isinstance(value, list | tuple):
        for part in value:
            with_nan |= _check(record, column, part, depth + 1)
        return with_nan
    if isinstance(value, dict):
        for name, part in value.items():
            _check_name(record, name, column)
            with_nan |= _check(record, column, part, depth + 1)
        return with_nan
    raise ValueError(
        f"{record}, column {column!r}: a {type(value).__name__} ({shorten(value)}) cannot be "
        "written. Turn it into text, a number or a list first, e.g. with str()"
    )


def _check_name(record: Record, name: object, column: str | None = None) -> None:
    if not isinstance(name, str):
        where = "the row" if column is None else f"column {column!r}"
        raise ValueError(
            f"{record}: {where} has the name {shorten(name)}, which is no text. Rename it"
        )


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_nan(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(part) for part in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _half_a_pair(record: Record) -> ValueError:
    """The error for a row whose JSON is not valid Unicode, with the column and the place in it."""
    for name, value in record.values.items():
        try:
            _encode({name: value}).encode("utf-8")
        except UnicodeEncodeError as error:
            around = error.object[max(0, error.start - 10) : error.start + 10]
            return ValueError(
                f"{record}, column {name!r}: holds half of a surrogate pair, in {around!r}. Repair "
                "the text: it was cut in the middle of a character"
            )
    raise AssertionError("called for a row that is valid Unicode")
