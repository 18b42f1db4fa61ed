"""What the logged losses and gradient norms say: NaN, divergence, a plateau.

Each rule is a pure function of the logs so far, so that a resumed run replays them:

    nan          loss, entropy, gradient norm or an evaluation's loss is NaN or infinite. With Trainer's
                 `logging_nan_inf_filter` (on by default) a NaN loss is logged as the mean of the others: the
                 gradient norm and TRL's entropy show it then. An infinite gradient norm alone is no finding under
                 fp16, whose loss scaling makes and skips such steps.
    divergence   m_t = mean of the last 10 logged losses (fewer at the beginning: k). Found when m_t - min m is above
                 0.3 nats, 0.2·min m and 6·σ/√k, and half of the last 10 losses are that far above: one outlier is
                 none. σ is the scatter from batch to batch, 1.4826·MAD of the differences of successive losses
                 over √2; the range of some dozens of such means rarely exceeds 5.5·σ/√10.
                 Or: the last 3 gradient norms are all above 20 times the median of the 50 before, and above 10
                 times max_grad_norm.
    plateau      over a window of steps (50, or a quarter of all, and 20 logs at least), the mean loss of the second
                 half is surely not 2 % below that of the first: fall + 3 standard errors < 2 %. Where losses
                 scatter too much to say so, the window is doubled, up to all logs; 10 % of scatter need 900 logs.
                 Silent while the learning rate is below a tenth of its highest value: a finished schedule
                 does not improve, nor has it to. A rate of 0 throughout the window is always called.

Both wait until λ is warmed up, which raises the loss, and the plateau for the learning rate's warm-up, too.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

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
        smoothed_logs: How many losses are averaged.
        rise: Share of the lowest mean by which the loss must have risen to be called diverging.
        least_rise: The same in nats, for low losses.
        scatter: The same in standard errors of the lowest mean.
        grad_ratio: How many times its median before the gradient norm must be.
        plateau_steps: Steps of the plateau's window, at least.
        plateau_share: The same as a share of all steps.
        plateau_logs: The same in logs.
        improvement: Share by which the loss must fall within the window not to be called a plateau.
        low_rate: Share of the highest learning rate below which no plateau is called.
    """

    smoothed_logs: int = 10
    rise: float = 0.2
    least_rise: float = 0.3
    scatter: float = 6.0
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
        logs: All logs since λ was warmed up, oldest first, finite.
        args: The trainer's arguments.
        limits: The thresholds.
    """
    return _risen(logs, args, limits) or _exploded(logs, args, limits)


def _risen(logs: Sequence[Log], args: Any, limits: LossLimits) -> Finding | None:
    width = limits.smoothed_logs
    if len(logs) < width:
        return None
    losses = np.array([log.loss for log in logs])
    sums = np.concatenate([[0.0], np.cumsum(losses)])
    ends = np.arange(3, len(losses) + 1)  # a mean of one or two losses says little
    counts = np.minimum(ends, width)
    means = (sums[ends] - sums[ends - counts]) / counts
    best = int(means.argmin())
    lowest, now = float(means[best]), float(means[-1])
    error = _scatter(losses) / math.sqrt(counts[best])
    limit = max(limits.least_rise, limits.rise * lowest, limits.scatter * error)
    if now - lowest <= limit or (losses[-width:] > lowest + limit).sum() < width / 2:
        return None
    seen = (
        f"loss {now:.3g} at step {logs[-1].step} is {now - lowest:.2g} above its lowest ({lowest:.3g} at step "
        f"{logs[ends[best] - 1].step})"
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
    if len(logs) < limits.plateau_logs:
        return None
    if logs[-1].learning_rate < limits.low_rate * max(log.learning_rate for log in logs):
        return None
    end = logs[-1].step
    steps = max(limits.plateau_steps, limits.plateau_share * max_steps)
    size = max(sum(log.step > end - steps for log in logs), limits.plateau_logs)
    if logs[-size].step > end - steps + 1 and size == len(logs):
        return None  # the run is not that old yet
    while size <= len(logs):
        window = logs[-size:]
        half = size // 2
        losses = np.array([log.loss for log in window])
        first, second = losses[:half], losses[-half:]
        level, now = float(first.mean()), float(second.mean())
        error = math.sqrt((first.var(ddof=1) + second.var(ddof=1)) / half)
        still = all(log.learning_rate == 0 for log in window)
        if still or level - now + 3 * error < limits.improvement * level:
            seen = (
                f"loss {now:.3g} in the second half of steps {window[0].step} to {end}, {level:.3g} in the "
                f"first: less than {limits.improvement:.0%} better"
            )
            return Finding("plateau", end, seen, _plateau_advice(args, logs, level, still))
        if 3 * error < limits.improvement * level:
            return None  # the scatter is low enough to see that it falls
        size *= 2
    return None


def _plateau_advice(args: Any, logs: Sequence[Log], level: float, still: bool) -> str:
    rate = args.learning_rate
    if still:
        return "The learning rate is 0, so nothing is learned: learning_rate 0 -> 0.0002"
    if level < 0.5 * max(log.loss for log in logs[:5]):
        return (
            f"If that is good enough, stop here: max_steps -> {logs[-1].step}; else "
            f"{change('learning_rate', rate, rate / 3)} to settle, or more rows"
        )
    return (
        f"Raise {change('learning_rate', rate, rate * 3)}; if that diverges, "
        f"{change('learning_rate', rate, rate / 3)} and more rows or a larger model"
    )


def _scatter(losses: np.ndarray) -> float:
    """How much successive losses differ for their batches alone; robust against a trend and outliers."""
    differences = np.diff(losses[-200:])
    return float(1.4826 * np.median(np.abs(differences - np.median(differences))) / math.sqrt(2))


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
