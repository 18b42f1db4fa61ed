"""Rows -> token ids, prompt lengths and trained tokens, as TRL would have them before truncation.

What text is tokenized, and where the completion starts: `trained_text.py`. Texts are tokenized in batches;
the caller puts a fast tokenizer's truncation and padding back afterwards (`tokenizer_state.py`).
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from bitsft.data.common.trained_text import chat_text, ids_of, in_common, with_eos

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Row: TypeAlias = Mapping[str, Any]


def token_ids(
    tokenizer: "PreTrainedTokenizerBase", batch: list[Row], text_field: str, first_row: int
) -> list[list[int]]:
    """Return the token ids of whole rows.

    Raises:
        ValueError: When the rows have no columns that TRL trains on; `first_row` is named.
    """
    first = batch[0]
    if "input_ids" in first:
        return [row["input_ids"] for row in batch]
    if "prompt" in first and "completion" in first:
        if _is_messages(first["prompt"]):
            texts = [chat_text(tokenizer, row, row["prompt"] + row["completion"]) for row in batch]
            return ids_of(tokenizer, texts, add_special_tokens=False)
        texts = [row["prompt"] + with_eos(tokenizer, row["completion"]) for row in batch]
        return ids_of(tokenizer, texts)
    for column in ("messages", "conversations"):
        if column in first:
            texts = [chat_text(tokenizer, row, row[column]) for row in batch]
            return ids_of(tokenizer, texts, add_special_tokens=False)
    if text_field in first:
        return ids_of(tokenizer, [with_eos(tokenizer, row[text_field]) for row in batch])
    raise ValueError(
        f"row {first_row}: the columns {sorted(first)} are not a form that TRL trains on. Give "
        f"'prompt' and 'completion' (format_raft, format_koalpaca), 'messages' or {text_field!r}"
    )


def has_prompt(row: Row) -> bool:
    """Whether a row that TRL takes has its prompt in a column of its own."""
    return "input_ids" not in row and "prompt" in row


def prompt_lengths(
    tokenizer: "PreTrainedTokenizerBase", rows: Sequence[Row], all_ids: Sequence[Sequence[int]]
) -> list[int]:
    """Return how many of each row's tokens belong to its prompt, for rows that have one.

    The prompts are tokenized for it, a second time: it costs about as much as `token_ids`.
    """
    if not rows:
        return []
    if _is_messages(rows[0]["prompt"]):
        texts = [chat_text(tokenizer, row, row["prompt"], generation_prompt=True) for row in rows]
        prompts = ids_of(tokenizer, texts, add_special_tokens=False)
    else:
        prompts = ids_of(tokenizer, [row["prompt"] for row in rows])
    return [in_common(prompt, ids) for prompt, ids in zip(prompts, all_ids, strict=True)]


def trained_tokens(
    row: Row, ids: Sequence[int], prompt_length: int, completion_only_loss: bool | None
) -> list[bool]:
    """Return which of a row's tokens have a loss, in TRL's way (`build_labels`).

    Args:
        row: The row.
        ids: Its token ids.
        prompt_length: How many of them are its prompt's; 0 where it has no prompt apart.
        completion_only_loss: TRL's option of this name.
    """
    if "input_ids" in row:
        if "labels" in row:
            return [label != -100 for label in row["labels"]]
        used = ["assistant_masks"] + ["completion_mask"] * bool(completion_only_loss)
        masks = [row[name] for name in used if name in row]
        return [all(bits) for bits in zip([1] * len(ids), *masks, strict=True)]
    start = 0 if completion_only_loss is False else prompt_length
    return [False] * start + [True] * (len(ids) - start)


def _is_messages(prompt: Any) -> bool:
    return isinstance(prompt, list)
