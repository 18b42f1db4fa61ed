"""Overfitting: an evaluation's loss rises while the training loss falls.

With b the evaluation of the lowest loss, the rule speaks when two evaluations or more came after b (a single one
may be noise), the last one is 3 % above it, and the training loss between the last two evaluations is 3 % below
that before b. Each evaluation set is judged by itself.
"""

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bitsft.training.diagnosis.finding import Finding
from bitsft.training.diagnosis.loss import Log

_EVAL_LOSS = re.compile(r"eval_(?:(.+)_)?loss")


@dataclass(frozen=True)
class OverfittingLimits:
    """Thresholds of the rule.

    Attributes:
        evaluations: How many evaluations must have come after the lowest.
        rise: Share by which the evaluation's loss must have risen above its lowest.
        fall: Share by which the training loss must have fallen meanwhile.
    """

    evaluations: int = 2
    rise: float = 0.03
    fall: float = 0.03


def evaluation_losses(logs: dict[str, Any]) -> dict[str, float]:
    """The losses of evaluation sets in logged numbers, by the set's name; `""` for a single set."""
    found = {}
    for key, value in logs.items():
        match = _EVAL_LOSS.fullmatch(key)
        if match:
            found[match[1] or ""] = float(value)
    return found


def overfitting(
    name: str,
    evaluated: Sequence[tuple[int, float]],
    logs: Sequence[Log],
    args: Any,
    limits: OverfittingLimits,
) -> Finding | None:
    """Whether one evaluation set rises while training falls.

    Args:
        name: The set's name; `""` for a single one.
        evaluated: (step, loss) of each evaluation, oldest first.
        logs: All training logs, oldest first.
        args: The trainer's arguments.
        limits: The thresholds.
    """
    if len(evaluated) <= limits.evaluations:
        return None
    best = min(range(len(evaluated)), key=lambda number: evaluated[number][1])
    (best_step, lowest), (step, loss) = evaluated[best], evaluated[-1]
    if len(evaluated) - 1 - best < limits.evaluations or loss < lowest * (1 + limits.rise):
        return None
    before = _mean_loss(logs, evaluated[best - 1][0] if best else 0, best_step)
    now = _mean_loss(logs, evaluated[-2][0], step)
    if before is None or now is None or now > before * (1 - limits.fall):
        return None
    label = f"eval loss of {name!r}" if name else "eval loss"
    seen = (
        f"{label} {loss:.3g} at step {step} is {loss - lowest:.2g} above its lowest ({lowest:.3g} at step "
        f"{best_step}), while the training loss fell from {before:.3g} to {now:.3g}"
    )
    return Finding("overfitting", step, seen, _advice(args, name, best_step, step))


def _advice(args: Any, name: str, best_step: int, step: int) -> str:
    if args.max_steps > 0:
        shorter = f"max_steps {args.max_steps} -> {best_step}"
    else:
        share = best_step / step
        shorter = (
            f"num_train_epochs {args.num_train_epochs:g} -> {args.num_train_epochs * share:.2g}"
        )
    metric = f"eval_{name}_loss" if name else "eval_loss"
    best = (
        ""
        if args.load_best_model_at_end
        else f", or keep the best with load_best_model_at_end=True, metric_for_best_model={metric!r}"
    )
    return f"Train shorter: {shorter}{best}; more rows help most"


def _mean_loss(logs: Sequence[Log], after: int, until: int) -> float | None:
    losses = [log.loss for log in logs if after < log.step <= until]
    return statistics.fmean(losses) if losses else None
