"""`TokenCounter`: how many tokens a formatted row has, with the tokenizer to train with.

    prompt + completion + end-of-sequence token, as one text; messages through the chat template

which is what TRL trains on (`trained_text.py`). `token_budget`
counts the same for whole data sets. The tokenizer's own truncation and padding are left as they were.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from bitsft.data.common.tokenizer_state import unchanged
from bitsft.data.common.trained_text import chat_text, with_eos

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
            return self._count(with_eos(self._tokenizer, shown))
        if "text" in shown:
            return self._count(with_eos(self._tokenizer, shown["text"]))
        if "messages" in shown:
            return self.of_text(chat_text(self._tokenizer, shown, shown["messages"]))
        prompt, completion = shown["prompt"], shown["completion"]
        if isinstance(prompt, str):
            return self._count(with_eos(self._tokenizer, prompt + completion))
        return self.of_text(chat_text(self._tokenizer, shown, prompt + completion))

    def of_text(self, text: str) -> int:
        """Return the tokens of a part of a row, without special tokens."""
        return self._count(text, add_special_tokens=False)

    def _count(self, text: str, add_special_tokens: bool = True) -> int:
        with unchanged(self._tokenizer):
            ids = self._tokenizer(text, add_special_tokens=add_special_tokens, verbose=False)
        return len(ids["input_ids"])
