"""One line of JSON, in three strictnesses: for rows that are written, put aside, or reported on.

| function | takes | what JSON has no form for |
|---|---|---|
| `json_line` | a row to be written | an error that names row, column and value |
| `same_json_line` | a row to be read back exactly | None: the row would not come back as it was |
| `any_json_line` | what is said of a row: a reject, a review | is shown as Python writes it |

JSON has a form for texts, integers, numbers, booleans, None, and lists and objects of these. Three things
are settled here rather than by each reader:

- NaN, which JSON has no form for and which means "no value" in `pandas`, becomes null (but in
  `same_json_line`, which keeps Python's "NaN");
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
_encode_same = json.JSONEncoder(ensure_ascii=False).encode
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
    try:
        return _without_line_ends(_encode(values)).encode("utf-8")
    except UnicodeEncodeError as error:
        raise _half_a_pair(record) from error


def same_json_line(record: Record) -> bytes | None:
    """Return the row as a line of which `json.loads` makes the same row, types included, or None.

    NaN and the infinities are written as Python's `json` writes and reads them; such a line, which other
    readers do not take for JSON, begins with a space.
    """
    values = record.values
    for name, value in values.items():
        if type(name) is not str or (type(value) not in _PLAIN and not _comes_back(value, 0)):
            return None
    try:
        try:
            text = _encode(values)
        except ValueError:
            text = " " + _encode_same(values)
        return _without_line_ends(text).encode("utf-8")
    except ValueError:  # half of a surrogate pair, or an integer of more than 4,300 digits
        return None


def any_json_line(values: Mapping[str, Any]) -> str:
    """Return a line for values of any type, without the line break; UTF-8 has a form for all of it.

    A value that JSON has no form for becomes its `repr`, cut to about 60 characters. Where half of a
    surrogate pair is in it, the whole line is escaped.
    """
    try:
        line = _encode(values)
    except (TypeError, ValueError, RecursionError):  # bytes, keys that are no text, NaN, loops
        line = _encode({name: _said(value) for name, value in values.items()})
    line = _without_line_ends(line)
    try:
        line.encode("utf-8")
    except UnicodeEncodeError:
        line = json.dumps(json.loads(line))
    return line


def _without_line_ends(text: str) -> str:
    if not text.isascii():
        for character, escape in _LINE_ENDS.items():
            if character in text:
                text = text.replace(character, escape)
    return text


def _comes_back(value: Any, depth: int) -> bool:
    """Whether a value is of the types that JSON gives back, exactly."""
    kind = type(value)
    if kind in _PLAIN or kind is float:
        return True
    if depth == _DEEPEST:
        return False
    if kind is list:
        return all(_comes_back(part, depth + 1) for part in value)
    return kind is dict and all(
        type(name) is str and _comes_back(part, depth + 1) for name, part in value.items()
    )


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


def _said(value: Any) -> Any:
    """The value where JSON has a form for it, else how Python shows it."""
    try:
        _encode(value)
    except (TypeError, ValueError, RecursionError):
        return shorten(value)
    return value


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
