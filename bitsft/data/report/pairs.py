"""A row as the prompt and the completion that a model trains on.

Rows that are formatted already (`prompt` and `completion`) are taken as they are; for others there is
the formatter, by default `format_record`, which knows every task.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from bitsft.data.format.records import format_record
from bitsft.data.tasks import task_of, texts_of

Row: TypeAlias = Mapping[str, Any]
Formatter: TypeAlias = Callable[[Row], Mapping[str, Any]]
Part: TypeAlias = str | list[dict[str, Any]]

FORMATTED = "prompt/completion"


class Pair(NamedTuple):
    """What a model reads and what it learns: two texts, or two lists of messages."""

    prompt: Part
    completion: Part

    @property
    def is_messages(self) -> bool:
        """Whether the pair needs a chat template to become text."""
        return not isinstance(self.prompt, str)


def task_name_of(row: Row) -> str:
    """Return the name of a row's task; rows that are formatted already may have none.

    Raises:
        ValueError: When the row names no known task and is not formatted either.
    """
    if "task" not in row and _is_formatted(row):
        return FORMATTED
    return task_of(row).name


def pair_of(row: Row, formatter: Formatter | None = None) -> Pair:
    """Return a row's prompt and completion.

    Args:
        row: A row that passed `check_records`, or one that is formatted.
        formatter: Takes a row and returns `{"prompt", "completion"}`, or raises ValueError for a row
            it refuses. None takes `format_record`.

    Raises:
        ValueError: When the formatter refuses the row, or what it or the row gives is something else
            than a prompt and a completion.
    """
    if _is_formatted(row):
        return _checked(row, "the row")
    return _checked((formatter or format_record)(row), "the formatter")


def characters(part: Part) -> int:
    """Return how many characters (code points) a prompt or a completion has."""
    return len(part) if isinstance(part, str) else sum(map(len, texts_of(part)))


def _is_formatted(row: Row) -> bool:
    return "prompt" in row and "completion" in row


def _checked(result: Any, giver: str) -> Pair:
    """Return the pair in a formatter's result, or say what is wrong with it."""
    if not isinstance(result, Mapping) or not _is_formatted(result):
        found = sorted(result) if isinstance(result, Mapping) else type(result).__name__
        raise ValueError(
            f"{giver} gave {found}; a row must become a mapping with 'prompt' and 'completion'"
        )
    pair = Pair(result["prompt"], result["completion"])
    both_texts = all(isinstance(part, str) for part in pair)
    both_messages = all(_are_messages(part) for part in pair)
    if not (both_texts or both_messages):
        raise ValueError(
            f"{giver} gave a prompt of type {type(pair.prompt).__name__} and a completion of type "
            f"{type(pair.completion).__name__}; give two texts, or two lists of "
            "{'role', 'content'} messages"
        )
    return pair


def _are_messages(part: Any) -> bool:
    return isinstance(part, list) and all(
        isinstance(message, Mapping) and "role" in message and "content" in message
        for message in part
    )
