"""Dialogue rows: messages of a user and an assistant in turn, the assistant's last.

Shapes: `messages`, or `conversations` (ShareGPT), in either notation of `messages.py`; a column
`system` beside them becomes the first message.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field
from typing_extensions import Self

from bitsft.data.check.messages import Message, check_turns, with_one_notation
from bitsft.data.check.schema import RowSchema
from bitsft.data.fields import RowError, check_mapping, is_missing, optional


class DialogueRow(RowSchema):
    """The messages of one conversation.

    Attributes:
        messages: At most one system message, then the user's and the assistant's in turn.
    """

    task: ClassVar[str] = "dialogue"
    needs: ClassVar[tuple[tuple[str, ...], ...]] = (("messages", "conversations"),)
    reads: ClassVar[frozenset[str]] = frozenset({"messages", "conversations", "system"})

    messages: tuple[Message, ...] = Field(min_length=1)

    @classmethod
    def from_raw(cls, raw: Mapping[str, Any], row_number: int | None = None) -> Self:
        """Check a raw row and return its messages in one notation.

        Args:
            raw: A row in one of the shapes that this module's docstring lists.
            row_number: The row's index from 0, for the error message.

        Raises:
            RowError: (a ValueError) for messages that are missing, empty, mistyped or out of turn, a
                role that is none of the three, or a system message given twice.
        """
        raw = check_mapping(raw, row_number)
        column = "messages"
        if is_missing(raw.get(column)) and "conversations" in raw:
            column = "conversations"
        messages, names = with_one_notation(raw.get(column))
        system = optional(raw, "system", row_number)
        values = {} if messages is None else {"messages": messages}
        row = cls.validated(values, row_number, {**names, "messages": column})
        check_turns(row.messages, column, row_number)
        if system is None:
            return row
        if row.messages[0]["role"] == "system":
            wrong = "is given beside a system message"
            raise RowError("system", wrong, "Leave one of the two out", system, row_number)
        first = {"role": "system", "content": system}
        return cls.validated(
            {"messages": (first, *row.messages)}, row_number, {"messages": "system"}
        )

    def columns(self) -> dict[str, Any]:
        """The row as a dict, the messages as a list of dicts."""
        return {"messages": list(self.messages)}
