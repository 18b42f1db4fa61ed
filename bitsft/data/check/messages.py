"""Messages: {"role", "content"} in turn, in the two notations in which data sets write them.

- OpenAI's and TRL's: `{"role": "user", "content": "..."}`;
- ShareGPT's: `{"from": "human", "value": "..."}`.

The roles afterwards are `system`, `user` and `assistant`; the other words for them are in `ROLES`.
Messages of tools and functions are refused, and so are contents that are not text (images).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from typing_extensions import TypedDict

from bitsft.data.check.schema import Text
from bitsft.data.fields import RowError

ROLES = {
    "system": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bard": "assistant",
    "bot": "assistant",
    "chatbot": "assistant",
    "model": "assistant",
    "ai": "assistant",
}


class Message(TypedDict):
    """One turn."""

    role: Literal["system", "user", "assistant"]
    content: Text


def with_one_notation(messages: Any) -> tuple[Any, dict[str, str]]:
    """Return raw messages with `role` and `content`, unchecked, and the names they had.

    Args:
        messages: What a row has where messages should be.

    Returns:
        A new list of dicts, with what is no message left in its place for the schema to refuse; and
        `{"role": "from", "content": "value"}` or `{}`, for error messages.
    """
    if not isinstance(messages, list | tuple):
        return messages, {}
    read: list[Any] = []
    names: dict[str, str] = {}
    for message in messages:
        if not isinstance(message, Mapping):
            read.append(message)
            continue
        new = {}
        for name, other in (("role", "from"), ("content", "value")):
            if message.get(name) is not None:
                new[name] = message[name]
            elif message.get(other) is not None:
                new[name] = message[other]
                names[name] = other
        role = new.get("role")
        if isinstance(role, str):
            new["role"] = ROLES.get(role.strip().casefold(), role)
        read.append(new)
    return read, names


def check_turns(messages: Sequence[Message], field: str, row_number: int | None) -> None:
    """Refuse turns out of order.

    Raises:
        RowError: When, after at most one system message, user and assistant do not take turns, the
            user first, or when the last message is not the assistant's.
    """
    start = 1 if messages[0]["role"] == "system" else 0
    for i, message in enumerate(messages[start:], start):
        if message["role"] != ("user", "assistant")[(i - start) % 2]:
            raise RowError(
                f"{field}[{i}]",
                "is out of turn: user and assistant alternate, the user first, after at most one "
                "system message",
                "Join messages of one speaker, or leave the row out",
                message["role"],
                row_number,
            )
    if messages[-1]["role"] != "assistant":
        raise RowError(
            field,
            "does not end with a message of the assistant, so there is nothing to learn",
            "Leave the last message out",
            messages[-1]["role"],
            row_number,
        )
