"""Two models' answers to the same rows, and the order and the sides in which a rater sees them.

Both follow from hashes of (seed, rater, row), never from a generator that runs along the file:

    order:  rows by the value of hash(seed, rater, row)
    sides:  rows by the value of another hash; the base model is left in the first half of them

so that a rater who comes back finds everything where it was, two raters see different orders, and each
model is left in half of the rows (of an odd number, one more or less, by chance). The balance matters:
people choose the left of two texts more often than chance would have it, and a model that is left more
often gains by that.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bitsft.comparison.paired_rows import check_same_rows
from bitsft.data.common.hashing import digest
from bitsft.data.common.seeded import unit
from bitsft.evaluation.answers import Answer
from bitsft.evaluation.evaluation import Evaluation
from bitsft.metrics.eval_rows import Prompt


@dataclass(frozen=True)
class AnswerPair:
    """A row with both models' answers to it.

    Attributes:
        row: The row's number in the data.
        prompt: What was asked, as text.
        context: What it was to be answered from; None where the prompt holds all of it.
        reference: What should have been said; "" where there is none.
        base: The base model's answer.
        tuned: The tuned model's answer.
    """

    row: int
    prompt: str
    context: str | None
    reference: str
    base: str
    tuned: str

    @property
    def key(self) -> str:
        """16 hexadecimal digits that change with the question or an answer."""
        return digest(json.dumps([self.prompt, self.base, self.tuned])).hex()[:16]


@dataclass(frozen=True)
class ShownPair:
    """A pair as one rater sees it.

    Attributes:
        pair: The row and its answers.
        base_on_left: Whether the left answer is the base model's.
    """

    pair: AnswerPair
    base_on_left: bool

    @property
    def left(self) -> str:
        """The answer on the left."""
        return self.pair.base if self.base_on_left else self.pair.tuned

    @property
    def right(self) -> str:
        """The answer on the right."""
        return self.pair.tuned if self.base_on_left else self.pair.base


def pair_answers(
    base: Evaluation, tuned: Evaluation, *, rows: int | None = None, seed: int = 0
) -> list[AnswerPair]:
    """Bring the answers of two models together, row by row.

    Args:
        base: The base model's evaluation.
        tuned: The tuned model's, of the same rows.
        rows: How many rows to draw, each equally likely; None takes all, as do more than there are.
        seed: Of the draw. A larger draw with the same seed holds the smaller one.

    Returns:
        The pairs, in the order of the data.

    Raises:
        ValueError: When the two did not answer the same rows, or `rows` is below 1.
    """
    if rows is not None and rows < 1:
        raise ValueError(f"rows={rows}: people can rate 1 row or more")
    check_same_rows(base, tuned)
    both = list(zip(base.answers, tuned.answers, strict=True))
    if rows is not None:
        both = sorted(both, key=lambda pair: unit(seed, "drawn", pair[0].row))[:rows]
        both.sort(key=lambda pair: pair[0].row)
    return [
        AnswerPair(one.row, *_question(one), one.reference, one.prediction, other.prediction)
        for one, other in both
    ]


def shown_order(pairs: Sequence[AnswerPair], rater: str, seed: int = 0) -> list[ShownPair]:
    """The pairs in a rater's own order, with a side for each model.

    Args:
        pairs: What `pair_answers` returned.
        rater: The rater's name.
        seed: Of the order and the sides.
    """
    by_side = sorted(pairs, key=lambda pair: unit(seed, "side", rater, pair.row))
    half = len(pairs) // 2
    if len(pairs) % 2 and unit(seed, "odd", rater) < 0.5:
        half += 1
    on_left = {pair.row for pair in by_side[:half]}
    order = sorted(pairs, key=lambda pair: unit(seed, "order", rater, pair.row))
    return [ShownPair(pair, pair.row in on_left) for pair in order]


def _question(answer: Answer) -> tuple[str, str | None]:
    """What to show as the question, and what to fold away under it."""
    question, context = answer.source.get("question"), answer.source.get("context")
    if isinstance(question, str) and question.strip() and context:
        return question, _as_text(context)
    return _prompt_text(answer.prompt), None


def _prompt_text(prompt: Prompt) -> str:
    if isinstance(prompt, str):
        return prompt
    if len(prompt) == 1:
        return _as_text(prompt[0].get("content"))
    return "\n\n".join(f"{turn.get('role')}: {_as_text(turn.get('content'))}" for turn in prompt)


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return "\n\n".join(value)
    return json.dumps(value, ensure_ascii=False)
