"""What the flips of single ternary layers say: frozen layers, and flips without end.

    frozen_layer    a trained layer had no flip in 50 steps, with the learning rate above a tenth of its highest
                    value. Why follows from the layer: the optimizer does not have it; its parameter group's rate is
                    0; all its codes are 0; no gradient reached it; or steps of about the learning rate (what Adam
                    makes) are too short for the way to the nearest threshold:
                    gap = 1st percentile of | |W| - γ/2 |  >  learning rate · steps.
    endless_flips   with the learning rate at or below 0.3 of its highest value, a layer's flips per step are still
                    0.7 or more of what they were near the highest rate, and above 0.1 % of its weights. Steps are
                    then longer than what separates the codes: codes oscillate instead of settling.

Flips are counted where codes are held, that is in `TernarySFTTrainer`: elsewhere the rules are silent. The cost is
a subtraction per layer and log; a layer's weights are looked at only when it is about to be reported.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from bitsft.ternary.linear import BitLinear158
from bitsft.training.diagnosis.finding import Finding, change


@dataclass(frozen=True)
class LayerLimits:
    """Thresholds of the layer rules.

    Attributes:
        frozen_steps: Steps without any flip.
        low_rate: Share of the highest learning rate below which a layer may rest.
        high_rate: Share of the highest learning rate above which its flips are taken as the usual ones.
        settled_rate: Share of the highest learning rate below which flips should have fallen.
        settled_steps: Steps below it before it is judged.
        flips_kept: Share of the usual flips that may be left by then.
        least_flips: Flips per step, as a share of the layer's weights, below which it is settled anyhow.
    """

    frozen_steps: int = 50
    low_rate: float = 0.1
    high_rate: float = 0.8
    settled_rate: float = 0.3
    settled_steps: int = 20
    flips_kept: float = 0.7
    least_flips: float = 1e-3


@dataclass
class _Phase:
    """Flips summed up over the steps of one part of the schedule."""

    steps: int = 0
    flips: int = 0


class LayerWatch:
    """Follows the flips of each trained layer from log to log.

    Args:
        limits: The thresholds.
        highest_rate: The highest learning rate so far: that of a checkpoint's log, where training is resumed.
    """

    def __init__(self, limits: LayerLimits, highest_rate: float = 0.0) -> None:
        self._limits = limits
        self._window: deque[tuple[int, dict[str, int]]] = deque()
        self._highest_rate = highest_rate
        self._usual: dict[str, _Phase] = {}
        self._settled: dict[str, _Phase] = {}
        self._gradients: dict[str, bool] | None = None
        self._sees_gradients = False
        self.suspects: list[str] = []

    def note_gradients(self, layers: Mapping[str, BitLinear158]) -> None:
        """Before an optimizer step: which of the suspects have a gradient. Does nothing without suspects.

        Args:
            layers: All ternary layers by name.
        """
        if not self.suspects or self._gradients is not None:
            return
        self._gradients = {
            name: _has_gradient(layers[name]) for name in self.suspects if name in layers
        }
        self._sees_gradients = any(layer.weight.grad is not None for layer in layers.values())

    def add(self, step: int, rate: float, flips: Mapping[str, int]) -> None:
        """Take in one log.

        Args:
            step: The optimizer step.
            rate: The learning rate.
            flips: Flips of each trained layer since training began.
        """
        if rate > self._highest_rate * 1.05:  # warming up: what was usual before is not any more
            self._usual, self._settled = {}, {}
        self._highest_rate = max(self._highest_rate, rate)
        if self._window:
            before_step, before = self._window[-1]
            self._sum_up(rate, step - before_step, {n: flips[n] - before.get(n, 0) for n in flips})
        self._window.append((step, dict(flips)))
        while len(self._window) > 2 and self._window[1][0] <= step - self._limits.frozen_steps:
            self._window.popleft()
        first_step, first = self._window[0]
        is_long = step - first_step >= self._limits.frozen_steps
        resting = rate <= self._limits.low_rate * self._highest_rate or rate == 0
        if not is_long or resting:
            self.suspects, self._gradients = [], None
            return
        still = [name for name in flips if name in first and flips[name] == first[name]]
        if still != self.suspects:
            self.suspects, self._gradients = (
                still,
                None,
            )  # gradients are looked at before the next step

    def _sum_up(self, rate: float, steps: int, flips: Mapping[str, int]) -> None:
        if rate >= self._limits.high_rate * self._highest_rate:
            phases = self._usual
        elif rate <= self._limits.settled_rate * self._highest_rate:
            phases = self._settled
        else:
            return
        for name, count in flips.items():
            phase = phases.setdefault(name, _Phase())
            phase.steps += steps
            phase.flips += count

    def frozen(
        self, layers: Mapping[str, BitLinear158], rate: float, args: Any, optimizer: Any
    ) -> Finding | None:
        """The suspects, once their gradients are known, with the reason of the first of them.

        Args:
            layers: All ternary layers by name.
            rate: The learning rate of this log.
            args: The trainer's arguments.
            optimizer: The optimizer, or None.
        """
        if not self.suspects or self._gradients is None:
            return None
        names = tuple(self.suspects)
        first_step, step = self._window[0][0], self._window[-1][0]
        layer = layers[names[0]]
        why, advice = self._reason(layer, names[0], rate, step - first_step, args, optimizer)
        trained = len(self._window[-1][1])
        others = f", the first of {len(names)} such of {trained}" if len(names) > 1 else ""
        strength = layer.quantization_strength
        at = f" at λ={strength:.2g}" if strength < 1 else ""
        seen = f"{names[0]}{others}: no flip in steps {first_step} to {step}{at}; {why}"
        return Finding("frozen_layer", step, seen, advice, names)

    def _reason(
        self, layer: BitLinear158, name: str, rate: float, steps: int, args: Any, optimizer: Any
    ) -> tuple[str, str]:
        group = _group_of(layer, optimizer)
        if optimizer is not None and group is None:
            return (
                "the optimizer does not have its weight",
                "Let the trainer make the optimizer, or make yours after the model became ternary",
            )
        own_rate = rate if group is None else float(group["lr"])
        if own_rate == 0:
            return (
                "the learning rate of its parameter group is 0",
                f"Set the group's lr 0 -> {args.learning_rate:.2g}, or freeze the layer with requires_grad_(False)",
            )
        with torch.no_grad():
            codes, scale = layer.ternary()
            zeros = float((codes == 0).float().mean())
            distance = (layer.weight.float().abs() - scale / 2).abs().flatten()
            gap = float(distance.kthvalue(max(1, len(distance) // 100)).values)
        if zeros == 1:
            return (
                "all its codes are 0",
                "Load its weight anew, or keep the layer dense with filter_fn; weight_decay should be 0",
            )
        if self._sees_gradients and not (self._gradients or {}).get(name, False):
            return (
                "no gradient reaches it",
                "Look at what stands above it (a detached input, a router that never picks it), or freeze it "
                "with requires_grad_(False)",
            )
        reach = own_rate * steps
        dead = f"{zeros:.0%} of its codes are 0"
        if reach < gap:
            factor = min(10.0, max(2.0, gap / reach))
            raised = change("learning_rate", args.learning_rate, args.learning_rate * factor)
            return (
                f"{steps} steps of {own_rate:.2g} reach {reach:.2g}, and 99 % of its weights are further than "
                f"{gap:.2g} from a threshold ({dead})",
                f"Raise {raised}",
            )
        raised = change("learning_rate", args.learning_rate, args.learning_rate * 3)
        return (f"its gradient is not zero, and {dead}", f"Raise {raised}")

    def endless(self, layers: Mapping[str, BitLinear158], args: Any) -> Finding | None:
        """Layers whose flips did not fall with the learning rate, with the numbers of the worst.

        Args:
            layers: All ternary layers by name.
            args: The trainer's arguments.
        """
        limits = self._limits
        kept: dict[str, tuple[float, float]] = {}
        for name, settled in self._settled.items():
            usual = self._usual.get(name, _Phase())
            if name not in layers or settled.steps < limits.settled_steps or not usual.steps:
                continue
            size = layers[name].weight.numel()
            now, then = settled.flips / settled.steps / size, usual.flips / usual.steps / size
            if now >= limits.flips_kept * then and now >= limits.least_flips:
                kept[name] = (now, then)
        if not kept:
            return None
        names = tuple(sorted(kept, key=lambda name: kept[name][0], reverse=True))
        now, then = kept[names[0]]
        step = self._window[-1][0]
        others = f", the worst of {len(names)} such layers" if len(names) > 1 else ""
        seen = (
            f"{names[0]}{others}: {now:.2%} of its codes flip in each step up to {step}, {then:.2%} did at the "
            f"highest learning rate, which has fallen to {limits.settled_rate:.0%} of that or less"
        )
        lowered = change("learning_rate", args.learning_rate, args.learning_rate / 3)
        # not an option of a plain Trainer
        stochastic = getattr(args, "projection", "latent") == "stochastic"
        advice = f"Lower {lowered}" + (
            ", or use projection='latent', whose codes settle" if stochastic else ""
        )
        return Finding("endless_flips", step, seen, advice, names)


def _has_gradient(layer: BitLinear158) -> bool:
    gradient = layer.weight.grad
    return gradient is not None and bool(gradient.any())


def _group_of(layer: BitLinear158, optimizer: Any) -> dict[str, Any] | None:
    if optimizer is None:
        return None
    for group in optimizer.param_groups:
        if any(parameter is layer.weight for parameter in group["params"]):
            return dict(group)
    return None
