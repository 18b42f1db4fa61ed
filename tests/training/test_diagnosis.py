"""Each rule on made-up logs, and real trainings that go wrong; healthy ones stay silent."""

import logging
import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from datasets import Dataset
from torch import nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl import SFTConfig, SFTTrainer

from bitsft.scratch import new_llama
from bitsft.ternary import BitLinear158, ternary_layers
from bitsft.ternary.stats import flip_counts, take_flip_share
from bitsft.training import DiagnosisCallback
from bitsft.training.diagnosis import KINDS, Finding, LayerLimits, LossLimits
from bitsft.training.diagnosis.layers import LayerWatch
from bitsft.training.diagnosis.loss import Log, divergence, not_finite, plateau
from bitsft.training.diagnosis.memory import (
    is_out_of_memory,
    out_of_memory,
    out_of_memory_explained,
)
from bitsft.training.diagnosis.overfitting import (
    OverfittingLimits,
    evaluation_losses,
    overfitting,
)

from .conftest import MakeTrainer, number_rows


def arguments(**values: Any) -> SimpleNamespace:
    usual = {
        "learning_rate": 2e-3,
        "max_grad_norm": 1.0,
        "fp16": False,
        "max_steps": 400,
        "num_train_epochs": 3.0,
        "load_best_model_at_end": False,
        "per_device_train_batch_size": 8,
        "gradient_accumulation_steps": 2,
        "gradient_checkpointing": False,
        "max_length": 1024,
    }
    return SimpleNamespace(**{**usual, **values})


def logs_of(losses: list[float], *, rate: float = 2e-3, every: int = 10) -> list[Log]:
    return [
        Log(step=(number + 1) * every, loss=loss, learning_rate=rate)
        for number, loss in enumerate(losses)
    ]


# --- NaN ----------------------------------------------------------------------------------------------


def test_nan_names_what_is_lost() -> None:
    finding = not_finite(40, {"loss": math.nan, "grad_norm": 1.0}, arguments(), first=False)
    assert str(finding) == (
        "nan: loss is not finite at step 40. Resume from a checkpoint before step 40 with learning_rate 0.002 -> "
        "0.0005, or max_grad_norm 1 -> 0.3."
    )
    hidden = {"loss": 2.0, "entropy": math.nan, "grad_norm": math.nan}  # Trainer filters the loss
    assert not_finite(40, hidden, arguments(), first=False).seen == (
        "entropy and grad_norm are not finite at step 40"
    )
    assert not_finite(40, {"eval_a_loss": math.inf}, arguments(), first=False).seen == (
        "eval_a_loss is not finite at step 40"
    )
    assert not_finite(40, {"loss": 2.0, "grad_norm": 3.0}, arguments(), first=False) is None


def test_nan_advice_fits_the_run() -> None:
    lost = {"loss": math.nan}
    assert "Use bf16=True" in not_finite(40, lost, arguments(fp16=True), first=False).advice
    assert "from the first log on" in not_finite(1, lost, arguments(), first=True).advice
    scaled = {"loss": 2.0, "grad_norm": math.inf}
    assert not_finite(1, scaled, arguments(fp16=True), first=True) is None
    assert not_finite(1, scaled, arguments(), first=True) is not None


# --- divergence ---------------------------------------------------------------------------------------

FALLING = [9.0 - 0.1 * n for n in range(21)]  # 9.0 to 7.0 at step 210


def test_divergence_says_how_far() -> None:
    # The mean of the last ten is lowest at step 210: 7.45; ten losses of 8.95 follow.
    finding = divergence(logs_of(FALLING + [8.95] * 10), arguments(), LossLimits(rise=0.1))
    assert str(finding) == (
        "divergence: loss 8.95 at step 310 is 1.5 above its lowest (7.45 at step 210). Halve learning_rate 0.002 -> "
        "0.001, or max_grad_norm 1 -> 0.3."
    )


@pytest.mark.parametrize(
    "losses",
    [
        FALLING,
        FALLING + [40.0],  # one outlier
        FALLING + [7.6] * 20,  # less than a fifth
        [0.3 - 0.01 * n for n in range(20)] + [0.25] * 20,  # more than a fifth, less than 0.3 nats
        [3.0, 1.6, 4.2, 2.0, 3.9, 1.5, 4.0, 2.1] * 10,  # batches of two kinds
        [],
    ],
)
def test_no_divergence(losses: list[float]) -> None:
    assert divergence(logs_of(losses), arguments(), LossLimits()) is None


