"""`Changes`: the rows that gained most, lost most, and those that were right and are wrong now.

One metric decides for each part of the rows:

| part                          | metric                                       |
|-------------------------------|----------------------------------------------|
| classification                | accuracy, else likelihood_accuracy           |
| raft                          | raft_answer_correct                          |
| qa                            | exact_match                                  |
| everything else, "all"        | rougeL                                       |

or the first of rougeL, chrf, char_f1 and whatever else scores rows, where that one is missing.

A row regressed when it scored 1 before and 0 now (where lower is better, 0 and 1), where the metric knows only these
two; elsewhere when it lost more than `drop`, by default 0.1 of the metric's full scale (10 points of BLEU and chrF,
0.1 of the others).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bitsft.comparison.paired_rows import Pair
from bitsft.metrics.score import Goal, Score

if TYPE_CHECKING:
    from bitsft.evaluation.evaluation import Evaluation

FIRST_CHOICE = {
    "classification": ("accuracy", "likelihood_accuracy"),
    "raft": ("raft_answer_correct",),
    "qa": ("exact_match",),
}
_OTHERWISE = ("rougeL", "chrf", "char_f1")
_OUT_OF_100 = ("bleu", "chrf")
_SHARE = 0.1


@dataclass(frozen=True)
class Change:
    """How one row changed.

    Attributes:
        row: The row's number in the data.
        place: Its place in `Comparison.rows`.
        base: What the first model's answer scored.
        tuned: What the second model's answer scored.
        gain: By how much the second is better: negative where it is worse.
    """

    row: int
    place: int
    base: float
    tuned: float
    gain: float


@dataclass(frozen=True)
class Changes:
    """The rows of one part that changed most, by one metric.

    Attributes:
        task: The part of the rows: "all", or a task.
        metric: Which metric decided.
        best: The largest gains, largest first; gains only.
        worst: The largest losses, largest first; losses only.
        regressions: Every row that regressed, largest loss first.
        rule: What counts as a regression, in words.
        better: How many rows gained.
        worse: How many rows lost.
        same: How many scored the same.
    """

    task: str
    metric: str
    best: tuple[Change, ...]
    worst: tuple[Change, ...]
    regressions: tuple[Change, ...]
    rule: str
    better: int
    worse: int
    same: int


def chosen_metric(
    base: "Evaluation", tuned: "Evaluation", key: str, wanted: str | None = None
) -> str | None:
    """The metric that decides for a part of the rows; None where none scores rows on both sides.

    Args:
        base: The first evaluation.
        tuned: The second.
        key: "all", or a task.
        wanted: Comes first, where the part has it.
    """
    ours, theirs = base.scores.get(key, {}), tuned.scores.get(key, {})
    usable = [
        name
        for name, score in ours.items()
        if name in theirs and _scores_rows(score) and _scores_rows(theirs[name])
        and score.signature == theirs[name].signature
    ]  # fmt: skip
    task = key
    tasks = {answer.task for answer in base.answers}
    if key == "all" and len(tasks) == 1:  # rows of one task may have no other part
        task = tasks.pop() or key
    for name in (wanted, *FIRST_CHOICE.get(task, ()), *_OTHERWISE, *usable):
        if name in usable:
            return name
    return None


def changes_of(
    pairs: Sequence[Pair],
    places: Sequence[int],
    key: str,
    metric: str,
    goal: Goal,
    *,
    most: int = 10,
    drop: float | None = None,
) -> Changes:
    """Rank the rows of a part by how their score changed.

    Args:
        pairs: All rows.
        places: Which of them belong to the part.
        key: The part's name.
        metric: The metric that decides.
        goal: Its goal, "higher" or "lower".
        most: How many of the best and of the worst are kept; regressions are kept all.
        drop: A loss above it is a regression, in the metric's own units; None: as the module says.
    """
    sign = -1.0 if goal == "lower" else 1.0
    changes = []
    for place in places:
        found = pairs[place].scores.get(metric)
        if found is not None:
            before, after = found
            changes.append(Change(pairs[place].row, place, before, after, sign * (after - before)))
    changes.sort(key=lambda change: (-change.gain, change.row))
    gains = [change for change in changes if change.gain > 0]
    losses = [change for change in reversed(changes) if change.gain < 0]
    losses.sort(key=lambda change: (change.gain, change.row))
    values = {value for change in changes for value in (change.base, change.tuned)}
    if drop is None and values <= {0.0, 1.0} and 1.0 in values:
        regressions = losses
        rule = "right before (1), wrong now (0)" if goal != "lower" else "0 before, 1 now"
    else:
        limit = _SHARE * (100 if metric in _OUT_OF_100 else 1) if drop is None else drop
        regressions = [change for change in losses if -change.gain > limit]
        rule = f"lost more than {limit:g}"
    return Changes(
        task=key,
        metric=metric,
        best=tuple(gains[:most]),
        worst=tuple(losses[:most]),
        regressions=tuple(regressions),
        rule=rule,
        better=len(gains),
        worse=len(losses),
        same=len(changes) - len(gains) - len(losses),
    )


def _scores_rows(score: Score) -> bool:
    import numpy as np

    # of a mean over classes every row is NaN
    return score.rows is not None and score.goal != "none" and not np.isnan(score.rows).all()
