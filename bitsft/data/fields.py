"""One field of one raw row: read it, or say what is wrong with it.

`RowError` is the only way a row is refused in this stage. It names the row, the field, the value
and the remedy, and keeps them as attributes, so that `format_rows` can write them down.

None, a blank text and a float NaN (pandas' way to write "no value") all mean *missing*: `datasets`
fills the columns that a row lacks with None. Text is stripped at both ends and otherwise left as
it is; Unicode normalization is a cleaning step, not a reading step.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

# Characters that show nothing and that str.strip() keeps: a field holding only these is empty.
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff"
_NOTHING_TO_SEE = re.compile(rf"[\s{INVISIBLE}]*")
_SHOWN = 60


class RowError(ValueError):
    """A row that cannot be used, with the place, the value and the remedy.

    Args:
        field: The name of the field at fault, e.g. `"question"` or `"context[2]"`.
        reason: What is wrong, to be read after the field's name, e.g. `"is empty"`.
        remedy: What the user can do about it, a whole sentence without the full stop.
        value: The value found; None when the field is missing.
        row_number: The row's index, counted from 0 as in `rows[i]`; None when not known.
        detail: What is particular to this row, e.g. a place in the text; the reason is counted, and
            so has to be the same for all rows with this fault.
    """

    def __init__(
        self,
        field: str,
        reason: str,
        remedy: str,
        value: Any = None,
        row_number: int | None = None,
        detail: str | None = None,
    ) -> None:
        # All arguments go to args: exceptions are pickled through them (dataset.map, num_proc=2).
        super().__init__(field, reason, remedy, value, row_number, detail)
        self.field = field
        self.reason = reason
        self.remedy = remedy
        self.value = value
        self.row_number = row_number
        self.detail = detail

    def __str__(self) -> str:
        where = "" if self.row_number is None else f"row {self.row_number}, "
        reason = f"{self.reason} {self.detail}" if self.detail else self.reason
        got = "" if self.value is None else f" (got {shorten(self.value)})"
        return f"{where}field {self.field!r} {reason}{got}. {self.remedy}."


def shorten(value: Any) -> str:
    """Return `repr(value)`, cut to about 60 characters so that it fits an error message."""
    try:
        shown = repr(value)
    except (ValueError, RecursionError):  # an integer of more than 4,300 digits; too many levels
        shown = f"<{type(value).__name__}>"
    return shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…"


def is_missing(value: Any) -> bool:
    """Whether `value` stands for "no value": None, NaN or a text in which nothing is visible."""
    if isinstance(value, str):
        return _NOTHING_TO_SEE.fullmatch(value) is not None
    return value is None or (isinstance(value, float) and math.isnan(value))


def check_text(value: Any, field: str, row_number: int | None) -> str:
    """Return the stripped text of a value that must be a text with something in it.

    Raises:
        RowError: When it is missing, not a `str`, or not valid Unicode.
    """
    if is_missing(value):
        reason = "is missing" if value is None else "is empty"
        raise RowError(field, reason, "Fill it in, or leave the row out", value, row_number)
    if not isinstance(value, str):
        raise RowError(
            field,
            f"is of type {type(value).__name__}, not text",
            "Turn it into text first, e.g. with str()",
            value,
            row_number,
        )
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise RowError(
            field,
            "holds half of a surrogate pair",
            "Repair the text: it was cut in the middle of a character",
            value,
            row_number,
            f"at character {error.start}",
        ) from error
    return value.strip()


def required(raw: Mapping[str, Any], field: str, row_number: int | None) -> str:
    """Return the text of a field that must be there. Raises `RowError` as `check_text` does."""
    return check_text(raw.get(field), field, row_number)


def optional(raw: Mapping[str, Any], field: str, row_number: int | None) -> str | None:
    """Return the text of a field, or None where it is missing; `RowError` where it is no text."""
    value = raw.get(field)
    return None if is_missing(value) else check_text(value, field, row_number)


def check_mapping(raw: Any, row_number: int | None) -> Mapping[str, Any]:
    """Return `raw`, a mapping of field names to values; `RowError` where it is something else."""
    if not isinstance(raw, Mapping):
        raise RowError(
            "row",
            f"is of type {type(raw).__name__}, not a mapping of field names to values",
            "Pass one row at a time, e.g. dataset.map(formatter) without batched=True",
            raw,
            row_number,
        )
    return raw