def test_an_exploding_gradient_norm() -> None:
    norms = [0.5] * 20 + [80.0, 60.0, 90.0]
    logs = [Log(n, 2.0, 2e-3, norm) for n, norm in enumerate(norms, start=1)]
    finding = divergence(logs, arguments(max_grad_norm=0.3), LossLimits())
    assert finding.seen == (
        "gradient norm 60 or more in the last 3 logs up to step 23 is 120 times its median before (0.5)"
    )
    assert finding.advice == "Halve learning_rate 0.002 -> 0.001"
    assert divergence(logs[:-1], arguments(), LossLimits()) is None, "two of three"
    calm = [Log(log.step, log.loss, log.learning_rate, 0.1 * log.grad_norm) for log in logs]
    assert divergence(calm, arguments(), LossLimits()) is None, "below ten times max_grad_norm"


# --- plateau ------------------------------------------------------------------------------------------


def test_a_plateau() -> None:
    falling = [5.0 - 0.1 * n for n in range(20)]
    finding = plateau(logs_of(falling + [3.1, 3.12] * 15), arguments(), 400, LossLimits())
    assert finding.seen == (
        "loss 3.11 in the second half of steps 310 to 500, 3.11 in the first: less than 2% better"
    )
    assert finding.advice == (
        "Raise learning_rate 0.002 -> 0.006; if that diverges, learning_rate 0.002 -> 0.00067 and more rows or a "
        "larger model"
    )
    learned = [9.0 - 0.4 * n for n in range(20)] + [1.1, 1.12] * 15
    assert plateau(logs_of(learned), arguments(), 400, LossLimits()).advice.startswith(
        "If that is good enough, stop here: max_steps -> 500"
    )


def test_no_plateau() -> None:
    flat = [3.1, 3.12] * 15
    rising_rate = logs_of([5.0] * 5)
    rested = [*rising_rate, *logs_of([5.0] * 5 + flat, rate=1e-4)[5:]]
    assert plateau(rested, arguments(), 400, LossLimits()) is None, "the schedule has run out"
    assert plateau(logs_of(flat[:19]), arguments(), 400, LossLimits()) is None, "too few logs"
    assert plateau(logs_of(flat, every=1), arguments(), 4000, LossLimits()) is None, "too few steps"
    falling = [3.1 * 0.99**n for n in range(40)]
    assert plateau(logs_of(falling), arguments(), 400, LossLimits()) is None
    scattered = [2.0, 4.0, 3.5, 2.5] * 10
    assert plateau(logs_of(scattered), arguments(), 400, LossLimits()) is None, "cannot be told yet"
    assert plateau(logs_of(scattered * 600), arguments(), 400, LossLimits()) is not None


def test_a_learning_rate_of_zero() -> None:
    scattered = [2.0, 4.0, 3.5, 2.5] * 20
    finding = plateau(
        logs_of(scattered, rate=0.0, every=1), arguments(learning_rate=0.0), 80, LossLimits()
    )
    assert (
        finding.advice == "The learning rate is 0, so nothing is learned: learning_rate 0 -> 0.0002"
    )


# --- overfitting --------------------------------------------------------------------------------------


def test_evaluation_sets_by_name() -> None:
    logs = {"eval_loss": 1.0, "eval_nsmc_loss": 2.0, "eval_rouge1": 3.0, "loss": 4.0}
    assert evaluation_losses(logs) == {"": 1.0, "nsmc": 2.0}


def test_overfitting() -> None:
    logs = logs_of([2.0 - 0.05 * n for n in range(30)])  # 2.0 to 0.55 at step 300
    seen = [(100, 1.3), (200, 1.19), (250, 1.25), (300, 1.31)]
    finding = overfitting("", seen, logs, arguments(), OverfittingLimits())
    assert finding.seen == (
        "eval loss 1.31 at step 300 is 0.12 above its lowest (1.19 at step 200), while the training loss fell from "
        "1.27 to 0.65"
    )
    assert finding.advice == (
        "Train shorter: max_steps 400 -> 200, or keep the best with load_best_model_at_end=True, "
        "metric_for_best_model='eval_loss'; more rows help most"
    )
    epochs = overfitting("nsmc", seen, logs, arguments(max_steps=-1), OverfittingLimits())
    assert epochs.seen.startswith("eval loss of 'nsmc' 1.31")
    assert "num_train_epochs 3 -> 2, or" in epochs.advice and "'eval_nsmc_loss'" in epochs.advice
    # The shorter history: one evaluation after the lowest may be noise.
    assert overfitting("", seen[:3], logs, arguments(), OverfittingLimits()) is None
    flat = logs_of([2.0] * 30)
    assert overfitting("", seen, flat, arguments(), OverfittingLimits()) is None
    small = [(100, 1.3), (200, 1.19), (250, 1.2), (300, 1.21)]
    assert overfitting("", small, logs, arguments(), OverfittingLimits()) is None


