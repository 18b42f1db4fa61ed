"""`JsonText`: a JSON text read value by value, in memory for the largest value and not for the file.

Each value is decoded by Python's `json` (`JSONDecoder.raw_decode`) out of a window on the file; where
the window ends within a value, more is read and the value is decoded again. A library of JSON events
(ijson) does the same, but its fast parser turns half surrogates into "?", keeps the last of two equal
keys, refuses NaN and integers beyond 64 bits, and its errors do not name the line.

Limits: one value must fit into memory twice; decoding takes up to twice the time of `json.load`.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, TextIO

from bitsft.data.read.json_values import RowFaultError, next_value

_WINDOW = 1 << 20  # characters
_CUT_OFF = 16  # what ends this near to the window's end may be cut off ("-Infinity", a number)
_space = re.compile(r"[ \t\n\r]*")


class BrokenJsonError(Exception):
    """The text is no JSON from here on; `place` is where, `message` is what."""

    def __init__(self, message: str, place: str) -> None:
        super().__init__(message, place)
        self.message = message
        self.place = place


class JsonText:
    """A JSON text and how far it has been read.

    Args:
        file: The text, opened with `newline="\\n"`.
        window: How many characters to read at once.
    """

    def __init__(self, file: TextIO, window: int = _WINDOW) -> None:
        self._file = file
        self._window = window
        self._text = ""
        self._at = 0
        self._ended = False
        self._lines_before = 0  # line ends in what has left the window
        self._column_before = 0  # characters of the window's first line that have left it

    def peek(self) -> str:
        """The next character that is not white space; "" at the end of the text."""
        while True:
            match = _space.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def value(self) -> Any:
        """Read one value; a `RowFaultError` is returned in place of what no row may hold.

        Raises:
            BrokenJsonError: When there is none, or it is cut off.
        """
        self.peek()
        while True:
            try:
                value, end = next_value(self._text, self._at)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated") or self._is_near_the_end(error.pos)
                if self._ended or not cut:
                    raise BrokenJsonError(error.msg, self.place(error.pos)) from error
            except RowFaultError as error:
                raise BrokenJsonError(f"{error.reason}: {error.detail}", self.place()) from error
            else:
                # A number there may go on behind the window: "0", "0.", "0.5".
                if self._ended or not self._is_near_the_end(end):
                    self._at = end
                    return value
            self._more()

    def elements(self) -> Iterator[None]:
        """Step through a list: at each step the next element must be read.

        Raises:
            BrokenJsonError: When there is no list here, or it is broken.
        """
        self._take("[", "a list")
        if self.peek() == "]":
            self._at += 1
            return
        while True:
            yield
            if self._take_one_of(",]") == "]":
                return

    def members(self) -> Iterator[str]:
        """Step through an object by its keys: at each step the key's value must be read.

        Raises:
            BrokenJsonError: When there is no object here, or it is broken.
        """
        self._take("{", "an object")
        if self.peek() == "}":
            self._at += 1
            return
        while True:
            if self.peek() != '"':
                raise BrokenJsonError("Expecting property name in double quotes", self.place())
            key = self.value()
            self._take(":", "':'")
            yield key
            if self._take_one_of(",}") == "}":
                return

    def place(self, at: int | None = None) -> str:
        """The line and column of a place in the window, both from 1."""
        at = self._at if at is None else min(at, len(self._text))
        lines = self._text.count("\n", 0, at)
        before = self._column_before if not lines else 0
        column = before + at - self._text.rfind("\n", 0, at)
        return f"line {self._lines_before + lines + 1}, column {column}"

    def _is_near_the_end(self, at: int) -> bool:
        return at > len(self._text) - _CUT_OFF

    def _take(self, character: str, name: str) -> None:
        if self.peek() != character:
            raise BrokenJsonError(f"Expecting {name}", self.place())
        self._at += 1

    def _take_one_of(self, characters: str) -> str:
        found = self.peek()
        if not found or found not in characters:
            raise BrokenJsonError(f"Expecting '{characters[0]}' or '{characters[1]}'", self.place())
        self._at += 1
        return found

    def _more(self) -> bool:
        """Read on behind the window, and drop what has been used; False at the end of the file."""
        if self._ended:
            return False
        lines = self._text.count("\n", 0, self._at)
        self._lines_before += lines
        if lines:
            self._column_before = self._at - self._text.rfind("\n", 0, self._at) - 1
        else:
            self._column_before += self._at
        rest = self._text[self._at :]
        # Twice as much each time that a value did not fit: it is decoded again only log2(n) times.
        read = self._file.read(max(self._window, len(rest)))
        self._text, self._at = rest + read, 0
        self._ended = not read
        return bool(read)
