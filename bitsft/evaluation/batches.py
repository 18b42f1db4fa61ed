"""`plan_batches`: which rows are generated together, so that little of the work is padding.

A batch is as wide as its longest prompt and runs until its last row has ended. Two kinds of places are computed
for nothing: those left of shorter prompts (`padding`), and the steps of rows that ended before the last (`idle`):

    padding_share = Σ (width - prompt) / Σ width              over all rows; of the prompts' places
    idle_share    = Σ (steps - tokens) / Σ steps              over all rows; of the generated places

Rows are put into buckets of like prompt length, in each the longest at most a tenth wider than the shortest, and
go from the longest to the shortest, so that what does not fit into memory fails at once. Within a bucket they are
ordered by the length of the reference, since a model that knows the task writes about as much; it decides nothing
but who runs beside whom. Batches are cut from this order: at `batch_size` rows, at `batch_tokens` places, and before
a prompt of less than four fifths of the batch's width, of which there are few: between 8 and 4,096 tokens at
most 28.

The plan is a function of the lengths and the two limits alone: a run that is resumed makes the same batches.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

_WIDER = 1.1
_NARROWEST = 0.8


@dataclass
class Work:
    """What was computed, in places (one token of one row), and in seconds.

    Attributes:
        prompt: Tokens of the prompts.
        prompt_places: The same with their padding.
        tokens: Generated tokens.
        token_places: Steps times rows.
        seconds: Spent generating.
    """

    prompt: int = 0
    prompt_places: int = 0
    tokens: int = 0
    token_places: int = 0
    seconds: float = 0.0

    def add(self, prompts: Sequence[int], tokens: Sequence[int], seconds: float) -> None:
        """Count one batch.

        Args:
            prompts: Tokens of each prompt.
            tokens: Tokens that each row generated.
            seconds: How long it took.
        """
        self.prompt += sum(prompts)
        self.prompt_places += max(prompts) * len(prompts)
        self.tokens += sum(tokens)
        self.token_places += max(tokens) * len(tokens)
        self.seconds += seconds

    def as_dict(self) -> dict[str, float | int | None]:
        """Tokens, seconds and shares, as they stand in scores.json."""
        return {
            "tokens": self.tokens,
            "seconds": round(self.seconds, 3),
            "tokens_per_second": round(self.tokens / self.seconds, 1) if self.seconds else None,
            "padding_share": _share(self.prompt_places - self.prompt, self.prompt_places),
            "idle_share": _share(self.token_places - self.tokens, self.token_places),
        }


def plan_batches(
    prompts: Sequence[int],
    references: Sequence[int],
    *,
    batch_size: int,
    batch_tokens: int | None = None,
    max_new_tokens: int = 0,
) -> list[list[int]]:
    """Plan the batches.

    Args:
        prompts: Tokens of each of n prompts, 1 or more.
        references: A length of each of n references, in any unit.
        batch_size: Most rows of a batch.
        batch_tokens: Most places of a batch, prompt and answer; None for no such limit. A single row may have more.
        max_new_tokens: Places that each answer may take.

    Returns:
        Row numbers; each row is in one batch.

    Raises:
        ValueError: When a limit is below 1.
    """
    for name, limit in (("batch_size", batch_size), ("batch_tokens", batch_tokens)):
        if limit is not None and limit < 1:
            raise ValueError(f"{name}={limit}: it must be 1 or more")
    order = sorted(
        range(len(prompts)),
        key=lambda row: (-_bucket(prompts[row]), -references[row], -prompts[row], row),
    )
    batches: list[list[int]] = []
    width = 0
    for row in order:
        wider = max(width, prompts[row])
        batch = batches[-1] if batches else None
        places = 0 if batch is None else (len(batch) + 1) * (wider + max_new_tokens)
        too_many = batch_tokens is not None and places > batch_tokens
        too_narrow = prompts[row] < _NARROWEST * width
        if batch is None or len(batch) == batch_size or too_many or too_narrow:
            batches.append([row])
            width = prompts[row]
        else:
            batch.append(row)
            width = wider
    return batches


def _bucket(length: int) -> int:
    return math.floor(math.log(length, _WIDER))


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0
