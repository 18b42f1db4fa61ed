"""`format_koalpaca`: a KoAlpaca row -> {"prompt", "completion"}.

The two templates, to the letter, from Beomi/KoAlpaca at fb5c84e (code Apache-2.0; the *data* is
CC BY-NC 4.0 by its DATA_LICENSE, and this project ships none of it):

- `v1.1`: README.md, `ask()`; the training text has the same form with a space before the answer
  (train_v1.1b/README.md: `### 질문: ...\\n\\n### 답변: ...<|endoftext|>`).
- `v1.0`: train.py, `PROMPT_DICT`, English and Korean. There the output follows the last colon
  directly. Here one space stands between them, as in every text completion of this package: an
  output that begins with a bracket or a quote would otherwise share a token with the colon.

A row of either version can be written in either template. In messages the chat template has the
turns' marks already, so the user message is the instruction, an empty line and the input.
"""

from collections.abc import Mapping
from typing import Any

from bitsft.data.check.rows import KoAlpacaRow
from bitsft.data.format.prompt_completion import (
    PromptCompletion,
    as_conversation,
    as_text,
    check_system,
)

# template -> (prompt with an input, prompt without)
TEMPLATES = {
    "v1.1": (
        "### 질문: {instruction}\n\n### 맥락: {input}\n\n### 답변:",
        "### 질문: {instruction}\n\n### 답변:",
    ),
    "v1.0": (
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
    ),
}


def format_koalpaca(
    row: Mapping[str, Any],
    row_number: int | None = None,
    *,
    template: str = "v1.1",
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
        as_messages: Return lists of messages for a chat template instead of texts.
        system: A system message, with `as_messages=True` only. None for none.

    Returns:
        `{"prompt", "completion"}`, two texts or two lists of messages; a text completion is the
        output with one space before it.

    Raises:
        RowError: (a ValueError) when the row cannot be used; see `KoAlpacaRow.from_raw`.
        ValueError: For an unknown template, or a system message for a text row.

    Source: Beomi/KoAlpaca at fb5c84e, README.md and train.py.
    """
    if template not in TEMPLATES:
        raise ValueError(f"template={template!r} is not known; use one of {sorted(TEMPLATES)}")
    check_system(system, as_messages)
    alpaca = KoAlpacaRow.from_raw(row, row_number)

    if as_messages:
        parts = [alpaca.instruction] + ([] if alpaca.input is None else [alpaca.input])
        return as_conversation("\n\n".join(parts), alpaca.output, system)
    with_input, without_input = TEMPLATES[template]
    if alpaca.input is None:
        prompt = without_input.format(instruction=alpaca.instruction)
    else:
        prompt = with_input.format(instruction=alpaca.instruction, input=alpaca.input)
    return as_text(prompt, alpaca.output)
