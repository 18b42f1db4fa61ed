"""Rows as tokens: how many, where one ends and the next begins, and which of them are learned.

The counts follow TRL (`trained_text.py`): a token has no loss as long as the tokens of the prompt alone and
those of the whole row agree.

A byte-level tokenizer may need several tokens for one character. Such tokens have no text of their
own: they are shown as one piece that says how many they are. Limits: a slow tokenizer knows no
character offsets, so its tokens are decoded one by one, and pieces of a character show as U+FFFD.
"""

import copy
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bitsft._extras import require
from bitsft.data.common.trained_text import chat_text, ids_of, in_common, with_eos
from bitsft.data.report.pairs import Pair

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_BATCH = 1000


@dataclass
class Piece:
    """Tokens that are shown as one, or a text whose tokens are not known.

    Attributes:
        text: The text.
        learned: Whether it is part of what is learned; the rest has no loss.
        tokens: How many tokens it is; 0 when no tokenizer is given.
        special: Whether it is a special token, such as the end of the sequence.
        role: Of the message that this is, e.g. `"user"`; "" within a text.
        is_note: Whether this is a remark of the report, not a part of the row.
    """

    text: str
    learned: bool
    tokens: int = 0
    special: bool = False
    role: str = ""
    is_note: bool = False


@dataclass
class Tokens:
    """Counts and pieces with one tokenizer. A copy of it is used: calls reset its truncation.

    Args:
        tokenizer: The tokenizer to train with.
    """

    tokenizer: "PreTrainedTokenizerBase"

    def __post_init__(self) -> None:
        self.tokenizer = copy.deepcopy(self.tokenizer)
        self._special = set(self.tokenizer.all_special_ids)

    def can_read(self, pair: Pair) -> bool:
        """Whether the pair can be tokenized: messages need a chat template."""
        return not pair.is_messages or self.tokenizer.chat_template is not None

    def count(self, pairs: Sequence[Pair]) -> list[tuple[int, int]]:
        """Return `(tokens without loss, tokens of the whole row)` of each pair."""
        counts = []
        for is_messages, group in itertools.groupby(pairs, key=lambda pair: pair.is_messages):
            while batch := [self._render(pair) for pair in itertools.islice(group, _BATCH)]:
                prompts = ids_of(self.tokenizer, [prompt for prompt, _ in batch], not is_messages)
                wholes = ids_of(self.tokenizer, [whole for _, whole in batch], not is_messages)
                counts += [
                    (in_common(prompt, whole), len(whole))
                    for prompt, whole in zip(prompts, wholes, strict=True)
                ]
        return counts

    def pieces(self, pair: Pair) -> list[Piece]:
        """Return the tokens of a row in order, each as a piece of its text."""
        prompt, whole = self._render(pair)
        add_special_tokens = not pair.is_messages
        (prompt_ids,) = ids_of(self.tokenizer, [prompt], add_special_tokens)
        if not self.tokenizer.is_fast:
            (ids,) = ids_of(self.tokenizer, [whole], add_special_tokens)
            masked = in_common(prompt_ids, ids)
            return [
                Piece(self.tokenizer.decode([i]), n >= masked, 1, i in self._special)
                for n, i in enumerate(ids)
            ]
        encoded = self.tokenizer(
            whole,
            add_special_tokens=add_special_tokens,
            return_offsets_mapping=True,
            verbose=False,
        )
        masked = in_common(prompt_ids, encoded["input_ids"])
        return list(self._pieces(whole, encoded["input_ids"], encoded["offset_mapping"], masked))

    def _pieces(
        self, text: str, ids: list[int], offsets: list[tuple[int, int]], masked: int
    ) -> Iterator[Piece]:
        end = 0  # how much of the text is shown
        last: Piece | None = None
        for number, (token, (start, stop)) in enumerate(zip(ids, offsets, strict=True)):
            learned = number >= masked
            if token in self._special:
                if last is not None:
                    yield last
                last = None
                yield Piece(self.tokenizer.convert_ids_to_tokens(token), learned, 1, True)
            elif last is not None and (start < end or start == stop):
                # One more token of a character that is shown already.
                last.text += text[end : max(end, stop)]
                last.tokens += 1
            else:
                if last is not None:
                    yield last
                # From `end`, not `start`: some tokenizers leave a space out of their offsets.
                last = Piece(text[end:stop], learned, 1)
            end = max(end, stop)
        if last is not None:
            yield last

    def _render(self, pair: Pair) -> tuple[str, str]:
        """Return the prompt and the whole row as texts that a tokenizer takes."""
        if isinstance(pair.prompt, str) and isinstance(pair.completion, str):
            completion = with_eos(self.tokenizer, pair.completion)
            return _writable(pair.prompt), _writable(pair.prompt + completion)
        messages = [*pair.prompt, *pair.completion]
        return (
            _writable(self._template(list(pair.prompt), generation_prompt=True)),
            _writable(self._template(messages, generation_prompt=False)),
        )

    def _template(self, messages: list[Any], generation_prompt: bool) -> str:
        errors = require("jinja2.exceptions", "report")
        try:
            return chat_text(self.tokenizer, {}, messages, generation_prompt)
        except errors.TemplateError as error:
            roles = [message.get("role") for message in messages]
            raise ValueError(
                f"the tokenizer's chat template refuses messages with the roles {roles}: {error}. "
                "Give a formatter that returns messages this model knows"
            ) from error


def _writable(text: str) -> str:
    """Put "?" for half a surrogate pair, which no tokenizer takes; the positions stay."""
    return text.encode("utf-8", "replace").decode("utf-8")
