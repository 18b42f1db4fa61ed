"""What the logged losses and gradient norms say: NaN, divergence, a plateau.

Each rule is a pure function of the logs so far, so that a resumed run replays them:

    nan          loss, entropy, gradient norm or an evaluation's loss is NaN or infinite. With Trainer's
                 `logging_nan_inf_filter` (on by default) a NaN loss is logged as the mean of the others: the
                 gradient norm and TRL's entropy show it then. An infinite gradient norm alone is no finding under
                 fp16, whose loss scaling makes and skips such steps.
    divergence   m_t = median of the last 5 logged losses;  m_t - min m > max(0.3 nats, 0.2·min m), in 3 logs
                 in a row. A median forgives two outliers; 0.3 nats is above what other batches alone bring;
                 or: the last 3 gradient norms are all above 20 times the median of those before, and above
                 10 times max_grad_norm.
    plateau      over a window of steps (50, or a quarter of all, and 20 logs at least), the mean loss of the second
                 half is not 2 % below that of the first, by more than the standard error of their difference.
                 Silent while the learning rate is below a tenth of its highest value: a finished schedule
                 does not improve, nor has it to.

Divergence and plateau wait until the learning rate and λ are warmed up: a rising λ raises the loss.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bitsft.training.diagnosis.finding import Finding, change


@dataclass(frozen=True)
class Log:
    """One logged step.

    Attributes:
        step: The optimizer step.
        loss: Mean training loss since the log before.
        learning_rate: At this step.
        grad_norm: Before clipping; None where Trainer logs none.
    """

    step: int
    loss: float
    learning_rate: float
    grad_norm: float | None = None


@dataclass(frozen=True)
class LossLimits:
    """Thresholds of the loss rules; the module says why they are what they are.

    Attributes:
        smoothed_logs: How many losses the median is taken of.
        rise: Share of the lowest median by which the loss must have risen to be called diverging.
        least_rise: The same in nats, for low losses.
        rise_logs: For how many logs in a row.
        grad_ratio: How many times its median before the gradient norm must be.
        plateau_steps: Steps of the plateau's window, at least.
        plateau_share: The same as a share of all steps.
        plateau_logs: The same in logs.
        improvement: Share by which the loss must fall within the window not to be called a plateau.
        low_rate: Share of the highest learning rate below which no plateau is called.
    """

    smoothed_logs: int = 5
    rise: float = 0.2
    least_rise: float = 0.3
    rise_logs: int = 3
    grad_ratio: float = 20.0
    plateau_steps: int = 50
    plateau_share: float = 0.25
    plateau_logs: int = 20
    improvement: float = 0.02
    low_rate: float = 0.1


def not_finite(step: int, logs: dict[str, Any], args: Any, *, first: bool) -> Finding | None:
    """NaN or an infinite value among the logged numbers.

    Args:
        step: The optimizer step.
        logs: As `on_log` gets them.
        args: The trainer's arguments.
        first: No finite loss was logged before.
    """
    watched = ["loss", "entropy", *(name for name in logs if _is_eval_loss(name))]
    lost = [name for name in watched if name in logs and not math.isfinite(logs[name])]
    norm = logs.get("grad_norm")
    if norm is not None and (math.isnan(norm) or (math.isinf(norm) and not args.fp16)):
        lost.append("grad_norm")
    if not lost:
        return None
    seen = f"{' and '.join(lost)} {'is' if len(lost) == 1 else 'are'} not finite at step {step}"
    if args.fp16:
        advice = "Use bf16=True instead of fp16=True, whose largest number is 65,504"
    elif first:
        advice = (
            f"It was so from the first log on: look at the model's weights and at the rows; if both are sound, "
            f"{change('learning_rate', args.learning_rate, args.learning_rate / 10)}"
        )
    else:
        advice = (
            f"Resume from a checkpoint before step {step} with "
            f"{change('learning_rate', args.learning_rate, args.learning_rate / 4)}{_clip(args)}"
        )
    return Finding("nan", step, seen, advice)


def divergence(logs: Sequence[Log], args: Any, limits: LossLimits) -> Finding | None:
    """The loss rose clearly above its own lowest, or the gradient norm exploded.

    Args:
        logs: All logs since warm-up, oldest first, finite.
        args: The trainer's arguments.
        limits: The thresholds.
    """
    return _risen(logs, args, limits) or _exploded(logs, args, limits)


def _risen(logs: Sequence[Log], args: Any, limits: LossLimits) -> Finding | None:
    if len(logs) < limits.smoothed_logs + limits.rise_logs:
        return None
    losses = [log.loss for log in logs]
    width = limits.smoothed_logs
    medians = [
        statistics.median(losses[max(0, end - width) : end]) for end in range(1, len(logs) + 1)
    ]
    best = min(range(len(medians)), key=medians.__getitem__)
    lowest = medians[best]
    limit = max(limits.least_rise, limits.rise * lowest)
    if min(medians[-limits.rise_logs :]) - lowest <= limit or len(logs) - best <= limits.rise_logs:
        return None
    seen = (
        f"loss {medians[-1]:.3g} at step {logs[-1].step} is {medians[-1] - lowest:.2g} above its lowest "
        f"({lowest:.3g} at step {logs[best].step})"
    )
    advice = (
        f"Halve {change('learning_rate', args.learning_rate, args.learning_rate / 2)}{_clip(args)}"
    )
    return Finding("divergence", logs[-1].step, seen, advice)


def _exploded(logs: Sequence[Log], args: Any, limits: LossLimits) -> Finding | None:
    norms = [log.grad_norm for log in logs if log.grad_norm is not None]
    before, last = norms[:-3][-50:], norms[-3:]
    if len(before) < 10:
        return None
    usual = statistics.median(before)
    clip = args.max_grad_norm or 1.0
    if min(last) <= max(limits.grad_ratio * usual, 10 * clip):
        return None
    step = logs[-1].step
    seen = (
        f"gradient norm {min(last):.3g} or more in the last 3 logs up to step {step} is "
        f"{min(last) / usual if usual else math.inf:.0f} times its median before ({usual:.2g})"
    )
    advice = (
        f"Halve {change('learning_rate', args.learning_rate, args.learning_rate / 2)}{_clip(args)}"
    )
    return Finding("divergence", step, seen, advice)


def plateau(logs: Sequence[Log], args: Any, max_steps: int, limits: LossLimits) -> Finding | None:
    """The loss does not fall any more, though the learning rate is still up.

    Args:
        logs: All logs since warm-up, oldest first, finite.
        args: The trainer's arguments.
        max_steps: Of the whole run.
        limits: The thresholds.
    """
    if not logs or logs[-1].learning_rate < limits.low_rate * max(
        log.learning_rate for log in logs
    ):
        return None
    steps = max(limits.plateau_steps, limits.plateau_share * max_steps)
    end = logs[-1].step
    in_window = sum(log.step > end - steps for log in logs)
    window = logs[-max(in_window, limits.plateau_logs) :]
    # logs[0] stands for the steps since the log before it
    if len(window) < limits.plateau_logs or (
        len(window) == len(logs) and logs[0].step > end - steps
    ):
        return None
    half = len(window) // 2
    first, second = ([log.loss for log in part] for part in (window[:half], window[-half:]))
    fall = statistics.fmean(first) - statistics.fmean(second)
    error = math.sqrt((statistics.variance(first) + statistics.variance(second)) / half)
    level = statistics.fmean(first)
    if fall + error >= limits.improvement * level:
        return None
    span = f"steps {window[0].step} to {end}"
    seen = (
        f"loss {statistics.fmean(second):.3g} in the second half of {span}, {level:.3g} in the first: "
        f"less than {limits.improvement:.0%} better"
    )
    return Finding("plateau", end, seen, _plateau_advice(args, logs, level))


def _plateau_advice(args: Any, logs: Sequence[Log], level: float) -> str:
    rate = args.learning_rate
    if rate == 0 or max(log.learning_rate for log in logs) == 0:
        return "learning_rate is 0, so nothing is learned: set it, e.g. to 0.0002"
    if level < 0.5 * max(log.loss for log in logs[:5]):
        return (
            f"If that is good enough, stop here: max_steps -> {logs[-1].step}; else "
            f"{change('learning_rate', rate, rate / 3)} to settle, or more rows"
        )
    return (
        f"Raise {change('learning_rate', rate, rate * 3)}; if that diverges, "
        f"{change('learning_rate', rate, rate / 3)} and more rows or a larger model"
    )


def _clip(args: Any) -> str:
    """The other setting that tames a step; said only where it is not low already."""
    if not args.max_grad_norm:
        return ", or max_grad_norm 0 -> 1"
    return (
        f", or {change('max_grad_norm', args.max_grad_norm, 0.3)}"
        if args.max_grad_norm > 0.3
        else ""
    )


def _is_eval_loss(name: str) -> bool:
    return name.startswith("eval_") and name.endswith("loss")
