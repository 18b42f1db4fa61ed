"""KoAlpaca rows: an instruction, an optional input that it applies to, and the output.

Shapes: v1.0 (`instruction`, `input`, `output`), v1.1 (`instruction`, `output`, `url`), and rows that
call the input `context`.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from typing_extensions import Self

from bitsft.data.check.schema import OptionalText, RowSchema, Text
from bitsft.data.fields import RowError, check_mapping, is_missing


class KoAlpacaRow(RowSchema):
    """An instruction, an optional input that it applies to, and the output."""

    task: ClassVar[str] = "koalpaca"
    needs: ClassVar[tuple[tuple[str, ...], ...]] = (("instruction",), ("output",))
    reads: ClassVar[frozenset[str]] = frozenset({"instruction", "output", "input", "context"})

    instruction: Text
    output: Text
    input: OptionalText = None

    @classmethod
    def from_raw(cls, raw: Mapping[str, Any], row_number: int | None = None) -> Self:
        """Check a raw row: `instruction`, `output`, and optionally `input` (or `context`).

        Args:
            raw: The row.
            row_number: The row's index from 0, for the error message.

        Raises:
            RowError: (a ValueError) for a missing, empty or mistyped field, or for a row that has
                both an `input` and a `context`.
        """
        raw = check_mapping(raw, row_number)
        context = raw.get("context")
        if is_missing(context):
            return cls.validated(raw, row_number)
        if not is_missing(raw.get("input")):
            raise RowError(
                "context",
                "is given beside 'input', and a row has room for one of them",
                "Join the two into 'input', or leave one out",
                context,
                row_number,
            )
        return cls.validated({**raw, "input": context}, row_number, {"input": "context"})