# --- ternary layers -----------------------------------------------------------------------------------


def layer_with(weight: list[list[float]]) -> BitLinear158:
    layer = BitLinear158(len(weight[0]), len(weight), bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weight))
    layer.weight.grad = torch.ones_like(layer.weight)
    return layer


def frozen_finding(
    layer: BitLinear158, rate: float = 1e-4, optimizer: Any = None
) -> Finding | None:
    """What is said after 60 steps in which `up` never flips and `down` does."""
    watch, layers = LayerWatch(LayerLimits()), {"up": layer, "down": layer_with([[1.0, -1.0]])}
    for step in range(10, 61, 10):
        watch.note_gradients(layers)
        watch.add(step, rate, {"up": 3, "down": step})
    watch.note_gradients(layers)
    watch.add(70, rate, {"up": 3, "down": 70})
    return watch.frozen(layers, rate, arguments(learning_rate=rate), optimizer)


def test_a_learning_rate_that_is_too_small_for_a_layer() -> None:
    # γ = 0.5, thresholds at 0.25: the nearest weight is 0.15 away, 50 steps of 1e-4 reach 0.005.
    finding = frozen_finding(layer_with([[1.0, -0.1, 0.5, 0.4]]))
    assert finding.layers == ("up",)
    assert finding.seen == (
        "up: no flip in steps 20 to 70; 50 steps of 0.0001 reach 0.005, and 99 % of its weights are further than "
        "0.15 from a threshold (25% of its codes are 0)"
    )
    assert finding.advice == "Raise learning_rate 0.0001 -> 0.001"


def test_reasons_for_a_frozen_layer() -> None:
    weight = [[1.0, -0.1, 0.5, 0.4]]
    layer = layer_with(weight)
    layer.weight.grad = None
    assert frozen_finding(layer).seen.endswith("no gradient reaches it")
    layer = layer_with(weight)
    elsewhere = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=1.0)
    assert frozen_finding(layer, optimizer=elsewhere).seen.endswith(
        "the optimizer does not have its weight"
    )
    at_zero = torch.optim.SGD([layer.weight], lr=0.0)
    finding = frozen_finding(layer, optimizer=at_zero)
    assert finding.seen.endswith("the learning rate of its parameter group is 0")
    assert finding.advice.startswith("Set the group's lr 0 -> 0.0001")
    assert frozen_finding(layer_with([[0.0, 0.0]])).seen.endswith("all its codes are 0")
    layer = layer_with(weight)
    layer.quantization_strength = 0.25
    assert "to 70 at λ=0.25;" in frozen_finding(layer).seen
    assert frozen_finding(layer_with(weight), rate=0.1).seen.endswith(
        "its gradient is not zero, and 25% of its codes are 0"
    )


def test_a_layer_may_rest_when_the_schedule_has_run_out() -> None:
    watch, layers = LayerWatch(LayerLimits()), {"up": layer_with([[1.0, -1.0]])}
    watch.add(10, 1e-3, {"up": 5})
    for step in range(20, 101, 10):
        watch.note_gradients(layers)
        watch.add(step, 5e-5, {"up": 6})
    assert watch.suspects == []
    assert watch.frozen(layers, 5e-5, arguments(), None) is None


def test_a_layer_may_rest_at_the_end_of_a_schedule_that_was_resumed() -> None:
    callback = DiagnosisCallback()
    args, state = arguments(learning_rate=1e-3, get_warmup_steps=lambda steps: 0), TrainerState()
    state.log_history = [{"step": 10, "loss": 5.0, "learning_rate": 1e-3}]
    callback.on_train_begin(args, state, TrainerControl())
    layers = {"up": layer_with([[1.0, -1.0]])}
    for step in range(20, 101, 10):
        callback._watch.note_gradients(layers)
        callback._watch.add(step, 5e-5, {"up": 6})
    assert callback._watch.suspects == []


def flips_by_rate(late: int) -> Finding | None:
    """100 steps at 1e-2 with 10 of 1,000 codes a step, then 30 at 1e-3 with `late` of them."""
    watch = LayerWatch(LayerLimits())
    layers = {"up": layer_with([[1.0] * 1000])}
    total = 0
    for step in range(1, 131):
        total += 10 if step <= 100 else late
        watch.add(step, 1e-2 if step <= 100 else 1e-3, {"up": total})
    return watch.endless(layers, arguments(learning_rate=1e-2, projection="stochastic"))


