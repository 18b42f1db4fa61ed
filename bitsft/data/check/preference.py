"""Preference rows: a prompt, the better reply and the worse one.

Shapes: `prompt`, `chosen` and `rejected` as texts; or as messages (`messages.py`), whose last ones are the
two replies. The messages before them are the prompt, so it may be left out then; where it is given as
well, the two must agree. The prompt is one text here: a system message is put before it, and a prompt of
several turns is refused, since it cannot be told apart from one long message afterwards.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import TypeAdapter, ValidationError
from typing_extensions import Self

from bitsft.data.check.messages import Message, check_turns, with_one_notation
from bitsft.data.check.schema import FILL_IN, RowSchema, Text, row_error
from bitsft.data.fields import RowError, check_mapping, is_missing

_MESSAGES = TypeAdapter(list[Message])


class PreferenceRow(RowSchema):
    """A prompt, the better reply and the worse one."""

    task: ClassVar[str] = "preference"
    needs: ClassVar[tuple[tuple[str, ...], ...]] = (("chosen",), ("rejected",))
    reads: ClassVar[frozenset[str]] = frozenset({"prompt", "chosen", "rejected"})

    prompt: Text
    chosen: Text
    rejected: Text

    @classmethod
    def from_raw(cls, raw: Mapping[str, Any], row_number: int | None = None) -> Self:
        """Check a raw row and return it as three texts.

        Args:
            raw: A row in one of the shapes that this module's docstring lists.
            row_number: The row's index from 0, for the error message.

        Raises:
            RowError: (a ValueError) for a missing, empty or mistyped field, messages out of turn, a
                prompt of several turns, prompts that differ, or two replies that are the same.
        """
        raw = check_mapping(raw, row_number)
        values = {name: raw.get(name) for name in ("prompt", "chosen", "rejected")}
        if isinstance(values["prompt"], list | tuple):
            values["prompt"] = _one_text(_messages(raw, "prompt", row_number), "prompt", row_number)
        for name in ("chosen", "rejected"):
            if not isinstance(values[name], list | tuple):
                continue
            messages = _messages(raw, name, row_number)
            values[name] = messages[-1]["content"]
            if len(messages) == 1 and messages[0]["role"] == "assistant":
                continue
            check_turns(messages, name, row_number)
            before = _one_text(messages[:-1], name, row_number)
            if is_missing(values["prompt"]):
                values["prompt"] = before
            elif not _same(values["prompt"], before):
                wrong = "begins with another prompt than the row's"
                raise RowError(name, wrong, "Give one prompt for both", before, row_number)
        row = cls.validated(values, row_number)
        if _same(row.chosen, row.rejected):
            remedy = "Leave the row out: it prefers nothing"
            raise RowError("rejected", "is the same as 'chosen'", remedy, row.rejected, row_number)
        return row


def _messages(raw: Mapping[str, Any], field: str, row_number: int | None) -> list[Message]:
    messages, names = with_one_notation(raw[field])
    try:
        checked = _MESSAGES.validate_python(messages)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False)[0]
    else:
        if checked:
            return checked
        raise RowError(field, "is empty", FILL_IN, raw[field], row_number)
    fault["loc"] = (field, *fault["loc"])
    raise row_error(fault, row_number, names)


def _one_text(messages: Sequence[Message], field: str, row_number: int | None) -> str:
    """Return a system message, if any, and the one message of the user as a text."""
    users = [message["content"] for message in messages if message["role"] == "user"]
    if len(users) != 1 or messages[-1]["role"] != "user" or len(messages) > 2:
        raise RowError(
            field,
            "has a prompt that is not one message of the user",
            "Write the turns into one text 'prompt', or use the task dialogue with the chosen reply",
            [message["role"] for message in messages],
            row_number,
        )
    return "\n\n".join(message["content"] for message in messages)


def _same(one: Any, other: str) -> bool:
    if not isinstance(one, str):
        return False
    forms = [unicodedata.normalize("NFC", text).strip() for text in (one, other)]
    return forms[0] == forms[1]
