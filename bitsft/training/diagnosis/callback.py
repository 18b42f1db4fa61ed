"""`DiagnosisCallback`: recognises while training what goes wrong, and says which setting to change.

It reads what the trainer logs (loss.py, overfitting.py), the flips of ternary layers (layers.py), and is told of
exhausted memory by `TernarySFTTrainer.train` (memory.py). Each finding is one warning of the logger
`bitsft.training.diagnosis` and stays in `callback.findings`; it is not added to the trainer's logs, which hold numbers
for trackers. The trainer's run.json has them under `result.findings` (run_record.py).

The thresholds, and how many false alarms they gave, are in docs/diagnosis.md.
"""

import logging
import math
from collections.abc import Collection, Iterable
from typing import Any

from torch import nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from bitsft.ternary.linear import ternary_layers
from bitsft.ternary.stats import flip_counts
from bitsft.training.diagnosis.finding import KINDS, Finding
from bitsft.training.diagnosis.layers import LayerLimits, LayerWatch
from bitsft.training.diagnosis.loss import Log, LossLimits, divergence, not_finite, plateau
from bitsft.training.diagnosis.overfitting import OverfittingLimits, evaluation_losses, overfitting

logger = logging.getLogger(__name__)


class DiagnosisCallback(TrainerCallback):
    """Warns of NaN, divergence, a plateau, overfitting, frozen layers and endless flips.

    For `TernarySFTTrainer`, TRL's `SFTTrainer` and any transformers `Trainer`; the rules about ternary layers need
    the first. A resumed run takes the logs of the checkpoint into account.

    Args:
        stop_on: Kinds of findings that end the training, e.g. `("nan", "divergence")`. Default: none does.
        repeat_after: Steps before a finding of the same kind (of the same evaluation set) is said again.
        loss: Thresholds for divergence and plateaus; None takes those of `LossLimits()`.
        overfitting: Thresholds for overfitting; None takes those of `OverfittingLimits()`.
        layers: Thresholds for ternary layers; None takes those of `LayerLimits()`.

    Attributes:
        findings: What was found in this run, oldest first.

    Raises:
        ValueError: `stop_on` names an unknown kind, or `repeat_after` is below 1.

    Example:
        >>> diagnosis = DiagnosisCallback(stop_on=("nan",))
        >>> trainer = TernarySFTTrainer(model, args, train_dataset=rows, callbacks=[diagnosis])
        >>> trainer.train()
        >>> for finding in diagnosis.findings:
        ...     print(finding)
    """

    def __init__(
        self,
        *,
        stop_on: Collection[str] = (),
        repeat_after: int = 200,
        loss: LossLimits | None = None,
        overfitting: OverfittingLimits | None = None,
        layers: LayerLimits | None = None,
    ) -> None:
        unknown = {stop_on} if isinstance(stop_on, str) else set(stop_on) - set(KINDS)
        if unknown:
            raise ValueError(
                f"stop_on={stop_on!r}: {', '.join(sorted(unknown))} is no tuple of kinds; choose from "
                f"{', '.join(KINDS)}"
            )
        if repeat_after < 1:
            raise ValueError(f"repeat_after={repeat_after}: it must be 1 step or more")
        self.findings: list[Finding] = []
        self._stop_on = frozenset(stop_on)
        self._repeat_after = repeat_after
        self._loss = loss or LossLimits()
        self._overfitting = overfitting or OverfittingLimits()
        self._layers = layers or LayerLimits()
        self._start()

    def _start(self) -> None:
        self.findings = []
        self._said: dict[tuple[str, str], int] = {}
        self._logs: list[Log] = []
        self._evaluated: dict[str, list[tuple[int, float]]] = {}
        self._watch = LayerWatch(self._layers)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._start()
        for logs in state.log_history:  # of the checkpoint that is resumed from
            for finding, name in self._read(args, state, logs, int(logs.get("step", 0))):
                self._keep(finding, name)
        # else the end of a schedule, resumed in, would pass for its height
        highest = max((log.learning_rate for log in self._logs), default=0.0)
        self._watch = LayerWatch(self._layers, highest)

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self._watch.suspects:
            self._watch.note_gradients(ternary_layers(kwargs["model"]))

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        logs = logs or {}
        found = self._read(args, state, logs, state.global_step)
        if "flip_rate" in logs:  # counted by TernarySFTTrainer only
            model, optimizer = kwargs["model"], kwargs.get("optimizer")
            found += self._read_layers(args, state, logs, model, optimizer)
        for finding, name in found:
            if self._keep(finding, name):
                if state.is_world_process_zero:
                    logger.warning("%s", finding)
                if finding.kind in self._stop_on:
                    control.should_training_stop = True

    def _keep(self, finding: Finding, name: str) -> bool:
        """Keep a finding unless one of its kind was kept lately; whether it was kept."""
        key = (finding.kind, name)
        if key in self._said and finding.step < self._said[key] + self._repeat_after:
            return False
        self._said[key] = finding.step
        self.findings.append(finding)
        return True

    def _read(
        self, args: TrainingArguments, state: TrainerState, logs: dict[str, Any], step: int
    ) -> list[tuple[Finding, str]]:
        """Apply the rules that need numbers only."""
        found: list[tuple[Finding, str]] = []
        lost = not_finite(step, logs, args, first=not self._logs)
        if lost:
            found.append((lost, ""))
        if "loss" in logs and "learning_rate" in logs and math.isfinite(logs["loss"]):
            norm = logs.get("grad_norm")
            finite_norm = norm if norm is not None and math.isfinite(norm) else None
            self._logs.append(Log(step, logs["loss"], logs["learning_rate"], finite_norm))
            # quantization_warmup_ratio is an argument of TernarySFTConfig only
            ternary = float(getattr(args, "quantization_warmup_ratio", 0.0)) * state.max_steps
            warm = max(float(args.get_warmup_steps(state.max_steps)), ternary)
            checks = (
                divergence([log for log in self._logs if log.step > ternary], args, self._loss),
                plateau(
                    [log for log in self._logs if log.step > warm],
                    args,
                    state.max_steps,
                    self._loss,
                ),
            )
            found += [(finding, "") for finding in checks if finding]
        for name, loss in evaluation_losses(logs).items():
            evaluated = self._evaluated.setdefault(name, [])
            if math.isfinite(loss):
                evaluated.append((step, loss))
                over = overfitting(name, evaluated, self._logs, args, self._overfitting)
                found += [(over, name)] if over else []
        return found

    def _read_layers(
        self,
        args: TrainingArguments,
        state: TrainerState,
        logs: dict[str, Any],
        model: nn.Module,
        optimizer: Any,
    ) -> list[tuple[Finding, str]]:
        step, rate = state.global_step, logs.get("learning_rate", args.learning_rate)
        self._watch.add(step, rate, flip_counts(model))
        layers = ternary_layers(model)
        checks = (
            self._watch.frozen(layers, rate, args, optimizer),
            self._watch.endless(layers, args),
        )
        return [(finding, "") for finding in checks if finding]


def findings_among(callbacks: Iterable[TrainerCallback]) -> list[dict[str, Any]] | None:
    """What the `DiagnosisCallback`s of a trainer found, as JSON can hold it.

    Args:
        callbacks: All of the trainer's.

    Returns:
        Their findings, oldest first by callback; None where nothing diagnoses.
    """
    diagnoses = [one for one in callbacks if isinstance(one, DiagnosisCallback)]
    if not diagnoses:
        return None
    return [finding.as_dict() for one in diagnoses for finding in one.findings]
