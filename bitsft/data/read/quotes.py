"""Quoted fields: split a line whose fields may be quoted, and find back into step after a broken quote.

The form is that of RFC 4180 (https://www.rfc-editor.org/rfc/rfc4180): a field that starts with `"` ends at
the next `"` that is not doubled, may hold delimiters and line breaks, and is followed by a delimiter or
the end of the line. In a field that does not start with a quote, quotes are plain characters.

Python's `csv` is not used: it holds fields to 131,072 characters unless a global limit is changed,
refuses NUL before Python 3.11, and an unclosed quote swallows the rows behind it. Here a broken quote
costs the row that it stands in. Where it stands in a field of several lines, the rest of these lines is
given up with it, because they cannot be told from rows.
"""

from collections.abc import Callable, Iterator
from typing import TextIO

LONGEST = 1 << 24  # characters of one row; a quote that is not closed by then never is


class QuoteError(Exception):
    """A quote that is not closed, or closed in the middle of a field."""


class Lines:
    """The lines of a file with their numbers, and a way back.

    Args:
        file: Opened with `newline=""`, so that the lines keep their ends.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._back: list[str] = []  # the next one last
        self._passed: list[str] = []
        self.number = 0  # of the line that was given last, from 1

    def __iter__(self) -> Iterator[str]:
        while line := self._back.pop() if self._back else next(self._file, ""):
            self.number += 1
            yield line

    def mark(self) -> None:
        """Remember this place."""
        self._passed = []

    def next(self) -> str:
        """Return the next line, "" behind the last one; `go_back` will know it."""
        line = self._back.pop() if self._back else next(self._file, "")
        if line:
            self.number += 1
            self._passed.append(line)
        return line

    def go_back(self) -> None:
        """Return to the marked place."""
        self.put_back(self._passed)
        self._passed = []

    def put_back(self, lines: list[str]) -> None:
        """Make these, which were given last, the next lines again."""
        self._back.extend(reversed(lines))
        self.number -= len(lines)


def split_quoted(line: str, delimiter: str, more: Callable[[], str]) -> tuple[list[str], bool]:
    """Split one row into its fields.

    Args:
        line: Its first line, with the line end.
        delimiter: The character between fields.
        more: Gives the next line, for a field with line breaks; "" when there is none.

    Returns:
        The fields, and whether a field that is not quoted holds a quote.

    Raises:
        QuoteError: When a quote is broken.
    """
    fields: list[str] = []
    stray = False
    at, size = 0, len(line)
    while True:
        if not line.startswith('"', at):
            end = line.find(delimiter, at)
            field = line[at:end] if end >= 0 else line[at:].rstrip("\r\n")
            fields.append(field)
            stray = stray or '"' in field
            if end < 0:
                return fields, stray
            at = end + 1
            continue
        parts: list[str] = []
        at += 1
        while True:
            end = line.find('"', at)
            if end < 0:
                parts.append(line[at:])
                line = more()
                size += len(line)
                if not line or size > LONGEST:
                    raise QuoteError("unexpected end of data")
                at = 0
            elif line.startswith('"', end + 1):
                parts.append(line[at : end + 1])
                at = end + 2
            else:
                parts.append(line[at:end])
                at = end + 1
                break
        fields.append("".join(parts))
        if line.startswith(delimiter, at):
            at += 1
        elif line[at:].rstrip("\r\n"):
            raise QuoteError(f"{delimiter!r} expected after '\"'")
        else:
            return fields, stray


def find_next_row(lines: Lines, delimiter: str, width: int) -> None:
    """After a broken quote: pass over the lines that belong to the same field, and no more.

    The next line that holds a quote decides. If it is a row by itself, then the broken quote was a stray
    one, and everything behind it is rows. If its quotes are odd in number, it ends the field. Behind the last
    quote of the file, lines are rows if nine in ten of them look like it.

    Args:
        lines: Standing behind the line in which the broken row starts.
        delimiter: The character between fields.
        width: How many fields a row has.
    """
    passed: list[str] = []
    size = rows = 0
    while size <= LONGEST and (line := lines.next()):
        passed.append(line)
        size += len(line)
        if '"' not in line:
            rows += line.count(delimiter) + 1 == width or not line.rstrip("\r\n")
        elif _starts_a_row(line, lines, delimiter, width):
            lines.put_back(passed)
            return
        elif line.count('"') % 2:
            return
        else:
            passed, rows = [], 0
    if rows * 10 >= len(passed) * 9:
        lines.put_back(passed)


def _starts_a_row(line: str, lines: Lines, delimiter: str, width: int) -> bool:
    """Whether a line with quotes is a whole row, with the lines behind it if need be."""
    lines.mark()
    try:
        fields, stray = split_quoted(line, delimiter, lines.next)
    except QuoteError:
        return False
    finally:
        lines.go_back()
    return len(fields) == width and not stray
