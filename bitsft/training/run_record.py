"""The trainer's record, `run.json` in its output directory; `bitsft.runs` has the form.

What the trainer was given is described when it is made (run_description.py), before TRL wraps or changes any of it.
The record itself begins with `train()`, takes in every evaluation, those before and after the
training, too, and is written again at evaluations, at checkpoints, and at most twice a minute with the log.

Only the main process writes, and nothing here can end a training: see `bitsft.runs.recorder`.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from bitsft.runs.record import Status
from bitsft.runs.recorder import Recorder, closing, start_record
from bitsft.runs.settings import plain
from bitsft.training.run_description import GivenToTrainer, describe_training
from bitsft.training.run_scores import evaluation_scores
from bitsft.training.trainable_table import trainable_summary

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_WRITES = 30.0


class RunRecordCallback(TrainerCallback):
    """Keeps `run.json` of a trainer.

    Args:
        given: What the trainer was given; it is described at once and not kept.
        signatures: Returns the signatures of the last generated scores by metric.
        findings: Returns what the diagnosis found so far; None where nothing diagnoses.
    """

    def __init__(
        self,
        given: GivenToTrainer,
        *,
        signatures: Callable[[], Mapping[str, str]],
        findings: Callable[[], list[dict[str, Any]] | None],
    ) -> None:
        self._signatures = signatures
        self._findings = findings
        self._earlier_findings: list[dict[str, Any]] = []  # of the sessions before this one
        self._recorder = Recorder(None)
        self._described: dict[str, Any] = {}  # what start_record takes
        evaluated = given.datasets["eval"]
        self._eval_names = list(evaluated) if isinstance(evaluated, Mapping) else []
        self._evaluations: list[dict[str, Any]] = []
        self._state: TrainerState | None = None
        self._is_open = False
        self._written = 0.0
        if not given.args.run_record or given.args.process_index != 0:
            return
        try:
            self._described = describe_training(given)
        except Exception as error:  # a stranger's dataset or config must not end the training
            logger.warning("This run is not recorded: %s: %s", type(error).__name__, error)

    @contextmanager
    def session(self) -> Iterator[None]:
        """Around one call of `train()`: whatever ends it is recorded."""
        with closing(self._finish):
            yield

    # --- what the trainer tells -------------------------------------------------------------------------

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._state = state
        if (
            self._is_open or not self._described
        ):  # auto_find_batch_size starts over within one train()
            return
        self._is_open = True
        earlier = self._recorder.record
        trained = trainable_summary(kwargs["model"]).counts()
        self._recorder = start_record(
            args.output_dir,
            "train",
            **{
                **self._described,
                "settings": {**self._described["settings"], "trainable": trained},
            },
            resumed=state.global_step > 0,
            session={"from_step": state.global_step, "max_steps": state.max_steps},
        )
        record = self._recorder.record
        if record is None:
            return
        if earlier is not None and earlier.id != record.id:  # train() was called once more
            self._evaluations, self._earlier_findings = [], []
            record.base_model = {"name": earlier.name, "why": f"as run {earlier.id} left it"}
            record.parents = [{"role": "base model", "id": earlier.id, "name": earlier.name}]
        before = record.result.get("evaluations")
        if isinstance(before, list) and state.global_step > 0:
            self._evaluations = [*before, *self._evaluations]
        found = record.result.get("findings")
        self._earlier_findings = found if isinstance(found, list) else []
        self._save()

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        self._evaluations.append({"step": state.global_step, "metrics": plain(metrics or {})})
        self._save()

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if time.monotonic() - self._written > _SECONDS_BETWEEN_WRITES:
            self._save()

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._save()

    def _finish(self, status: Status, error: str | None) -> None:
        if self._is_open:  # else train() ended before its first step, e.g. for a bad argument
            self._is_open = False
            self._save()
            self._recorder.finish(status, error)

    def _save(self) -> None:
        if self._recorder.record is None or self._state is None:
            return
        self._written = time.monotonic()
        try:
            signatures = dict(self._signatures())
            self._recorder.result(
                scores=evaluation_scores(self._evaluations, self._eval_names, signatures),
                evaluations=self._evaluations,
                **_progress(self._state),
            )
            findings = self._all_findings()
            if findings is not None:
                self._recorder.result(findings=findings)
            if "generation" in signatures:
                self._recorder.result(decoding=signatures["generation"])
            self._recorder.time(**_rates(self._state))
        except Exception as error:  # of metrics and logs in a form that nobody expects
            logger.warning("Not all of this run is recorded: %s: %s", type(error).__name__, error)
        self._recorder.save()

    def _all_findings(self) -> list[dict[str, Any]] | None:
        """Those of this session after those of earlier ones; what a resumed run reads again in the log, once."""
        found = self._findings()
        if found is None:
            return self._earlier_findings or None
        known = [_what_was_seen(one) for one in self._earlier_findings]
        return [
            *self._earlier_findings,
            *(one for one in found if _what_was_seen(one) not in known),
        ]


def _what_was_seen(finding: Mapping[str, Any]) -> tuple[Any, ...]:
    return finding.get("kind"), finding.get("step"), finding.get("seen")


def _progress(state: TrainerState) -> dict[str, Any]:
    """Steps, epochs, losses and flips, from the trainer's own log."""
    found: dict[str, Any] = {"steps": state.global_step, "epochs": state.epoch}
    for entry in state.log_history:
        if "loss" in entry:
            found["last_loss"] = entry["loss"]
            found.setdefault("first_loss", entry["loss"])
        for name in ("train_loss", "flip_rate", "dead_zone_share", "share_0", "num_tokens"):
            if name in entry:
                found[name] = entry[name]
    if state.best_metric is not None:
        found["best_metric"] = state.best_metric
        found["best_checkpoint"] = state.best_model_checkpoint
    return found


def _rates(state: TrainerState) -> dict[str, Any]:
    """Seconds in the training loop and what it got through a second; known once it has ended."""
    ended = next((e for e in reversed(state.log_history) if "train_runtime" in e), None)
    if ended is None:
        return {}
    found = {
        "train_seconds": ended["train_runtime"],
        "samples_per_second": ended.get("train_samples_per_second"),
        "steps_per_second": ended.get("train_steps_per_second"),
    }
    tokens = next((e["num_tokens"] for e in reversed(state.log_history) if "num_tokens" in e), None)
    if tokens is not None and ended["train_runtime"] > 0:
        found["tokens_per_second"] = round(tokens / ended["train_runtime"], 1)
    return found
