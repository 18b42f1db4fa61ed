"""`.json`: a list of objects, an object that holds one, an object a line, or nested questions.

Read in constant memory, whichever it is:

    [{"q": ...}, {"q": ...}]                       the rows
    {"version": 1, "data": [{"q": ...}, ...]}      the rows are the one list of objects in it
    {"q": ...}\\n{"q": ...}                         an object a line, as in JSONL
    {"q": ...}                                     one row
    data[].paragraphs[].qas[]                      a row for each question (squad.py)

`rows_under="result.items"` names the list where it lies deeper, or where there are several. A list under
`messages` or `conversations` is a dialogue, so the object that holds it is a row. In a file that is broken
in the middle, the rows before the break are used, and the break is one fault.
"""

import itertools
import logging
from collections.abc import Iterator, Sequence
from typing import Any

from bitsft.data.read.charset import TextFile
from bitsft.data.read.faults import Fault, Row, UnreadableFileError
from bitsft.data.read.json_lines import not_an_object, read_json_lines, row_fault
from bitsft.data.read.json_text import BrokenJsonError, JsonText
from bitsft.data.read.json_values import RowFaultError
from bitsft.data.read.squad import flatten, is_nested

logger = logging.getLogger(__name__)

_DIALOGUE = ("messages", "conversations")
_HEAD = 1 << 20  # characters in which to look for the first two lines


def read_json(file: TextFile, rows_under: str | None = None) -> Iterator[Row | Fault]:
    """Yield the rows of a `.json` file, and faults in the place of those that cannot be read.

    Args:
        file: The file.
        rows_under: The keys that lead to the list of rows, joined by dots.

    Raises:
        UnreadableFileError: When it is broken before its first row, or it is not clear which list holds the
            rows.
    """
    with file.open() as stream:
        a_line = rows_under is None and _is_an_object_a_line(stream.read(_HEAD))
    if a_line:
        yield from read_json_lines(file)
        return
    started = False
    with file.open() as stream:
        text = JsonText(stream)
        try:
            for row in _values(text, file.source, rows_under.split(".") if rows_under else ()):
                started = True
                yield row
        except BrokenJsonError as error:
            if not started:
                raise UnreadableFileError(
                    file.source,
                    "not JSON",
                    f"at {error.place}: {error.message}",
                    "Repair it, or write it again",
                ) from error
            yield Fault(
                reason="not JSON; the rest of the file is not read",
                place=error.place,
                said=f"not JSON ({error.message}); the rest of the file is not read",
                remedy="Repair it, or write it again",
                detail=error.message,
                ends=True,
            )


def _is_an_object_a_line(head: str) -> bool:
    lines = [line for line in map(str.strip, head.split("\n")) if line][:2]
    return len(lines) == 2 and all(line[0] == "{" and line[-1] == "}" for line in lines)


def _values(text: JsonText, source: str, under: Sequence[str]) -> Iterator[Row | Fault]:
    """The rows of each value in the file: nearly always there is one."""
    while character := text.peek():
        if character == "{":
            yield from _object(text, source, under, ())
        elif under:
            raise UnreadableFileError(
                source,
                f"has nothing under rows_under={'.'.join(under)!r}",
                "it is no object but a list or a plain value",
                "Leave rows_under= out",
            )
        elif character == "[":
            yield from _rows(text, text.elements())
        else:
            yield not_an_object(text.value(), text.place())


def _rows(text: JsonText, elements: Iterator[None]) -> Iterator[Row | Fault]:
    """The rows of a list, element by element."""
    for number, _ in enumerate(elements):
        row = text.value()
        if isinstance(row, RowFaultError):
            yield row_fault(row, text.place())
        elif not isinstance(row, dict):
            yield not_an_object(row, f"row {number}")
        elif is_nested(row):
            yield from flatten(row, f"row {number}")
        else:
            yield row


def _object(
    text: JsonText, source: str, under: Sequence[str], above: Sequence[str]
) -> Iterator[Row | Fault]:
    """The rows that an object holds, or the object itself as a row."""
    held: dict[str, Any] = {}
    fault: RowFaultError | None = None
    rows_key: str | None = None
    for key in text.members():
        if under and key == under[0]:
            rows_key = key
            if len(under) > 1:
                yield from _object(text, source, under[1:], (*above, key))
            else:
                yield from _rows(text, text.elements())
            continue
        if under:
            _skip(text)
            held[key] = None
            continue
        if text.peek() == "[" and key not in _DIALOGUE:
            elements = text.elements()
            first = next(elements, "none") is None
            if first and text.peek() == "{":
                if rows_key is not None:
                    raise UnreadableFileError(
                        source,
                        "holds several lists of objects",
                        f"under {rows_key!r} and {key!r}",
                        f"Name the one that holds the rows, e.g. rows_under={rows_key!r}",
                    )
                rows_key = key
                logger.info("%s: the rows are read from under %r", source, key)
                yield from _rows(text, itertools.chain((None,), elements))
                continue
            value: Any = [text.value()] if first else []
            value += [text.value() for _ in elements]
        else:
            value = text.value()
        parts = value if isinstance(value, list) else (value,)
        fault = next((part for part in parts if isinstance(part, RowFaultError)), fault)
        if key in held:
            fault = RowFaultError("gives a key twice", repr(key[:60]), "Keep one of them")
        held[key] = value
    if rows_key is not None:
        return
    if under:
        raise UnreadableFileError(
            source,
            f"has nothing under rows_under={'.'.join((*above, *under))!r}",
            f"the keys there are {list(held)[:20]}",
            "Name the keys that lead to the list of rows, joined by dots",
        )
    if fault is not None:
        yield row_fault(fault, text.place())
    elif is_nested(held):
        yield from flatten(held, text.place())
    elif any(value != [] for value in held.values()):  # `{"data": []}` holds no rows
        _refuse_what_is_no_row(held, source)
        yield held


def _skip(text: JsonText) -> None:
    """Pass over a value; a long list or object is not held in memory."""
    character = text.peek()
    steps = text.elements() if character == "[" else text.members() if character == "{" else None
    if steps is None:
        text.value()
        return
    for _ in steps:
        text.value()


def _refuse_what_is_no_row(held: Row, source: str) -> None:
    """Raise where a lone object is plainly a container, in one of two forms that are common."""
    if all(isinstance(value, dict) and "0" in value for value in held.values()):
        raise UnreadableFileError(
            source,
            "holds columns, not rows",
            f"each of {list(held)[:20]} has its values by number, as pandas writes them",
            "Write it with to_json(path, orient='records', force_ascii=False)",
        )
    deeper = [
        f"{key}.{name}"
        for key, value in held.items()
        if isinstance(value, dict)
        for name, part in value.items()
        if isinstance(part, list) and part and all(isinstance(row, dict) for row in part)
    ]
    if deeper:
        raise UnreadableFileError(
            source,
            "holds its rows deeper",
            f"perhaps under {' or '.join(map(repr, deeper[:5]))}",
            f"Name the list, e.g. rows_under={deeper[0]!r}",
        )
