"""Raw evaluation rows -> what to generate from, and what the answer should have been.

| row                                            | prompt           | reference          |
|------------------------------------------------|------------------|--------------------|
| `prompt` and `completion` strings              | the string       | the string         |
| `prompt` messages, `completion` [one message]  | the messages     | its content        |
| `messages` that end with an assistant turn     | all but the last | the last's content |

These are TRL's dataset types (https://huggingface.co/docs/trl/dataset_formats) that name an answer.
`tools` and `chat_template_kwargs` of a row are kept for the chat template. An EOS token that the
user wrote at the end of a completion is not part of the reference: generated text never shows it.
"""

import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Messages = list[dict[str, Any]]
Prompt = str | Messages

_REMEDY = (
    "give rows with 'prompt' and 'completion' (both strings, or both lists of messages), or with "
    "'messages' that end with an assistant turn"
)


@dataclass(frozen=True)
class EvalRow:
    """One question with its answer.

    Attributes:
        prompt: A string, or messages for the chat template.
        reference: The answer's text.
        tools: Passed to the chat template.
        chat_template_kwargs: Passed to the chat template, e.g. `{"enable_thinking": False}`.
    """

    prompt: Prompt
    reference: str
    tools: list[Any] | None = None
    chat_template_kwargs: dict[str, Any] = field(default_factory=dict)


def read_eval_rows(
    rows: Iterable[Mapping[str, Any]], *, num_rows: int | None = None, eos_token: str | None = None
) -> list[EvalRow]:
    """Read the first `num_rows` rows of an untokenized evaluation set.

    Args:
        rows: A `datasets.Dataset`, an `IterableDataset` or a list of dicts.
        num_rows: How many rows to take, from the start; None takes all.
        eos_token: Removed from the end of a string completion, where TRL would add it.

    Raises:
        ValueError: When there are no rows, or a row has another shape; the message holds its
            number, its columns and the shapes that work.
    """
    if isinstance(rows, Mapping):
        raise ValueError(
            f"the evaluation set is a dict with the keys {list(rows)}, not a dataset: "
            "pass one of its values"
        )
    read = [
        _read_row(number, row, eos_token)
        for number, row in enumerate(itertools.islice(rows, num_rows))
    ]
    if not read:
        raise ValueError("the evaluation set has no rows to generate from")
    return read


def _read_row(number: int, row: Mapping[str, Any], eos_token: str | None) -> EvalRow:
    where = f"evaluation row {number}"
    if "prompt" in row and "completion" in row:
        prompt, completion = row["prompt"], row["completion"]
        if isinstance(prompt, str) and isinstance(completion, str):
            return EvalRow(prompt, completion.removesuffix(eos_token or ""))
        if not (_are_messages(prompt) and _are_messages(completion)):
            raise ValueError(
                f"{where}: 'prompt' is {_shape(prompt)} and 'completion' is {_shape(completion)}; "
                f"{_REMEDY}"
            )
        if len(completion) != 1:
            raise ValueError(
                f"{where}: 'completion' has {len(completion)} messages, so no single answer to "
                "compare with: move all but the last assistant turn into 'prompt'"
            )
        answer = completion[0]
    elif _are_messages(row.get("messages")):
        *prompt, answer = row["messages"]
        if not prompt:
            raise ValueError(f"{where}: 'messages' holds one turn only, so there is no prompt")
    else:
        raise ValueError(
            f"{where} has the columns {sorted(row)}, from which no prompt and answer can be read; "
            f"{_REMEDY}. An already tokenized set has lost its texts: pass the raw one."
        )
    if answer["role"] != "assistant" or not isinstance(answer.get("content"), str):
        raise ValueError(
            f"{where}: the turn to generate has role {answer['role']!r} and content "
            f"{str(answer.get('content'))[:40]!r}; it must be an assistant turn with text"
        )
    tools = row.get("tools")
    return EvalRow(
        prompt,
        answer["content"],
        json.loads(tools) if isinstance(tools, str) else tools,
        dict(row.get("chat_template_kwargs") or {}),
    )


def _are_messages(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) > 0
        and all(isinstance(message, Mapping) and "role" in message for message in value)
    )


def _shape(value: Any) -> str:
    return "messages" if _are_messages(value) else type(value).__name__
