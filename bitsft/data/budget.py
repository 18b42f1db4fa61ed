"""`token_budget`: what a `max_length` would cut off, before the training does.

TRL keeps the first `max_length` tokens of a row (1024 by default), so what it cuts is the
*completion*, which stands at the end. A row that has none of it left is dropped without a word
(trl 1.16.0, trl/trainer/sft_trainer.py, `_prepare_dataset`). The counts here follow that code: the
end-of-sequence token is added to texts, chat templates are applied to messages, and the completion
starts where the tokens of the prompt and those of prompt + completion part.

All rows are tokenized in batches, and the prompt again only where a row is too long.

Limits: messages rows count as a whole, as they do for TRL without `assistant_only_loss`. With
packing TRL drops no row, and the strategies "bfd_split" and "wrapped" cut none.
"""

import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Row: TypeAlias = Mapping[str, Any]

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

    def __str__(self) -> str:
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

    Returns:
        The counts.

    Raises:
        ValueError: For no rows, a `max_length` below 1, an unknown `truncation_mode`, or a row
            that has none of the columns above.

    Source: trl 1.16.0, trl/trainer/sft_trainer.py, `SFTTrainer._prepare_dataset`.
    """
    if max_length is not None and max_length < 1:
        raise ValueError(f"max_length={max_length} must be at least 1, or None for no limit")
    if truncation_mode not in ("keep_start", "keep_end"):
        raise ValueError(f"truncation_mode={truncation_mode!r} must be 'keep_start' or 'keep_end'")

    keep_start = truncation_mode == "keep_start"
    lengths: list[int] = []
    truncated = cut = 0
    lost_rows: list[int] = []
    with _unchanged(tokenizer):
        rows = iter(dataset)
        while batch := list(itertools.islice(rows, _BATCH)):
            all_ids = _tokenize(tokenizer, batch, text_field, first_row=len(lengths))
            first = len(lengths)
            lengths.extend(len(ids) for ids in all_ids)
            if max_length is None:
                continue
            numbers = [n for n, ids in enumerate(all_ids) if len(ids) > max_length]
            truncated += len(numbers)
            too_long = [(batch[n], all_ids[n]) for n in numbers]
            all_trained = _trained_tokens(tokenizer, too_long, completion_only_loss)
            for number, trained in zip(numbers, all_trained, strict=True):
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
        median=_quantile(ordered, 0.5),
        p95=_quantile(ordered, 0.95),
        longest=ordered[-1],
        longest_row=lengths.index(ordered[-1]),
        truncated=truncated,
        completion_cut=cut,
        completion_lost=len(lost_rows),
        lost_rows=tuple(lost_rows),
    )


def _quantile(ordered: list[int], share: float) -> int:
    """Return the smallest length that at least `share` of the rows do not exceed."""
    return ordered[math.ceil(share * len(ordered)) - 1]


def _tokenize(
    tokenizer: "PreTrainedTokenizerBase", batch: list[Row], text_field: str, first_row: int
) -> list[list[int]]:
    """Return the token ids of whole rows, as TRL would train on them before truncation."""
    first = batch[0]
    if "input_ids" in first:
        return [row["input_ids"] for row in batch]
    if "prompt" in first and "completion" in first:
        if _is_messages(first["prompt"]):
            texts = [_render(tokenizer, row, row["prompt"] + row["completion"]) for row in batch]
            return _ids(tokenizer, texts, add_special_tokens=False)
        texts = [row["prompt"] + _with_eos(tokenizer, row["completion"]) for row in batch]
        return _ids(tokenizer, texts)
    for column in ("messages", "conversations"):
        if column in first:
            texts = [_render(tokenizer, row, row[column]) for row in batch]
            return _ids(tokenizer, texts, add_special_tokens=False)
    if text_field in first:
        return _ids(tokenizer, [_with_eos(tokenizer, row[text_field]) for row in batch])
    raise ValueError(
        f"row {first_row}: the columns {sorted(first)} are not a form that TRL trains on. Give "
        f"'prompt' and 'completion' (format_raft, format_koalpaca), 'messages' or {text_field!r}"
    )


def _trained_tokens(
    tokenizer: "PreTrainedTokenizerBase",
    rows: list[tuple[Row, list[int]]],
    completion_only_loss: bool | None,
) -> Iterator[list[bool]]:
    """Yield for each row which of its tokens have a loss, in TRL's way (`build_labels`)."""
    if not rows:
        return
    first = rows[0][0]
    if "input_ids" in first:
        used = ["assistant_masks"] + ["completion_mask"] * bool(completion_only_loss)
        for row, ids in rows:
            if "labels" in row:
                yield [label != -100 for label in row["labels"]]
            else:
                masks = [row[name] for name in used if name in row]
                yield [all(bits) for bits in zip([1] * len(ids), *masks, strict=True)]
        return
    if "prompt" not in first or completion_only_loss is False:
        for _, ids in rows:
            yield [True] * len(ids)
        return
    if _is_messages(first["prompt"]):
        texts = [_render(tokenizer, row, row["prompt"], generation_prompt=True) for row, _ in rows]
        prompts = _ids(tokenizer, texts, add_special_tokens=False)
    else:
        prompts = _ids(tokenizer, [row["prompt"] for row, _ in rows])
    for (_, ids), prompt_ids in zip(rows, prompts, strict=True):
        pairs = zip(prompt_ids, ids, strict=False)
        common = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
        yield [position >= common for position in range(len(ids))]


def _ids(
    tokenizer: "PreTrainedTokenizerBase", texts: list[str], add_special_tokens: bool = True
) -> list[list[int]]:
    # verbose=False: rows beyond the model's length are what is looked for, not worth a warning.
    return tokenizer(
        texts,
        add_special_tokens=add_special_tokens,
        return_attention_mask=False,
        verbose=False,
    )["input_ids"]


def _with_eos(tokenizer: "PreTrainedTokenizerBase", text: str) -> str:
    eos = tokenizer.eos_token
    return text if eos is None or text.endswith(eos) else text + eos


def _is_messages(prompt: Any) -> bool:
    return isinstance(prompt, list)


def _render(
    tokenizer: "PreTrainedTokenizerBase",
    row: Row,
    messages: list[dict[str, Any]],
    generation_prompt: bool = False,
) -> str:
    """Apply the chat template with the row's own tools and template arguments, as TRL does."""
    tools = row.get("tools")
    return tokenizer.apply_chat_template(
        [
            {"role": m["from"], "content": m["value"]} if "from" in m and "value" in m else m
            for m in messages
        ],
        tools=json.loads(tools) if isinstance(tools, str) else tools,
        tokenize=False,
        add_generation_prompt=generation_prompt,
        **(row.get("chat_template_kwargs") or {}),
    )


@contextmanager
def _unchanged(tokenizer: "PreTrainedTokenizerBase") -> Iterator[None]:
    """Put back the truncation and padding of a fast tokenizer, which each call of it resets."""
    if not tokenizer.is_fast:
        yield
        return
    backend = tokenizer.backend_tokenizer
    truncation, padding = backend.truncation, backend.padding
    try:
        yield
    finally:
        if truncation is not None:
            backend.enable_truncation(**truncation)
        if padding is not None:
            backend.enable_padding(**padding)
