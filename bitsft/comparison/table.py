"""`Line`: one metric of both models, the difference, and whether it can be chance.

    relative gain = (tuned - base) / |base|; None where base is 0
    adjusted p    = Holm's, over the metrics of the part; details (`is_detail`: precision and recall, single classes)
                    are a family of their own, or a task of fifty classes could never show anything
    verdict       = "better" or "worse" where the adjusted p is below 0.05 and the metric's goal says which; "changed" where neither direction is better;
                    "no difference shown" otherwise, which is not "no difference"; "not tested" where the metric
                    does not know its rows, or a number is not finite

A metric of one side only, or with another signature on each side, has no line: numbers made in two ways do not
make a difference. It is listed with the reason instead (`LeftOut`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bitsft.comparison.significance import holm, middle, paired_p_values, paired_values
from bitsft.comparison.words import is_detail
from bitsft.evaluation.parts import HELD_OUT
from bitsft.metrics.score import Goal, Score, Statistics, rows_counted

if TYPE_CHECKING:
    from bitsft.evaluation.evaluation import Evaluation

LEVEL = 0.05
"""Below this adjusted p value a difference counts as shown."""

Interval = tuple[float, float]
Verdict = Literal["better", "worse", "changed", "no difference shown", "not tested"]


@dataclass(frozen=True)
class Line:
    """One metric of both models over the same rows.

    Attributes:
        task: The part of the rows: "all", or a task.
        metric: The metric's name.
        base: The first model's value.
        tuned: The second model's value.
        difference: tuned - base.
        relative_gain: The difference as a share of |base|; None where base is 0.
        base_interval: 95 % bootstrap interval; None where the metric does not know its rows.
        tuned_interval: The same of the second model.
        difference_interval: The same of the difference, both models on the same drawn rows.
        p: Of the paired randomization test, for this metric alone; None where it was not tested.
        adjusted_p: The same, adjusted for the number of metrics tested beside it.
        goal: Which direction is better.
        verdict: What the test says, see above.
        rows: How many rows it is over, without those that it leaves out; where the two sides leave out different
            ones (of quotes, answers without one), the fewer.
        signature: Of the metric, the same on both sides.
    """

    task: str
    metric: str
    base: float
    tuned: float
    difference: float
    relative_gain: float | None
    base_interval: Interval | None
    tuned_interval: Interval | None
    difference_interval: Interval | None
    p: float | None
    adjusted_p: float | None
    goal: Goal
    verdict: Verdict
    rows: int
    signature: str


@dataclass(frozen=True)
class LeftOut:
    """A metric that could not be compared.

    Attributes:
        task: The part of the rows.
        metric: The metric's name.
        reason: Why, in a sentence.
    """

    task: str
    metric: str
    reason: str


def table_of(
    base: "Evaluation",
    tuned: "Evaluation",
    key: str,
    *,
    seed: int = 0,
    resamples: int = 1000,
    trials: int = 10_000,
) -> tuple[list[Line], list[LeftOut]]:
    """Compare all metrics of one part of the rows.

    Args:
        base: The first evaluation.
        tuned: The second, of the same rows.
        key: "all", or a task.
        seed: Of the draws.
        resamples: Of the bootstrap.
        trials: Of the randomization test.

    Returns:
        The lines, in the order of the metrics, and what could not be compared.
    """
    ours, theirs = base.scores.get(key, {}), tuned.scores.get(key, {})
    same_texts = key != HELD_OUT or _texts(base) == _texts(tuned)
    left_out = [
        LeftOut(key, name, reason)
        for name in dict.fromkeys([*ours, *theirs])
        if (
            reason := _why_not(ours.get(name), theirs.get(name))
            or ("" if same_texts else "the held-out texts are not the same")
        )
    ]
    refused = {one.metric for one in left_out}
    names = [name for name in ours if name not in refused]
    tested = [name for name in names if can_be_tested(ours[name], theirs[name])]
    p_values: dict[str, float] = {}
    intervals: dict[str, tuple[Interval, Interval, Interval]] = {}
    for together in _by_rows(tested, ours):
        one = [statistics_of(ours[name]) for name in together]
        other = [statistics_of(theirs[name]) for name in together]
        found = paired_p_values(one, other, trials=trials, seed=seed)
        p_values.update(zip(together, found, strict=True))
        drawn = paired_values(one, other, resamples=resamples, seed=seed)
        for name, (before, after) in zip(together, drawn, strict=True):
            intervals[name] = (middle(before), middle(after), middle(after - before))
    adjusted: dict[str, float] = {}
    for family in (
        [name for name in tested if not is_detail(name)],
        [name for name in tested if is_detail(name)],
    ):
        adjusted.update(zip(family, holm([p_values[name] for name in family]), strict=True))
    lines = []
    for name in names:
        a, b = ours[name].value, theirs[name].value
        around = intervals.get(name, (None, None, None))
        lines.append(
            Line(
                task=key,
                metric=name,
                base=a,
                tuned=b,
                difference=b - a,
                relative_gain=None if a == 0 else (b - a) / abs(a),
                base_interval=around[0],
                tuned_interval=around[1],
                difference_interval=around[2],
                p=p_values.get(name),
                adjusted_p=adjusted.get(name),
                goal=ours[name].goal,
                verdict=_verdict(b - a, adjusted.get(name), ours[name].goal),
                rows=_count(ours[name], theirs[name], base.rows_of(key)),
                signature=ours[name].signature,
            )
        )
    return lines, left_out


def _why_not(ours: Score | None, theirs: Score | None) -> str:
    """Why two scores make no line; "" where they do."""
    if ours is None:
        return "base has no such score"
    if theirs is None:
        return "tuned has no such score"
    if ours.signature != theirs.signature:
        return f"the signatures differ: base {ours.signature}, tuned {theirs.signature}"
    return ""


def _texts(one: "Evaluation") -> tuple[int, ...]:
    """The held-out texts' sizes, by which they are told from others."""
    return () if one.held_out is None else one.held_out.bytes


def _count(ours: Score, theirs: Score, rows: Sequence[int]) -> int:
    counted = [rows_counted(score) for score in (ours, theirs)]
    return min(len(rows) if count is None else count for count in counted)


def can_be_tested(ours: Score, theirs: Score) -> bool:
    """Whether two scores know the same rows, line by line, and hold finite numbers only."""
    import numpy as np

    one, other = ours.statistics, theirs.statistics
    if one is None or other is None or one.table.shape != other.table.shape:
        return False
    values = (one.table, other.table, ours.value, theirs.value)
    return bool(len(one.table)) and all(bool(np.isfinite(value).all()) for value in values)


def statistics_of(score: Score) -> Statistics:
    """What a score is computed from.

    Raises:
        ValueError: When it does not know.
    """
    if score.statistics is None:
        raise ValueError(f"{score.name} has no statistics")
    return score.statistics


def _by_rows(names: Sequence[str], scores: dict[str, Score]) -> Iterator[list[str]]:
    """Metrics over equally many rows, which can be drawn together."""
    groups: dict[int, list[str]] = {}
    for name in names:
        groups.setdefault(len(statistics_of(scores[name]).table), []).append(name)
    yield from groups.values()


def _verdict(difference: float, adjusted_p: float | None, goal: Goal) -> Verdict:
    if adjusted_p is None:
        return "not tested"
    if adjusted_p >= LEVEL:
        return "no difference shown"
    if goal == "none":
        return "changed"
    return "better" if (difference > 0) == (goal == "higher") else "worse"
