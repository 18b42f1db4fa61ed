"""`token_budget`: what a `max_length` would cut off, before the training does.

TRL keeps the first `max_length` tokens of a row (1024 by default), so what it cuts is the
*completion*, which stands at the end. A row that has none of it left is dropped without a word
(trl 1.16.0, trl/trainer/sft_trainer.py, `_prepare_dataset`). The counts here follow that code.

All rows are tokenized in batches, and the prompt again only where a row is too long; with
`parts=True`, which counts prompts and completions apart (`parts.py`), all of them.

Limits: messages rows count as a whole, as they do for TRL without `assistant_only_loss`. With
packing TRL drops no row, and the strategies "bfd_split" and "wrapped" cut none.
"""

import itertools
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from bitsft.data.budget.lengths import quantile
from bitsft.data.budget.parts import TokenParts
from bitsft.data.budget.tokenized import (
    Row,
    has_prompt,
    prompt_lengths,
    token_ids,
    trained_tokens,
)
from bitsft.data.common.choices import check_choice
from bitsft.data.common.tokenizer_state import unchanged

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_BATCH = 1000


@dataclass(frozen=True)
class TokenBudget:
    """How many tokens the rows have, and what `max_length` does to them. `str()` fits a log line.

    Attributes:
        rows: Rows counted.
        max_length: The limit in tokens; None for no limit.
        median: Tokens of the middle row.
        p95: Tokens that 95 % of the rows do not exceed.
        longest: Tokens of the longest row: the `max_length` that would hold every row.
        longest_row: Its index, from 0.
        truncated: Rows that are longer than `max_length`.
        completion_cut: Rows that lose a part of what is trained on: of the completion, or of the
            whole row where it has no prompt apart.
        completion_lost: Rows that lose all of it. TRL drops them.
        lost_rows: The indices of those rows, from 0.
        parts: Prompts and completions apart, a suggested `max_length` and the padding of a batch; None
            unless asked for. `str()` then has further lines.
    """

    rows: int
    max_length: int | None
    median: int
    p95: int
    longest: int
    longest_row: int
    truncated: int
    completion_cut: int
    completion_lost: int
    lost_rows: tuple[int, ...] = ()
    parts: TokenParts | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return self._line() + (f"\n{self.parts}" if self.parts else "")

    def as_dict(self) -> dict[str, Any]:
        """The counts, and those of `parts` where there are any; for a manifest or a report."""
        counts = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "parts"}
        counts["lost_rows"] = list(self.lost_rows)
        return counts if self.parts is None else counts | {"parts": self.parts.as_dict()}

    def _line(self) -> str:
        lengths = (
            f"{self.rows:,} rows: median {self.median:,} tokens, 95% have at most {self.p95:,}, "
            f"the longest (row {self.longest_row}) {self.longest:,}"
        )
        if not self.truncated:
            return f"{lengths}; max_length={self.max_length} truncates none"
        share = f"{self.truncated / self.rows:.1%}"
        return (
            f"{lengths}; max_length={self.max_length} truncates {self.truncated:,} ({share}): "
            f"{self.completion_cut:,} lose a part of the text to learn, {self.completion_lost:,} "
            f"lose all of it and are dropped by TRL without a word{self._lost_row_numbers()}. "
            f"max_length={self.longest} holds every row"
        )

    def _lost_row_numbers(self) -> str:
        if not self.lost_rows:
            return ""
        more = ", …" if len(self.lost_rows) > 10 else ""
        return f" (rows {', '.join(map(str, self.lost_rows[:10]))}{more})"


