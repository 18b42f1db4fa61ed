"""`TokenCounter`: how many tokens a formatted row has, with the tokenizer to train with.

    prompt + completion + end-of-sequence token, as one text; messages through the chat template

which is what TRL trains on (trl 1.16.0, trl/trainer/sft_trainer.py, `_prepare_dataset`). `token_budget`
counts the same for whole data sets. The tokenizer's own truncation and padding are left as they were.
"""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from bitsft.data.tokenizer_state import unchanged

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Render: TypeAlias = Callable[[Mapping[str, Any]], str | Mapping[str, Any]]


class TokenCounter:
    """Counts the tokens of rows.

    Args:
        tokenizer: The tokenizer to train with.
        render: Formats a row: `format_raft`, with `functools.partial` for its options. It returns
            `{"prompt", "completion"}` (texts or messages), `{"messages"}`, `{"text"}`, or a text.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", render: Render) -> None:
        self._tokenizer, self._render = tokenizer, render

    def of_row(self, row: Mapping[str, Any]) -> int:
        """Return the tokens of a formatted row, special tokens and the end of the sequence included."""
        shown = self._render(row)
        if isinstance(shown, str):
            return self._count(self._with_eos(shown))
        if "text" in shown:
            return self._count(self._with_eos(shown["text"]))
        if "messages" in shown:
            return self._count_messages(shown, shown["messages"])
        prompt, completion = shown["prompt"], shown["completion"]
        if isinstance(prompt, str):
            return self._count(self._with_eos(prompt + completion))
        return self._count_messages(shown, prompt + completion)

    def of_text(self, text: str) -> int:
        """Return the tokens of a part of a row, without special tokens."""
        return self._count(text, add_special_tokens=False)

    def _count_messages(self, shown: Mapping[str, Any], messages: list[dict[str, str]]) -> int:
        tools = shown.get("tools")
        text = self._tokenizer.apply_chat_template(
            messages,
            tools=json.loads(tools) if isinstance(tools, str) else tools,
            tokenize=False,
            **(shown.get("chat_template_kwargs") or {}),
        )
        return self.of_text(text)

    def _count(self, text: str, add_special_tokens: bool = True) -> int:
        with unchanged(self._tokenizer):
            ids = self._tokenizer(text, add_special_tokens=add_special_tokens, verbose=False)
        return len(ids["input_ids"])

    def _with_eos(self, text: str) -> str:
        eos = self._tokenizer.eos_token
        return text if eos is None or text.endswith(eos) else text + eos
