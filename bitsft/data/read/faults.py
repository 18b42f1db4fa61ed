"""What can be wrong with what is read: a row (`Fault`), or a whole file (`UnreadableFileError`).

The readers of the formats know nothing of the ledger. They yield rows as dicts, and a `Fault` in the
place of each row that cannot be read; `read_records` counts both.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

Row: TypeAlias = dict[str, Any]

_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Fault:
    """A row that could not be read.

    Attributes:
        reason: What is wrong, in words that are the same for all rows with this fault.
        place: Where in the file, e.g. `"line 2, column 7"`.
        said: The whole of it as a sentence without the full stop, to be read after the place.
        remedy: What the user can do, a sentence without the full stop.
        value: What was found there.
        detail: What is particular to this row, next to its place.
        ends: Whether the rest of the file cannot be read because of it.
    """

    reason: str
    place: str
    said: str
    remedy: str
    value: Any = None
    detail: str = ""
    ends: bool = False


class UnreadableFileError(ValueError):
    """A file of which no row can be read.

    Args:
        source: The file, as the user named it.
        reason: What is wrong, in words that are the same for all files with this fault.
        detail: What is particular to this file, e.g. the byte; may be empty.
        remedy: What the user can do, a sentence without the full stop.
    """

    def __init__(self, source: str, reason: str, detail: str, remedy: str) -> None:
        super().__init__(source, reason, detail, remedy)
        self.source = source
        self.reason = reason
        self.detail = detail
        self.remedy = remedy

    def __str__(self) -> str:
        detail = f", {self.detail}" if self.detail else ""
        return f"{self.source}: {self.reason}{detail}. {self.remedy}"


def value_fault(number: int, message: str) -> Fault:
    """The fault of a row of a typed table that holds what no row may hold (`plain_values.py`)."""
    reason = "holds a value that is neither text nor number"
    return Fault(
        reason=reason,
        place=f"row {number}",
        said=f"{reason}: {message}",
        remedy="Turn it into text, or leave its column out",
        detail=message,
    )


def first_line(error: Exception) -> str:
    """Return the first line of what an exception says; its type where it says nothing."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def excerpt(text: str) -> str:
    """Return the start of a text, at most 200 characters, without its line end."""
    text = text.rstrip("\r\n")
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
