"""Invariants 1 and 3 of the design: no forward on stale codes, and exact resume."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback

from bitsft.ternary import BitLinear158, ternary_layers
from bitsft.ternary.quantize import quantize_weight
from bitsft.training import TernarySFTTrainer

from .conftest import MakeTrainer, number_rows


def assert_codes_are_fresh(model: torch.nn.Module) -> None:
    for name, layer in ternary_layers(model).items():
        codes, scale = quantize_weight(layer.weight, on_grid=layer.on_grid)
        held_codes, held_scale = layer.ternary()
        assert torch.equal(held_codes, codes), name
        assert torch.equal(held_scale, scale), name


class RawPointerSGD(torch.optim.Optimizer):
    """Writes through the storage, past the version counter, as fused 8-bit optimizers do."""

    def __init__(self, params: Any, lr: float = 0.5) -> None:
        super().__init__(params, {"lr": lr})

    def step(self, closure: Callable[[], float] | None = None) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    version = parameter._version
                    parameter.data.add_(parameter.grad, alpha=-group["lr"])
                    assert parameter._version == version


@pytest.fixture
def checked_forward(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Every forward of every layer compares the codes it uses with codes computed on the spot."""
    calls: list[int] = []
    original = BitLinear158.forward

    def forward(self: BitLinear158, x: torch.Tensor) -> torch.Tensor:
        codes, scale = quantize_weight(self.weight, on_grid=self.on_grid)
        used_codes, used_scale = self.ternary()
        assert torch.equal(used_codes, codes) and torch.equal(used_scale, scale), self.full_name
        calls.append(1)
        return original(self, x)

    monkeypatch.setattr(BitLinear158, "forward", forward)
    yield calls
    assert calls


OPTIMIZERS = [
    "adamw_torch",
    "adamw_torch_fused",
    "adafactor",
    "adamw_bnb_8bit",
    "paged_adamw_8bit",
    "lion_8bit",
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_no_forward_runs_on_stale_codes(
    make_trainer: MakeTrainer, checked_forward: list[int], optimizer: str
) -> None:
    trainer = make_trainer(
        optim=optimizer,
        learning_rate=1e-2,
        gradient_accumulation_steps=2,
        eval_strategy="steps",
        eval_steps=2,
        trainer={"eval_dataset": number_rows(2)},
    )
    trainer.train()
    assert any(e["flip_rate"] > 0 for e in trainer.state.log_history if "flip_rate" in e)


def test_an_optimizer_handed_in_that_writes_raw_pointers(
    make_trainer: MakeTrainer, checked_forward: list[int], tiny_llama: Any
) -> None:
    optimizer = RawPointerSGD(tiny_llama.parameters())
    trainer = make_trainer(model=tiny_llama, trainer={"optimizers": (optimizer, None)})
    trainer.train()
    assert any(e["flip_rate"] > 0 for e in trainer.state.log_history if "flip_rate" in e)
    trainer.train()  # a second call does not hook the optimizer twice
    assert len(optimizer._optimizer_step_post_hooks) == 1


@pytest.mark.parametrize(
    "event", ["on_step_begin", "on_optimizer_step", "on_step_end", "on_evaluate"]
)
def test_callbacks_that_edit_weights_behind_the_version_counter(
    make_trainer: MakeTrainer, checked_forward: list[int], event: str
) -> None:
    def edit(
        self: Any, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any
    ) -> None:
        model.model.layers[0].mlp.up_proj.weight.data.neg_()

    editor = type("Editor", (TrainerCallback,), {event: edit})()
    trainer = make_trainer(
        eval_strategy="steps",
        eval_steps=1,
        trainer={"eval_dataset": number_rows(2), "callbacks": [editor]},
    )
    trainer.train()
    assert len(checked_forward) > 4 * 14, "every layer, in training and in evaluation"


def test_load_state_dict_and_casting_inside_training(
    make_trainer: MakeTrainer, checked_forward: list[int]
) -> None:
    class Restore(TrainerCallback):
        def on_train_begin(self, args, state, control, model=None, **kwargs):  # type: ignore[no-untyped-def]
            self.start = {k: v.clone() for k, v in model.state_dict().items()}

        def on_step_end(self, args, state, control, model=None, **kwargs):  # type: ignore[no-untyped-def]
            model.load_state_dict(self.start)

    make_trainer(trainer={"callbacks": [Restore()]}).train()
    assert len(checked_forward) == 4 * 14


class Killed(Exception):
    pass


class KillAfter(TrainerCallback):
    """Ends the run in the middle of a step, as a machine that goes away does."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_begin(self, args, state, control, **kwargs):  # type: ignore[no-untyped-def]
        if state.global_step == self.step:
            raise Killed


MODES: dict[str, dict[str, Any]] = {
    "latent": {},
    "stochastic": {"projection": "stochastic"},
    "warm-up and clipping": {"quantization_warmup_ratio": 0.8, "latent_clip": 2.0},
    "bf16 autocast and accumulation": {"bf16": True, "gradient_accumulation_steps": 2},
    "8-bit optimizer": {"optim": "adamw_bnb_8bit"},
}


@pytest.mark.parametrize("mode", list(MODES))
def test_a_killed_run_resumes_to_the_same_bits(
    make_trainer: MakeTrainer, tmp_path: Path, mode: str
) -> None:
    settings = {"max_steps": 6, "save_strategy": "steps", "save_steps": 2, **MODES[mode]}

    def run(name: str, callbacks: list[TrainerCallback], resume: bool) -> TernarySFTTrainer:
        trainer = make_trainer(
            output_dir=str(tmp_path / name), trainer={"callbacks": callbacks}, **settings
        )
        trainer.train(resume_from_checkpoint=resume)
        return trainer

    uninterrupted = run("whole", [], False)
    with pytest.raises(Killed):
        run("killed", [KillAfter(5)], False)
    resumed = run("killed", [], True)
    assert resumed.state.global_step == 6
    expected = uninterrupted.model.state_dict()
    for name, tensor in resumed.model.state_dict().items():
        assert torch.equal(tensor, expected[name]), name
    shares = [
        [e["share_0"] for e in t.state.log_history if "share_0" in e]
        for t in (uninterrupted, resumed)
    ]
    assert shares[0] == shares[1]


def test_checkpoints_hold_latent_weights_under_their_own_names(
    make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    make_trainer(save_strategy="steps", save_steps=4).train()
    tensors = load_file(tmp_path / "run" / "checkpoint-4" / "model.safetensors")
    weight = tensors["model.layers.0.mlp.up_proj.weight"]
    assert weight.dtype == torch.float32 and len(weight.abs().unique()) > 100
    assert not any("scale" in name for name in tensors)


def test_a_packed_model_trains_on_from_the_same_codes(
    make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    first = make_trainer()
    first.train()
    first.save_model(str(tmp_path / "packed"))
    second = make_trainer(
        model=str(tmp_path / "packed"), trainer={"processing_class": None}, learning_rate=0.0
    )
    second.train()
    ids = torch.tensor([[5, 6, 7, 8]])
    expected = first.model.eval()(ids).logits
    torch.testing.assert_close(second.model.eval()(ids).logits, expected, rtol=1e-4, atol=1e-4)
    for name, layer in ternary_layers(second.model).items():
        assert torch.equal(layer.ternary()[0], ternary_layers(first.model)[name].ternary()[0]), name
    third = make_trainer(
        model=str(tmp_path / "packed"), trainer={"processing_class": None}, learning_rate=1e-2
    )
    third.train()
    assert any(e["flip_rate"] > 0 for e in third.state.log_history if "flip_rate" in e)