def test_flips_without_end() -> None:
    finding = flips_by_rate(late=9)
    assert finding.seen == (
        "up: 0.90% of its codes flip in each step up to 130, 1.00% did at the highest learning rate, which has "
        "fallen to 30% of that or less"
    )
    assert finding.advice == (
        "Lower learning_rate 0.01 -> 0.0033, or use projection='latent', whose codes settle"
    )
    assert flips_by_rate(late=3) is None


def test_flips_are_counted_by_layer(tiny_llama: nn.Module) -> None:
    layer = layer_with([[1.0, -1.0, 0.1, 0.9]])
    model = nn.ModuleDict({"a": layer, "frozen": layer_with([[1.0]])})
    model["frozen"].weight.requires_grad_(False)
    layer.flip_count = 3
    assert flip_counts(model) == {"a": 3}
    assert take_flip_share(model) == 3 / 5
    assert flip_counts(model) == {"a": 3}, "the trainer's log does not reset them"
    layer.flip_count = torch.tensor(2)
    assert flip_counts(model) == {"a": 5}


# --- out of memory ------------------------------------------------------------------------------------

CPU_MESSAGE = "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 4000000000000 bytes."


def test_what_is_out_of_memory() -> None:
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert is_out_of_memory(RuntimeError(CPU_MESSAGE)) and is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("shapes do not match"))
    assert not is_out_of_memory(ValueError("DefaultCPUAllocator"))
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**60, dtype=torch.int8)
    assert is_out_of_memory(raised.value), "what PyTorch's CPU allocator says now"


def test_advice_on_memory() -> None:
    error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nGPU 0 has ...")
    finding = out_of_memory(error, 7, arguments())
    assert str(finding) == (
        "out of memory: after step 7, with per_device_train_batch_size=8, max_length=1024: CUDA out of memory. Tried "
        "to allocate 2 GiB. Halve per_device_train_batch_size 8 -> 4 and double gradient_accumulation_steps 2 -> 4, "
        "which learns the same."
    )
    single = arguments(per_device_train_batch_size=1)
    assert "gradient_checkpointing=True" in out_of_memory(error, 7, single).advice
    single.gradient_checkpointing = True
    assert "max_length 1024 -> 512" in out_of_memory(error, 7, single).advice
    single.max_length = None
    assert "Set max_length" in out_of_memory(error, 7, single).advice


# --- in a trainer -------------------------------------------------------------------------------------


class Spoil(TrainerCallback):
    """Calls a function of the model before a step."""

    def __init__(self, step: int, spoil: Any) -> None:
        self._step, self._spoil = step, spoil

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if state.global_step == self._step:
            self._spoil(kwargs["model"])


def put_nan(model: nn.Module) -> None:
    next(iter(ternary_layers(model).values())).weight.data[0, 0] = math.nan


def test_nan_in_training(make_trainer: MakeTrainer, caplog: pytest.LogCaptureFixture) -> None:
    diagnosis = DiagnosisCallback()
    trainer = make_trainer(trainer={"callbacks": [diagnosis, Spoil(3, put_nan)]}, max_steps=6)
    with caplog.at_level(logging.WARNING, "bitsft.training.diagnosis"):
        trainer.train()
    assert trainer.state.global_step == 6, "the run goes on"
    (finding,) = diagnosis.findings
    assert (finding.kind, finding.step) == ("nan", 4)
    assert [r.message for r in caplog.records if "diagnosis" in r.name] == [str(finding)]
    assert finding.as_dict()["kind"] == "nan"


def test_stop_on(make_trainer: MakeTrainer) -> None:
    diagnosis = DiagnosisCallback(stop_on=("nan",))
    trainer = make_trainer(
        trainer={"callbacks": [diagnosis, Spoil(3, put_nan)]}, max_steps=20, logging_steps=2
    )
    trainer.train()
    assert trainer.state.global_step == 4
    with pytest.raises(
        ValueError, match="stop_on=.*'diverging'.* is no tuple of kinds; choose from nan"
    ):
        DiagnosisCallback(stop_on=("diverging",))
    with pytest.raises(ValueError, match="stop_on='nan'"):
        DiagnosisCallback(stop_on="nan")
    with pytest.raises(ValueError, match="repeat_after=0"):
        DiagnosisCallback(repeat_after=0)


