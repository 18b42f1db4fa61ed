"""`TokenParts`: prompt and completion apart, what a `max_length` takes of each, and which one to choose.

The completion of a row starts at its first token that is no prompt: where the tokens of the prompt and
those of prompt + completion part, or at the first trained token of a row of token ids. A row without
a prompt of its own (`messages`, plain text) is all completion.

**The suggested `max_length`** is the smallest multiple of 64 with which at least `share` of the rows
(99.5 % unless said otherwise) lose no token that is trained on. With `truncation_mode="keep_start"`
such a row needs room up to its last trained token, with `"keep_end"` from its first one on. Multiples
of 64 fill the tiles in which GPUs compute matrix products (NVIDIA, "Matrix Multiplication Background
User's Guide", tile quantization).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bitsft.data.budget.lengths import Histogram, Lengths, quantile
from bitsft.data.budget.padding import PaddingCost, padding_cost

SHARE = 0.995
MULTIPLE = 64


@dataclass(frozen=True)
class TokenParts:
    """Token counts of prompts and completions, row by row.

    Attributes:
        prompt_lengths: Tokens of each row's prompt, in the rows' order.
        completion_lengths: Tokens of each row's completion, with the end-of-sequence token.
        needed: The `max_length` from which on each row keeps all that is trained on.
        max_length: The limit in tokens; None for no limit.
        keep_start: Whether truncation keeps the first tokens of a row, or the last ones.
        lost: Indices of the rows that TRL drops.
        batch_size: What `str()` and `as_dict()` work the padding out for.
    """

    prompt_lengths: Sequence[int] = field(repr=False)
    completion_lengths: Sequence[int] = field(repr=False)
    needed: Sequence[int] = field(repr=False)
    max_length: int | None
    keep_start: bool = True
    lost: frozenset[int] = field(default=frozenset(), repr=False)
    batch_size: int = 8

    @property
    def lengths(self) -> list[int]:
        """Tokens of each whole row."""
        pairs = zip(self.prompt_lengths, self.completion_lengths, strict=True)
        return [prompt + completion for prompt, completion in pairs]

    def tokens_cut(self) -> tuple[list[int], list[int]]:
        """Return how many tokens of each row's prompt, and of its completion, the limit takes.

        For rows that TRL drops it is what truncation takes before the rest is dropped as well.
        """
        prompts: list[int] = []
        completions: list[int] = []
        for prompt, completion in zip(self.prompt_lengths, self.completion_lengths, strict=True):
            over = 0 if self.max_length is None else max(prompt + completion - self.max_length, 0)
            first = min(over, completion if self.keep_start else prompt)
            completions.append(first if self.keep_start else over - first)
            prompts.append(over - first if self.keep_start else first)
        return prompts, completions

    def suggest_max_length(self, share: float = SHARE, multiple: int = MULTIPLE) -> int:
        """Return the smallest `max_length` that cuts no completion of at least `share` of the rows.

        Args:
            share: Above 0, at most 1; 1 is every row.
            multiple: What it shall be a multiple of, in tokens.

        Raises:
            ValueError: For a share or multiple out of range.
        """
        if not 0 < share <= 1:
            raise ValueError(f"share={share} must be above 0 and at most 1, e.g. 0.995")
        if multiple < 1:
            raise ValueError(f"multiple={multiple} must be at least 1 token")
        needed = quantile(sorted(self.needed), share)
        return max(math.ceil(needed / multiple), 1) * multiple

    def padding(self, batch_size: int | None = None, *, seed: int = 0) -> PaddingCost:
        """Return what a batch size costs in padding, without and with packing (`padding.py`).

        Args:
            batch_size: Rows a batch; None takes the one that `token_budget` was given.
            seed: Of the orders drawn for `group_by_length`.
        """
        kept = [row not in self.lost for row in range(len(self.prompt_lengths))]
        batch_size = self.batch_size if batch_size is None else batch_size
        return padding_cost(self.lengths, batch_size, self.max_length, trained=kept, seed=seed)

    def as_dict(self) -> dict[str, Any]:
        """All numbers, for a manifest or a report; without the rows' single lengths."""
        prompts_cut, completions_cut = self.tokens_cut()
        return {
            "prompt": Lengths.of(self.prompt_lengths).as_dict(),
            "completion": Lengths.of(self.completion_lengths).as_dict(),
            "whole": Lengths.of(self.lengths).as_dict(),
            "histogram": {
                "prompt": Histogram.of(self.prompt_lengths).as_dict(),
                "completion": Histogram.of(self.completion_lengths).as_dict(),
                "whole": Histogram.of(self.lengths).as_dict(),
            },
            "prompt_cut": {"rows": _some(prompts_cut), "tokens": sum(prompts_cut)},
            "completion_cut": {"rows": _some(completions_cut), "tokens": sum(completions_cut)},
            "dropped": len(self.lost),
            "suggested_max_length": {
                "share": SHARE,
                "for_share": self.suggest_max_length(),
                "for_all": self.suggest_max_length(1.0),
            },
            "padding": self.padding().as_dict(),
        }

    def __str__(self) -> str:
        lines = [f"{'':<12}{'mean':>8}{'p50':>8}{'p95':>8}{'p99':>8}{'max':>8}"]
        shown_parts = [("whole row", self.lengths)]
        if any(self.prompt_lengths):
            shown_parts[:0] = [
                ("prompt", list(self.prompt_lengths)),
                ("completion", list(self.completion_lengths)),
            ]
        for name, lengths in shown_parts:
            shown = Lengths.of(lengths)
            lines.append(
                f"{name:<12}{shown.mean:>8,.1f}"
                + "".join(f"{n:>8,}" for n in (shown.p50, shown.p95, shown.p99, shown.max))
            )
        if self.max_length is not None:
            prompts_cut, completions_cut = self.tokens_cut()
            lines.append(
                f"max_length={self.max_length} cuts {sum(prompts_cut):,} tokens of "
                f"{_some(prompts_cut):,} prompts and {sum(completions_cut):,} tokens of "
                f"{_some(completions_cut):,} completions; TRL drops {len(self.lost):,} rows"
            )
        some, every = self.suggest_max_length(), self.suggest_max_length(1.0)
        over = sum(needed > some for needed in self.needed)
        lines.append(
            f"suggested: max_length={some} (the smallest multiple of {MULTIPLE} that cuts no "
            f"completion of {SHARE:.1%} of the rows; {over:,} lie above)"
            + ("" if every == some else f", or {every} for every row")
        )
        lines.append(str(self.padding()))
        return "\n".join(lines)


def _some(tokens: list[int]) -> int:
    return sum(count > 0 for count in tokens)
