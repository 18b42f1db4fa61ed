"""Rows -> token ids, and which rows make up each step.

A row of a task is prompt, completion and the end; the prompt is not trained on. Batches hold rows of one task and of about one
length, as many as fit into the step's tokens with their padding: a third of the steps is NSMC, a third sae4k, a third RAFT.
So a step costs the same whatever it holds, and two runs with one seed see the same batches in the same order.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bitsft.data.common.seeded import generator
from bitsft.metrics.generation import encode_prompt
from quality.data import TASKS
from quality.sizes import Sizes

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Row = dict[str, list[int]]
UNTRAINED = -100


def encode(
    tokenizer: "PreTrainedTokenizerBase", row: dict[str, Any]
) -> tuple[list[int], list[int]]:
    """Token ids of a row's prompt, and of its completion with the end."""
    prompt = encode_prompt(tokenizer, row["prompt"])
    whole = encode_prompt(tokenizer, row["prompt"] + row["completion"])
    return prompt, [*whole[len(prompt) :], tokenizer.eos_token_id]


def task_batches(
    tokenizer: "PreTrainedTokenizerBase",
    rows: dict[str, list[dict[str, Any]]],
    sizes: Sizes,
    steps: int,
    seed: int,
) -> tuple[list[Row], list[list[int]]]:
    """Tokenized rows, and the rows of each step.

    Args:
        tokenizer: The base's.
        rows: Training rows by task.
        sizes: Of the study.
        steps: How many batches.
        seed: Of the order.

    Returns:
        Rows with `input_ids` and `labels`; `steps` lists of their numbers.

    Raises:
        ValueError: No row of a task fits into `max_length` and a step's tokens.
    """
    encoded: list[Row] = []
    queues: dict[str, list[list[int]]] = {}
    draw = generator("batches", seed)
    for task in TASKS:
        first = len(encoded)
        for row in rows[task]:
            prompt, completion = encode(tokenizer, row)
            if len(prompt) + len(completion) <= min(sizes.max_length, sizes.task_tokens):
                labels = [UNTRAINED] * len(prompt) + completion
                encoded.append({"input_ids": prompt + completion, "labels": labels})
        if len(encoded) == first:
            raise ValueError(f"no row of {task} fits into {sizes.max_length} tokens")
        lengths = {
            number: len(encoded[number]["input_ids"]) for number in range(first, len(encoded))
        }
        queues[task] = []
        while len(queues[task]) < -(-steps // len(TASKS)):  # another epoch where the rows are few
            epoch = _of_one_length(lengths, sizes.task_tokens, draw)
            draw.shuffle(epoch)
            queues[task] += epoch
    order = [TASKS[step % len(TASKS)] for step in range(steps)]
    draw.shuffle(order)
    return encoded, [queues[task].pop() for task in order]


def _of_one_length(lengths: dict[int, int], budget: int, draw: Any) -> list[list[int]]:
    """All rows once, in batches of neighbours by length; equal lengths in another order each time."""
    numbers = sorted(lengths, key=lambda number: (lengths[number], draw.random()))
    batches: list[list[int]] = [[]]
    for number in numbers:
        if batches[-1] and lengths[number] * (len(batches[-1]) + 1) > budget:
            batches.append([])
        batches[-1].append(number)
    return batches


def text_blocks(
    tokenizer: "PreTrainedTokenizerBase", lines: Sequence[str], length: int, most: int
) -> list[list[int]]:
    """The lines one after the other, each with its end, cut into blocks of `length` tokens, `most` at most."""
    ids: list[int] = []
    for start in range(0, len(lines), 1000):
        for line in tokenizer(list(lines[start : start + 1000]))["input_ids"]:
            ids += (
                line if line[-1:] == [tokenizer.eos_token_id] else [*line, tokenizer.eos_token_id]
            )
        if len(ids) >= length * most:
            break
    blocks = [ids[start : start + length] for start in range(0, len(ids) - length + 1, length)]
    return blocks[:most]


def text_batches(
    tokenizer: "PreTrainedTokenizerBase", lines: Sequence[str], sizes: Sizes, steps: int, seed: int
) -> tuple[list[Row], list[list[int]]]:
    """As `task_batches`, for text: every token is trained on. Seeds read the lines in different orders."""
    shuffled = list(lines)
    generator("text", seed).shuffle(shuffled)
    blocks = text_blocks(tokenizer, shuffled, sizes.text_length, steps * sizes.text_rows)
    if not blocks:
        raise ValueError(f"the text has less than {sizes.text_length} tokens")
    rows = [{"input_ids": block, "labels": block} for block in blocks]
    numbers = [number % len(rows) for number in range(steps * sizes.text_rows)]
    width = sizes.text_rows
    return rows, [numbers[start : start + width] for start in range(0, len(numbers), width)]
