"""`RejectedRow`: a row that goes no further, and a line of `rejected.jsonl`.

    {"source": "a.csv", "row_number": 17, "stage": "check", "field": "answer", "value": "",
     "reason": "is empty", "remedy": "Fill it in, or leave the row out"}

`source`, `detail` and `remedy` are left out where there is none.
"""

from dataclasses import dataclass
from typing import Any

from bitsft.data.common.json_line import any_json_line
from bitsft.data.fields import shorten


@dataclass(frozen=True)
class RejectedRow:
    """A row that a stage refused, and why.

    Attributes:
        row_number: The row's index in its source, from 0.
        field: The field at fault; None where it is the row as a whole.
        value: The value found in it.
        reason: What is wrong, in words that are the same for all rows with this fault.
        remedy: What can be done; None where nothing need be.
        stage: The stage that refused it, e.g. `"check"`.
        source: The file or data set it came from; "" for rows from memory.
        detail: What is particular to this row, e.g. which row it repeats.
    """

    row_number: int
    field: str | None
    value: Any
    reason: str
    remedy: str | None = None
    stage: str = "format"
    source: str = ""
    detail: str | None = None

    def __str__(self) -> str:
        where = f"{self.source}, row {self.row_number}" if self.source else f"row {self.row_number}"
        reason = f"{self.reason} ({self.detail})" if self.detail else self.reason
        if self.field is None:
            return f"{where}: {reason}" + (f". {self.remedy}." if self.remedy else "")
        got = "" if self.value is None else f" (got {shorten(self.value)})"
        return f"{where}, field {self.field!r} {reason}{got}." + (
            f" {self.remedy}." if self.remedy else ""
        )

    def as_json(self) -> str:
        """One line of `rejected.jsonl`; a value that JSON has no form for becomes its repr."""
        order = ("source", "row_number", "stage", "field", "value", "reason", "detail", "remedy")
        shown = {name: self.__dict__[name] for name in order}
        for name in ("source", "detail", "remedy"):
            if not shown[name]:
                del shown[name]
        return any_json_line(shown)
