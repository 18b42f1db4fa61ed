"""Dialogue and preference rows -> {"prompt", "completion"}.

A dialogue's last message is learned, and all before it are the prompt: as messages for models with a
chat template, else as a text with KoAlpaca v1.1's headings, the earlier answers behind theirs. There no
end-of-sequence token stands after an earlier answer; a chat template puts one.

Of a preference row only the chosen reply is learned, as by SFT before DPO. What to do with the rejected
one is the business of a preference trainer, which takes checked rows (`prompt`, `chosen`, `rejected`) as
they are.
"""

from collections.abc import Mapping
from typing import Any

from bitsft.data.check.dialogue import DialogueRow
from bitsft.data.check.preference import PreferenceRow
from bitsft.data.format.koalpaca import TEMPLATES, check_style, render
from bitsft.data.format.prompt_completion import PromptCompletion, as_text


def format_dialogue(
    row: Mapping[str, Any],
    row_number: int | None = None,
    *,
    language: str = "ko",
    as_messages: bool = False,
    system: str | None = None,
) -> PromptCompletion:
    """Format one dialogue row: all messages but the last -> the last.

    Args:
        row: A raw or checked row, as `DialogueRow.from_raw` reads it.
        row_number: The row's index from 0, for error messages.
        language: Of the headings of a text: `"ko"` or `"en"`.
        as_messages: Return lists of messages for a chat template instead of texts.
        system: A system message for rows that have none, with `as_messages=True` only.

    Returns:
        `{"prompt", "completion"}`, two texts or two lists of messages. In a text the row's own system
        message stands at the start, with an empty line after it.

    Raises:
        RowError: (a ValueError) when the row cannot be used.
        ValueError: For an unknown language, or a system message for a text row.
    """
    check_style("v1.1", language, system, as_messages)
    dialogue = DialogueRow.from_raw(row, row_number)
    messages = [{"role": each["role"], "content": each["content"]} for each in dialogue.messages]
    if as_messages:
        if system is not None and messages[0]["role"] != "system":
            messages.insert(0, {"role": "system", "content": system})
        return {"prompt": messages[:-1], "completion": messages[-1:]}
    _, turn = TEMPLATES["v1.1"][language]
    prompt = ""
    for message in messages[:-1]:
        if message["role"] == "system":
            prompt += f"{message['content']}\n\n"
        elif message["role"] == "user":
            prompt += turn.format(instruction=message["content"])
        else:
            prompt += f" {message['content']}\n\n"
    return as_text(prompt, messages[-1]["content"])


def format_preference(
    row: Mapping[str, Any],
    row_number: int | None = None,
    *,
    language: str = "ko",
    template: str = "v1.1",
    as_messages: bool = False,
    system: str | None = None,
) -> PromptCompletion:
    """Format one preference row for SFT: prompt -> the chosen reply. The rejected one is not used.

    Args:
        row: A raw or checked row, as `PreferenceRow.from_raw` reads it.
        row_number: The row's index from 0, for error messages.
        language: Of the headings: `"ko"` or `"en"`.
        template: Of a text prompt: KoAlpaca's `"v1.1"` or `"v1.0"`.
        as_messages: Return lists of messages for a chat template instead of texts.
        system: A system message, with `as_messages=True` only. None for none.

    Returns:
        `{"prompt", "completion"}`, two texts or two lists of messages.

    Raises:
        RowError: (a ValueError) when the row cannot be used.
        ValueError: For an unknown language or template, or a system message for a text row.
    """
    check_style(template, language, system, as_messages)
    pair = PreferenceRow.from_raw(row, row_number)
    return render(pair.prompt, None, pair.chosen, template, language, as_messages, system)