def token_budget(
    dataset: Iterable[Row],
    tokenizer: "PreTrainedTokenizerBase",
    max_length: int | None,
    *,
    text_field: str = "text",
    truncation_mode: str = "keep_start",
    completion_only_loss: bool | None = None,
    parts: bool = False,
    batch_size: int = 8,
) -> TokenBudget:
    """Count the tokens of every row as TRL's SFTTrainer would, and what `max_length` cuts off.

    Args:
        dataset: Rows that TRL takes: `prompt` + `completion` (texts or messages), `messages`,
            `conversations` (from/value), `text_field`, or `input_ids` (with `labels` or
            `completion_mask`). All rows must be of one kind. It is gone through once.
        tokenizer: The tokenizer to train with. It is left as it was.
        max_length: The limit in tokens; None for no limit.
        text_field: The column of plain text rows (`dataset_text_field` of TRL).
        truncation_mode: `"keep_start"` (TRL's default) or `"keep_end"`.
        completion_only_loss: TRL's option: whether the prompt has no loss. None is TRL's default,
            yes for `prompt` + `completion`.
        parts: Count prompts and completions apart as well, with histograms, a suggested
            `max_length` and the padding of a batch. Tokenizes every prompt a second time.
        batch_size: Rows a batch that the padding is worked out for (`per_device_train_batch_size`,
            which is 8 by default); for `parts` only.

    Returns:
        The counts.

    Raises:
        ValueError: For no rows, a `max_length` or `batch_size` below 1, an unknown
            `truncation_mode`, or a row that has none of the columns above.

    Source: trl 1.16.0, trl/trainer/sft_trainer.py, `SFTTrainer._prepare_dataset`.
    """
    if max_length is not None and max_length < 1:
        raise ValueError(f"max_length={max_length} must be at least 1, or None for no limit")
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size} must be at least 1")
    check_choice("truncation_mode", truncation_mode, ("keep_start", "keep_end"))

    keep_start = truncation_mode == "keep_start"
    lengths = array("q")
    prompts, needed = array("q"), array("q")
    truncated = cut = 0
    lost_rows: list[int] = []
    with unchanged(tokenizer):
        rows = iter(dataset)
        while batch := list(itertools.islice(rows, _BATCH)):
            all_ids = token_ids(tokenizer, batch, text_field, first_row=len(lengths))
            first = len(lengths)
            lengths.extend(len(ids) for ids in all_ids)
            numbers = [
                n
                for n, ids in enumerate(all_ids)
                if parts or (max_length is not None and len(ids) > max_length)
            ]
            looked_at = [all_ids[n] for n in numbers]
            starts = [0] * len(numbers)
            if has_prompt(batch[0]) and (parts or completion_only_loss is not False):
                starts = prompt_lengths(tokenizer, [batch[n] for n in numbers], looked_at)
            for number, ids, start in zip(numbers, looked_at, starts, strict=True):
                trained = trained_tokens(batch[number], ids, start, completion_only_loss)
                if parts:
                    prompts.append(_first(trained) if "input_ids" in batch[number] else start)
                    room = trained[::-1] if keep_start else trained
                    needed.append(len(ids) - _first(room) if any(trained) else 0)
                if max_length is None or len(ids) <= max_length:
                    continue
                truncated += 1
                kept = trained[:max_length] if keep_start else trained[-max_length:]
                if not any(kept):
                    lost_rows.append(first + number)
                cut += 0 < sum(kept) < sum(trained)
    if not lengths:
        raise ValueError("there are no rows to count")

    ordered = sorted(lengths)
    return TokenBudget(
        rows=len(lengths),
        max_length=max_length,
        median=quantile(ordered, 0.5),
        p95=quantile(ordered, 0.95),
        longest=ordered[-1],
        longest_row=lengths.index(ordered[-1]),
        truncated=truncated,
        completion_cut=cut,
        completion_lost=len(lost_rows),
        lost_rows=tuple(lost_rows),
        parts=TokenParts(
            prompt_lengths=prompts,
            completion_lengths=array("q", map(int.__sub__, lengths, prompts)),
            needed=needed,
            max_length=max_length,
            keep_start=keep_start,
            lost=frozenset(lost_rows),
            batch_size=batch_size,
        )
        if parts
        else None,
    )


def _first(trained: list[bool]) -> int:
    """Return the index of the first trained token; the number of tokens where there is none."""
    return trained.index(True) if True in trained else len(trained)
