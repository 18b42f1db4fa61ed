"""Rows -> token ids, prompt lengths and trained tokens, as TRL would have them before truncation.

The end-of-sequence token is added to texts, chat templates are applied to messages with the row's own
tools and template arguments, and the completion starts where the tokens of the prompt and those of
prompt + completion part (trl 1.16.0, trl/trainer/sft_trainer.py, `_prepare_dataset`). Texts are
tokenized in batches; a fast tokenizer's truncation and padding are put back afterwards.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

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
        texts = [_render(tokenizer, row, row["prompt"], generation_prompt=True) for row in rows]
        prompts = _ids(tokenizer, texts, add_special_tokens=False)
    else:
        prompts = _ids(tokenizer, [row["prompt"] for row in rows])
    return [_common(prompt, ids) for prompt, ids in zip(prompts, all_ids, strict=True)]


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


def _common(prompt: Sequence[int], ids: Sequence[int]) -> int:
    """Return how many first tokens the two have in common; nearly always the whole prompt."""
    if ids[: len(prompt)] == prompt:
        return len(prompt)
    pairs = zip(prompt, ids, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


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
