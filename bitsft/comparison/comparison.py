"""`compare`: two evaluations of the same rows, and everything that can be said of the difference.

    base, tuned ──► same rows?  ──► pairs ──► table        per part: each metric, difference, interval, test
                    (ValueError)          ├─► changes      per part: best, worst, regressions
                                          └─► slices       per part: by task, length, label, distractors

A part is "all" rows, a task, or "held_out" texts, as in `Evaluation.scores`. Nothing is generated or scored here, so the same two
evaluations and the same seed give the same comparison to the last digit.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bitsft.comparison.changes import Change as Change
from bitsft.comparison.changes import Changes as Changes
from bitsft.comparison.changes import changes_of, chosen_metric
from bitsft.comparison.paired_rows import Pair as Pair
from bitsft.comparison.paired_rows import check_same_rows, pair_rows
from bitsft.comparison.slices import Slice as Slice
from bitsft.comparison.slices import slices_of
from bitsft.comparison.table import LeftOut as LeftOut
from bitsft.comparison.table import Line as Line
from bitsft.comparison.table import table_of
from bitsft.evaluation.evaluation import Evaluation
from bitsft.evaluation.parts import ALL

_FEW_ROWS = 30


@dataclass(frozen=True)
class Comparison:
    """What changed between two models on the same rows.

    Attributes:
        base: The first evaluation, usually of the model before training.
        tuned: The second one.
        rows: Every row with both answers and their scores, in the order of the data.
        table: By part ("all" first, then tasks) a line for each metric.
        left_out: Metrics that could not be compared, and why.
        changes: By part the best and the worst changes and all regressions.
        slices: The gain over parts of the rows.
        notes: What the reader must know before believing the table, a sentence each.
        settings: seed, resamples, trials, confidence, level: what the intervals and tests were made with.
    """

    base: Evaluation
    tuned: Evaluation
    rows: tuple[Pair, ...]
    table: dict[str, tuple[Line, ...]]
    left_out: tuple[LeftOut, ...] = ()
    changes: dict[str, Changes] = field(default_factory=dict)
    slices: tuple[Slice, ...] = ()
    notes: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)

    def lines(self) -> Iterator[Line]:
        """Every line of the table, part by part."""
        for part in self.table.values():
            yield from part


def compare(
    base: Evaluation,
    tuned: Evaluation,
    *,
    seed: int = 0,
    resamples: int = 1000,
    trials: int = 10_000,
    by: str | None = None,
    regression: float | None = None,
) -> Comparison:
    """Compare two models that answered the same rows.

    Args:
        base: The first evaluation, usually of the model before training.
        tuned: The second one.
        seed: Of the bootstrap and the randomization test; the global random state is not used.
        resamples: How often rows are drawn for the intervals.
        trials: How often answers are swapped for the test; up to 12 rows all swaps are tried.
        by: Which metric ranks rows and is shown in slices; None takes one that suits each task. Parts that
            lack it keep their own.
        regression: A row regressed when it lost more than this, in the metric's units; None: 0.1 of its full scale, or
            right before and wrong now for metrics of 0 and 1.

    Returns:
        The table of each part of the rows (`table["all"]`, and one for each task), changes, slices and notes.

    Raises:
        ValueError: When the rows are not the same (names the first that differs), no part has the metric, or a
            number is out of range.
    """
    if resamples < 1 or trials < 1:
        raise ValueError(f"resamples={resamples}, trials={trials}: both must be 1 or more")
    if regression is not None and not regression >= 0:
        raise ValueError(f"regression={regression}: it must be 0 or more")
    check_same_rows(base, tuned)
    pairs = pair_rows(base, tuned)
    table: dict[str, tuple[Line, ...]] = {}
    left_out: list[LeftOut] = []
    changes: dict[str, Changes] = {}
    slices: list[Slice] = []
    for key in dict.fromkeys([*base.scores, *tuned.scores]):
        lines, refused = table_of(base, tuned, key, seed=seed, resamples=resamples, trials=trials)
        left_out += refused
        if not lines:
            continue
        table[key] = tuple(lines)
        chosen = chosen_metric(base, tuned, key, by) if base.rows_of(key) else None
        if chosen is not None:
            changes[key] = changes_of(
                pairs,
                base.rows_of(key),
                key,
                chosen,
                base.scores[key][chosen].goal,
                drop=regression,
            )
            if not _is_one_task(base, key):
                slices += slices_of(base, tuned, key, chosen, seed=seed, resamples=resamples)
    if by is not None and by not in {one.metric for one in changes.values()}:
        goals = {name: one.goal for part in base.scores.values() for name, one in part.items()}
        known = sorted({name for pair in pairs for name in pair.scores if goals[name] != "none"})
        raise ValueError(
            f"by={by!r} ranks no rows: it does not score single rows of both models, or has no better direction; use one "
            f"of {', '.join(known)}"
        )
    return Comparison(
        base=base,
        tuned=tuned,
        rows=pairs,
        table=table,
        left_out=tuple(left_out),
        changes=changes,
        slices=tuple(slices),
        notes=_notes(base, tuned),
        settings={
            "seed": seed,
            "resamples": resamples,
            "trials": trials,
            "confidence": 0.95,
            "level": 0.05,
            "adjusted": "Holm, over the metrics of each part",
        },
    )


def _is_one_task(base: Evaluation, key: str) -> bool:
    """Whether "all" rows are those of one task with scores of its own, which is divided instead."""
    rows = base.rows_of(key)
    return key == ALL and any(base.rows_of(other) == rows for other in base.scores if other != ALL)


def _notes(base: Evaluation, tuned: Evaluation) -> tuple[str, ...]:
    notes = []
    if base.decoding != tuned.decoding:
        notes.append(
            "The two models decoded differently, so the difference is not of the models alone: "
            f"base {base.decoding}; tuned {tuned.decoding}."
        )
    rows = len(base.answers)
    if 0 < rows < _FEW_ROWS:
        notes.append(
            f"Fewer than {_FEW_ROWS} rows ({rows}): the intervals are too narrow, and only large differences can be told "
            "from chance."
        )
    pairs = zip(base.answers, tuned.answers, strict=True)
    if rows and all(one.prediction == other.prediction for one, other in pairs):
        notes.append(
            "Both models gave the same answer to every row. Are BASE and TUNED the same model?"
        )
    cut = [
        f"{side} {sum(not answer.finished for answer in one.answers)}"
        for side, one in (("base", base), ("tuned", tuned))
        if any(not answer.finished for answer in one.answers)
    ]
    if cut:
        notes.append(f"Answers cut off at the token limit: {', '.join(cut)} of {rows}.")
    return tuple(notes)
