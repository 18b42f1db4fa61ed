"""`format_koalpaca`: a KoAlpaca row -> {"prompt", "completion"}.

The two templates, to the letter, from Beomi/KoAlpaca at fb5c84e (code Apache-2.0; the *data* is
CC BY-NC 4.0 by its DATA_LICENSE, and this project ships none of it):

- `v1.1`: README.md, `ask()`; the training text has the same form with a space before the answer
  (train_v1.1b/README.md: `### 질문: ...\\n\\n### 답변: ...<|endoftext|>`).
- `v1.0`: train.py, `PROMPT_DICT`, English and Korean. There the output follows the last colon
  directly. Here one space stands between them, as in every text completion of this package: an
  output that begins with a bracket or a quote would otherwise share a token with the colon.

A row of either version can be written in either template. `render` writes the other tasks' rows in the same
form (`instructions.py`), so that a model has one form to learn. The English headings of `v1.1` are a
translation made here; `v1.0` is in both languages as it is. In messages the chat template has the
turns' marks already, so the user message is the instruction, an empty line and the input.
"""

from collections.abc import Mapping
from typing import Any

from bitsft.data.check.koalpaca import KoAlpacaRow
from bitsft.data.format.prompt_completion import (
    PromptCompletion,
    as_conversation,
    as_text,
    check_system,
)

_V10 = (
    "Below is an instruction that describes a task, paired with an input that provides "
    "further context.\n"
    "아래는 작업을 설명하는 명령어와 추가적 맥락을 제공하는 입력이 짝을 이루는 예제입니다.\n\n"
    "Write a response that appropriately completes the request.\n"
    "요청을 적절히 완료하는 응답을 작성하세요.\n\n"
    "### Instruction(명령어):\n{instruction}\n\n### Input(입력):\n{input}\n\n"
    "### Response(응답):",
    "Below is an instruction that describes a task.\n"
    "아래는 작업을 설명하는 명령어입니다.\n\n"
    "Write a response that appropriately completes the request.\n"
    "명령어에 따른 요청을 적절히 완료하는 응답을 작성하세요.\n\n"
    "### Instruction(명령어):\n{instruction}\n\n### Response(응답):",
)
# template -> language -> (prompt with an input, prompt without)
TEMPLATES = {
    "v1.1": {
        "ko": (
            "### 질문: {instruction}\n\n### 맥락: {input}\n\n### 답변:",
            "### 질문: {instruction}\n\n### 답변:",
        ),
        "en": (
            "### Question: {instruction}\n\n### Context: {input}\n\n### Answer:",
            "### Question: {instruction}\n\n### Answer:",
        ),
    },
    "v1.0": {"ko": _V10, "en": _V10},
}


def format_koalpaca(
    row: Mapping[str, Any],
    row_number: int | None = None,
    *,
    template: str = "v1.1",
    language: str = "ko",
    as_messages: bool = False,
    system: str | None = None,
) -> PromptCompletion:
    """Format one instruction row, of KoAlpaca v1.0 or v1.1 or any set in their shape, for TRL.

    Use it with `format_rows` (counts and logs what it refuses) or with `datasets`:
    `dataset.map(format_koalpaca, with_indices=True, remove_columns=dataset.column_names)`.

    Args:
        row: `instruction`, `output`, and optionally `input` (or `context`); other fields, such as
            v1.1's `url`, are not used.
        row_number: The row's index from 0, for error messages; `with_indices=True` passes it.
        template: Of a text prompt: `"v1.1"` (`### 질문:`, `### 답변:`) or `"v1.0"` (bilingual).
        language: Of the headings of `"v1.1"`: `"ko"` or `"en"`.
        as_messages: Return lists of messages for a chat template instead of texts.
        system: A system message, with `as_messages=True` only. None for none.

    Returns:
        `{"prompt", "completion"}`, two texts or two lists of messages; a text completion is the
        output with one space before it.

    Raises:
        RowError: (a ValueError) when the row cannot be used; see `KoAlpacaRow.from_raw`.
        ValueError: For an unknown template or language, or a system message for a text row.

    Source: Beomi/KoAlpaca at fb5c84e, README.md and train.py.
    """
    check_style(template, language, system, as_messages)
    alpaca = KoAlpacaRow.from_raw(row, row_number)
    return render(
        alpaca.instruction, alpaca.input, alpaca.output, template, language, as_messages, system
    )


def check_style(template: str, language: str, system: str | None, as_messages: bool) -> None:
    """Refuse options that `render` has no use for.

    Raises:
        ValueError: For an unknown template or language, or a system message for a text row.
    """
    if template not in TEMPLATES:
        raise ValueError(f"template={template!r} is not known; use one of {sorted(TEMPLATES)}")
    if language not in TEMPLATES[template]:
        known = sorted(TEMPLATES[template])
        raise ValueError(f"language={language!r} is not known; use one of {known}")
    check_system(system, as_messages)


def render(
    instruction: str,
    context: str | None,
    output: str,
    template: str,
    language: str,
    as_messages: bool,
    system: str | None,
) -> PromptCompletion:
    """Return an instruction, what it applies to and the output as a prompt and a completion.

    Args:
        instruction: What is asked; where it is "", `context` takes its place.
        context: What the instruction applies to; None for nothing.
        output: What is learned.
        template: A name in `TEMPLATES`.
        language: Of the headings.
        as_messages: Return messages instead of texts.
        system: A system message for them, or None.
    """
    if not instruction and context is not None:
        instruction, context = context, None
    if as_messages:
        parts = [instruction] if context is None else [instruction, context]
        return as_conversation("\n\n".join(parts), output, system)
    with_input, without_input = TEMPLATES[template][language]
    if context is None:
        return as_text(without_input.format(instruction=instruction), output)
    return as_text(with_input.format(instruction=instruction, input=context), output)
