"""The text of a row that TRL trains on, and where its prompt ends.

- A text gets the end-of-sequence token, unless it ends in it.
- Messages go through the tokenizer's chat template, with the row's own `tools` and
  `chat_template_kwargs`; the prompt alone with the words that open the answer.
- The completion starts where the tokens of the prompt and those of prompt + completion part.

Source: trl 1.16.0, trl/trainer/sft_trainer.py, `_prepare_dataset`.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def with_eos(tokenizer: "PreTrainedTokenizerBase", text: str) -> str:
    """Return a text that ends in the end-of-sequence token, if the tokenizer has one."""
    eos = tokenizer.eos_token
    return text if eos is None or text.endswith(eos) else text + eos


def chat_text(
    tokenizer: "PreTrainedTokenizerBase",
    row: Mapping[str, Any],
    messages: Sequence[Mapping[str, Any]],
    generation_prompt: bool = False,
) -> str:
    """Return messages as the chat template writes them.

    Args:
        tokenizer: The tokenizer, with a chat template.
        row: The row that they are from, with its tools and template arguments.
        messages: Messages with `role` and `content`, or with `from` and `value`.
        generation_prompt: Whether the words follow that open the answer.
    """
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


def ids_of(
    tokenizer: "PreTrainedTokenizerBase", texts: list[str], add_special_tokens: bool = True
) -> list[list[int]]:
    """Return the token ids of texts; those of a chat template hold their special tokens already."""
    # verbose=False: rows beyond the model's length are what is looked for, not worth a warning.
    return tokenizer(
        texts,
        add_special_tokens=add_special_tokens,
        return_attention_mask=False,
        verbose=False,
    )["input_ids"]


def in_common(prompt: Sequence[int], whole: Sequence[int]) -> int:
    """Return how many first tokens the two have in common; nearly always the whole prompt."""
    if whole[: len(prompt)] == prompt:
        return len(prompt)
    pairs = zip(prompt, whole, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