def test_a_layer_that_the_optimizer_does_not_have(make_trainer: MakeTrainer) -> None:
    name = "model.layers.1.mlp.up_proj"
    limits = LayerLimits(frozen_steps=10)
    diagnosis = DiagnosisCallback(layers=limits)
    trainer = make_trainer(trainer={"callbacks": [diagnosis]}, max_steps=24, logging_steps=2)
    weight = trainer.model.get_submodule(name).weight
    optimizer = trainer.create_optimizer()
    for group in optimizer.param_groups:
        group["params"] = [one for one in group["params"] if one is not weight]
    trainer.train()
    (finding,) = diagnosis.findings
    assert (finding.kind, finding.layers) == ("frozen_layer", (name,))
    assert finding.seen.endswith("the optimizer does not have its weight")


def test_out_of_memory_goes_on_as_it_is(
    make_trainer: MakeTrainer, caplog: pytest.LogCaptureFixture
) -> None:
    error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    def fail(model: nn.Module) -> None:
        raise error

    diagnosis = DiagnosisCallback()
    trainer = make_trainer(trainer={"callbacks": [diagnosis, Spoil(2, fail)]})
    with pytest.raises(torch.OutOfMemoryError) as raised:
        trainer.train()
    assert raised.value is error
    (finding,) = diagnosis.findings
    assert (finding.kind, finding.step) == ("out_of_memory", 2)
    assert "per_device_train_batch_size 2 -> 1" in caplog.text
    trainer = make_trainer(trainer={"callbacks": [Spoil(0, lambda model: 1 / 0)]})
    caplog.clear()
    with pytest.raises(ZeroDivisionError), out_of_memory_explained(trainer):
        trainer.train()
    assert "out of memory" not in caplog.text


def test_a_healthy_run_is_silent(make_trainer: MakeTrainer) -> None:
    diagnosis = DiagnosisCallback()
    sets = {"a": number_rows(4), "b": number_rows(6)}
    trainer = make_trainer(
        trainer={"callbacks": [diagnosis], "eval_dataset": sets},
        max_steps=60,
        eval_strategy="steps",
        eval_steps=20,
        logging_steps=5,
    )
    trainer.train()
    assert diagnosis.findings == []
    assert len(diagnosis._evaluated["a"]) == len(diagnosis._evaluated["b"]) == 3


def test_repeated_after_so_many_steps_and_not_again_on_resume() -> None:
    diagnosis = DiagnosisCallback(repeat_after=200)
    history = [
        {"step": step, "loss": math.nan, "learning_rate": 1e-3} for step in range(0, 500, 50)
    ]
    args = SFTConfig("unused", report_to="none", use_cpu=True, bf16=False)
    state = TrainerState(log_history=history, max_steps=1000, global_step=450)
    control = TrainerControl()
    diagnosis.on_train_begin(args, state, control)
    assert [finding.step for finding in diagnosis.findings] == [0, 200, 400]
    diagnosis.on_log(args, state, control, logs={"loss": math.nan, "learning_rate": 1e-3})
    assert len(diagnosis.findings) == 3, "said at step 400 before the run was stopped"
    state.global_step = 600
    diagnosis.on_log(args, state, control, logs={"loss": math.nan, "learning_rate": 1e-3})
    assert [finding.step for finding in diagnosis.findings] == [0, 200, 400, 600]


def test_with_trl_alone(tmp_path: Any, tiny_tokenizer: Any) -> None:
    """TRL's own trainer: the rules about losses work, those about flips are silent."""
    diagnosis = DiagnosisCallback(layers=LayerLimits(frozen_steps=2))
    trainer = SFTTrainer(
        new_llama(tiny_tokenizer, hidden_size=32, layers=1, heads=2, max_length=128),
        SFTConfig(
            str(tmp_path),
            max_steps=8,
            logging_steps=1,
            report_to="none",
            use_cpu=True,
            bf16=False,
            save_strategy="no",
            gradient_checkpointing=False,
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_list([{"text": "서울은 수도입니다."}] * 8),
        processing_class=tiny_tokenizer,
        callbacks=[diagnosis, Spoil(4, lambda model: model.lm_head.weight.data.fill_(math.nan))],
    )
    trainer.train()
    assert [finding.kind for finding in diagnosis.findings] == ["nan"]


def test_kinds_are_documented() -> None:
    from pathlib import Path

    page = (Path(__file__).parents[2] / "docs" / "diagnosis.md").read_text("utf-8")
    for kind in KINDS:
        assert f"`{kind}`" in page
