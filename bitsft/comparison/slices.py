"""`Slice`: the gain over some of the rows, to see where a model got better and where it did not.

| kind               | the rows are divided by                                                     |
|--------------------|-----------------------------------------------------------------------------|
| task               | their task, where there are several                                         |
| prompt length      | characters of the prompt, in quarters                                       |
| reference length   | characters of the reference, in quarters                                    |
| label              | the right label (classification)                                            |
| distractors        | how many documents besides the oracle were given (raft)                     |

The quarters are bounded by quantiles of the rows themselves, so that each holds about as many; equal lengths
stay together, so there may be fewer than four. Values come from `Score.subset`: a slice's BLEU is a corpus BLEU.

Intervals are 95 % each. With many slices one of twenty misses its value by chance: a slice is where to look,
not what was proven.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bitsft.comparison.significance import middle, paired_values
from bitsft.comparison.table import can_be_tested, statistics_of
from bitsft.data.tasks import texts_of
from bitsft.evaluation.answers import Answer
from bitsft.metrics.score import Score

if TYPE_CHECKING:
    from bitsft.evaluation.evaluation import Evaluation

_PARTS = 4


@dataclass(frozen=True)
class Slice:
    """One metric over some of the rows.

    Attributes:
        task: The part of the rows that was divided: "all", or a task.
        kind: What it was divided by, see above.
        name: Which slice, e.g. "12-40 characters".
        metric: The metric's name.
        rows: How many rows it holds.
        base: The first model's value.
        tuned: The second model's value.
        difference: tuned - base.
        interval: 95 % bootstrap interval of the difference; of a single row the difference itself.
    """

    task: str
    kind: str
    name: str
    metric: str
    rows: int
    base: float
    tuned: float
    difference: float
    interval: tuple[float, float]


def slices_of(
    base: "Evaluation",
    tuned: "Evaluation",
    key: str,
    metric: str,
    *,
    seed: int = 0,
    resamples: int = 1000,
) -> tuple[Slice, ...]:
    """Divide a part of the rows in every way that fits it.

    Args:
        base: The first evaluation.
        tuned: The second, of the same rows.
        key: The part: "all", or a task.
        metric: Which metric to show.
        seed: Of the draws.
        resamples: Of the bootstrap.

    Returns:
        The slices; none where the metric does not know its rows on both sides.
    """
    ours, theirs = base.scores[key][metric], tuned.scores[key][metric]
    answers = [base.answers[place] for place in base.rows_of(key)]
    if not can_be_tested(ours, theirs) or len(answers) != len(statistics_of(ours).table):
        return ()
    return tuple(
        _slice(key, kind, name, ours.subset(rows), theirs.subset(rows), len(rows), seed, resamples)
        for kind, name, rows in _divisions(answers)
    )


def prompt_text(answer: Answer) -> str:
    """What the model was asked, as one text; of messages their contents."""
    return answer.prompt if isinstance(answer.prompt, str) else "\n".join(texts_of(answer.prompt))


def _divisions(answers: Sequence[Answer]) -> Iterator[tuple[str, str, list[int]]]:
    """Kind, name and row places of every slice."""
    yield from _by_value("task", answers, lambda answer: answer.task)
    yield from _by_length("prompt length", [len(prompt_text(answer)) for answer in answers])
    yield from _by_length("reference length", [len(answer.reference) for answer in answers])
    yield from _by_value("label", answers, _label)
    yield from _by_value("distractors", answers, _distractors)


def _by_value(
    kind: str, answers: Sequence[Answer], value_of: Callable[[Answer], str | int | None]
) -> Iterator[tuple[str, str, list[int]]]:
    groups: dict[str | int, list[int]] = {}
    for place, answer in enumerate(answers):
        value = value_of(answer)
        if value is not None:
            groups.setdefault(value, []).append(place)
    if len(groups) > 1:
        for value in sorted(groups, key=lambda value: (str(type(value)), value)):
            yield kind, str(value), groups[value]


def _by_length(kind: str, lengths: Sequence[int]) -> Iterator[tuple[str, str, list[int]]]:
    import numpy as np

    values = np.asarray(lengths)
    bounds = np.unique(np.quantile(values, np.arange(1, _PARTS) / _PARTS, method="lower"))
    parts = np.searchsorted(bounds, values, side="left")
    found = np.unique(parts)
    if len(found) < 2:
        return
    for part in found:
        rows = np.flatnonzero(parts == part)
        low, high = values[rows].min(), values[rows].max()
        name = f"{low} characters" if low == high else f"{low}-{high} characters"
        yield kind, name, rows.tolist()


def _label(answer: Answer) -> str | None:
    return str(answer.source["label"]) if "label" in answer.source else None


def _distractors(answer: Answer) -> int | None:
    context = answer.source.get("context")
    if answer.task != "raft" or not isinstance(context, list):
        return None
    return len(context) - (answer.source.get("oracle_context") in context)


def _slice(
    key: str,
    kind: str,
    name: str,
    ours: Score,
    theirs: Score,
    rows: int,
    seed: int,
    resamples: int,
) -> Slice:
    ((before, after),) = paired_values(
        [statistics_of(ours)], [statistics_of(theirs)], resamples=resamples, seed=seed
    )
    return Slice(
        task=key,
        kind=kind,
        name=name,
        metric=ours.name,
        rows=rows,
        base=ours.value,
        tuned=theirs.value,
        difference=theirs.value - ours.value,
        interval=middle(after - before),
    )
