"""`Pair`: one row with the answers of both models, and what each of them scored.

Two evaluations may be compared only when they asked the same: the same row numbers, prompts and references, and the
same columns behind them (the other right answers of qa, the documents of raft), from which scores are computed too.
A different file of the same name, other rows left out, or a template that changed in between would make a
difference that the models have no part in.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bitsft.data.common.hashing import one_form, stable_hash
from bitsft.data.fields import shorten
from bitsft.evaluation.answers import Answer
from bitsft.evaluation.questions import Question

if TYPE_CHECKING:
    from bitsft.evaluation.evaluation import Evaluation


@dataclass(frozen=True)
class Pair:
    """One row, answered twice.

    Attributes:
        row: The row's number in the data, from 0.
        base: The first model's answer.
        tuned: The second model's answer.
        scores: By metric what the row scored, base and tuned. A metric that says nothing of this row is not
            there.
    """

    row: int
    base: Answer
    tuned: Answer
    scores: dict[str, tuple[float, float]]


def check_same_rows(base: "Evaluation", tuned: "Evaluation") -> None:
    """Refuse two evaluations that did not ask the same.

    Raises:
        ValueError: Names the first row that differs, and how.
    """
    check_same_answers(base.answers, tuned.answers)
    if not base.answers and not base.scores:
        raise ValueError("the two evaluations hold no rows, so there is nothing to compare")


def check_same_answers(base: Sequence[Answer], tuned: Sequence[Answer]) -> None:
    """The same of answers alone, in the order of their rows; what they say does not matter.

    Raises:
        ValueError: As `check_same_rows`.
    """
    for one, other in zip(base, tuned, strict=False):
        if one.row != other.row:
            row, side = min((one.row, "tuned"), (other.row, "base"))
            raise ValueError(
                f"row {row} was not answered by {side}: the two evaluations are not of the same rows. Evaluate "
                "both on the same data with the same choice of rows"
            )
        for what, ours, theirs in (
            ("prompt", one.prompt, other.prompt),
            ("reference", one.reference, other.reference),
            ("source", one.source, other.source),
        ):
            if one_form(ours) != one_form(theirs):  # a file holds a tuple as a list
                raise ValueError(
                    f"row {one.row} has another {what} in the two evaluations, so their scores cannot be compared: "
                    f"base {_named(ours)}, tuned {_named(theirs)}. Evaluate both on the same data with the same template"
                )
    if len(base) != len(tuned):
        longer, shorter, side = base, tuned, "tuned"
        if len(longer) < len(shorter):
            longer, shorter, side = shorter, longer, "base"
        raise ValueError(
            f"row {longer[len(shorter)].row} was not answered by {side}: base has {len(base)} rows, tuned "
            f"{len(tuned)}. Finish the shorter evaluation, or evaluate both on the same rows"
        )


def check_same_questions(
    answers: Sequence[Answer], questions: Sequence[Question], *, side: Literal["base", "tuned"]
) -> None:
    """Refuse answers to other rows than those that the other model will be asked, before it is.

    Args:
        answers: Of the evaluation that is finished.
        questions: For the other model, in the order of their rows.
        side: Which of the two is finished.

    Raises:
        ValueError: As `check_same_rows`.
    """
    asked = [
        Answer(q.number, q.row.prompt, q.row.reference, "", 0, False, source=q.source)
        for q in questions
    ]
    check_same_answers(*((answers, asked) if side == "base" else (asked, answers)))


def pair_rows(base: "Evaluation", tuned: "Evaluation") -> tuple[Pair, ...]:
    """Put the answers to each row side by side, with their scores.

    Args:
        base: The first evaluation.
        tuned: The second, of the same rows (`check_same_rows`).
    """
    scores: list[dict[str, tuple[float, float]]] = [{} for _ in base.answers]
    for key in base.scores:
        places = base.rows_of(key)
        for name, ours, theirs in _row_scores(base, tuned, key):
            for place, one, other in zip(places, ours, theirs, strict=True):
                if not (math.isnan(one) or math.isnan(other)):
                    scores[place].setdefault(name, (float(one), float(other)))
    return tuple(
        Pair(one.row, one, other, found)
        for one, other, found in zip(base.answers, tuned.answers, scores, strict=True)
    )


def _row_scores(
    base: "Evaluation", tuned: "Evaluation", key: str
) -> Iterator[tuple[str, list[float], list[float]]]:
    rows = len(base.rows_of(key))
    for name, score in base.scores[key].items():
        other = tuned.scores.get(key, {}).get(name)
        if other is None or score.signature != other.signature:
            continue
        if score.rows is None or other.rows is None:
            continue
        if len(score.rows) == rows == len(other.rows):
            yield name, score.rows.tolist(), other.rows.tolist()


def _named(value: object) -> str:
    return f"{shorten(value)} (hash {stable_hash(str(value)):016x})"
