"""`projection="stochastic"` in the trainer: its optimizer, resuming, what it refuses."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback

from bitsft.scratch import new_llama
from bitsft.ternary import BitLinear158, replace_linear_with_bitlinear, ternary_layers
from bitsft.ternary.held_codes import codes_at_each_use, hold_codes
from bitsft.training import TernarySFTConfig
from bitsft.training.latent_free import (
    LatentFreeOptimizer,
    check_latent_free_fits,
    latent_free_optimizer,
)

from ..conftest import MakeTrainer, number_rows


def optimizer_of(trainer: Any) -> LatentFreeOptimizer:
    optimizer = trainer.optimizer
    while not isinstance(optimizer, LatentFreeOptimizer):
        optimizer = optimizer.optimizer
    return optimizer


def test_scales_move_and_rates_fall_with_the_schedule(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(projection="stochastic", dense_learning_rate=1e-4)
    replaced = trainer.model.model.layers[0].mlp.up_proj
    before = replaced.ternary()[1].item()
    trainer.train()
    after = replaced.ternary()[1].item()
    assert 0 < abs(after / before - 1) < 4e-3  # four steps of a thousandth of itself, at most
    rates = [entry["learning_rate"] for entry in trainer.state.log_history if "loss" in entry]
    assert rates == pytest.approx([0.02, 0.015, 0.01, 0.005])
    grid, *dense = optimizer_of(trainer).param_groups
    assert grid["grid"] and len(grid["params"]) == 14
    assert {group["initial_lr"] for group in dense} == {1e-4}


def test_a_resumed_run_ends_with_the_same_bits(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    settings = {"projection": "stochastic", "save_strategy": "steps", "save_steps": 2}
    whole = make_trainer(**settings)
    whole.train()
    torch.rand(3)  # wherever the global generator stands
    resumed = make_trainer(output_dir=str(tmp_path / "other"), **settings)
    resumed.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-2"))
    expected = whole.model.state_dict()
    for name, value in resumed.model.state_dict().items():
        assert torch.equal(value, expected[name]), name
    for weight, state in optimizer_of(resumed).state.items():
        if "position" in state:
            assert state["position"].dtype == torch.int8 and state["scale"].dtype == torch.float32
            assert weight.shape == state["position"].shape


def test_weights_written_by_others_are_where_the_next_training_starts(
    make_trainer: MakeTrainer,
) -> None:
    trainer = make_trainer(projection="stochastic", max_steps=1)
    trainer.train()
    layer = trainer.model.model.layers[0].mlp.up_proj
    with torch.no_grad():
        layer.weight.copy_(torch.full_like(layer.weight, 0.125))
    optimizer_of(trainer).follow_weights()
    state = optimizer_of(trainer).state[layer.weight]
    assert state["scale"].item() == 0.125 and bool((state["position"] == 64).all())
    untouched = trainer.model.model.layers[1].mlp.up_proj
    assert optimizer_of(trainer).state[untouched.weight]["row_square"].any()


def test_dense_parameters_move_as_under_adamw(tiny_llama: torch.nn.Module) -> None:
    replace_linear_with_bitlinear(tiny_llama)
    layers = list(ternary_layers(tiny_llama).values())
    norm = tiny_llama.get_parameter("model.norm.weight")
    twin = torch.nn.Parameter(norm.detach().clone())
    ours = LatentFreeOptimizer(layers, [{"params": [norm], "weight_decay": 0.1}], lr=1e-2)
    reference = torch.optim.AdamW([twin], lr=1e-2, weight_decay=0.1)
    for step in range(3):
        norm.grad = torch.sin(torch.arange(norm.numel()) + step).float()
        twin.grad = norm.grad.clone()
        ours.step()
        reference.step()
    assert torch.equal(norm, twin)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optim": "adafactor"}, "brings its own optimizer, which optim='adafactor' would replace"),
        ({"grid_learning_rate": 0.0}, "grid_learning_rate is 0.0; it is in units of the scale"),
        ({"scale_learning_rate": 1.0}, "scale_learning_rate is 1.0; it is the share of itself"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused(
    make_trainer: MakeTrainer, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make_trainer(projection="stochastic", **settings)


def test_an_optimizer_from_outside_is_refused(make_trainer: MakeTrainer, tiny_tokenizer) -> None:  # type: ignore[no-untyped-def]
    model = new_llama(tiny_tokenizer, hidden_size=32, layers=1, heads=4, max_length=64)
    outside = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match="an optimizer given to the trainer would replace"):
        make_trainer(model, projection="stochastic", trainer={"optimizers": (outside, None)})


def test_the_optimizer_refuses_what_it_cannot_do(tiny_llama: torch.nn.Module) -> None:
    with pytest.raises(ValueError, match="no ternary layer to train"):
        LatentFreeOptimizer([])
    replace_linear_with_bitlinear(tiny_llama)
    layers = list(ternary_layers(tiny_llama).values())
    with pytest.raises(ValueError, match="grid_lr is 0.0"):
        LatentFreeOptimizer(layers, grid_lr=0.0)
    with pytest.raises(ValueError, match="takes no closure"):
        LatentFreeOptimizer(layers).step(lambda: 0.0)


def test_a_matrix_that_starts_anew_takes_steps_of_usual_size(tiny_llama: torch.nn.Module) -> None:
    replace_linear_with_bitlinear(tiny_llama)
    layer = next(iter(ternary_layers(tiny_llama).values()))
    optimizer = LatentFreeOptimizer([layer], grid_lr=0.05, scale_lr=0.0)
    for _ in range(20):
        layer.weight.grad = torch.ones_like(layer.weight)
        optimizer.step()
    with torch.no_grad():
        layer.weight.zero_()
    optimizer.follow_weights()
    optimizer.step()
    # 0.05 of 64, rounded up or down: averages that start anew beside an old number of steps gave -100
    assert set(optimizer.state[layer.weight]["position"].unique().tolist()) == {-4, -3}


def test_no_codes_are_kept_and_flips_are_those_of_the_weights(make_trainer: MakeTrainer) -> None:
    class Watch(TrainerCallback):
        def __init__(self) -> None:
            self.kept: list[bool] = []
            self.flips = 0

        def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):  # type: ignore[no-untyped-def]
            self.before = {n: layer.weight.sign() for n, layer in ternary_layers(model).items()}
            self.kept += [layer._held is not None for layer in ternary_layers(model).values()]

        def on_optimizer_step(self, args, state, control, model=None, **kwargs):  # type: ignore[no-untyped-def]
            for name, layer in ternary_layers(model).items():
                self.flips += int((layer.weight.sign() != self.before[name]).sum())

    watch = Watch()
    trainer = make_trainer(
        projection="stochastic", grid_learning_rate=0.2, trainer={"callbacks": [watch]}
    )
    trainer.train()
    assert len(watch.kept) == 4 * 14 and not any(watch.kept)
    weights = sum(layer.weight.numel() for layer in ternary_layers(trainer.model).values())
    rates = [entry["flip_rate"] for entry in trainer.state.log_history if "flip_rate" in entry]
    assert watch.flips > 0 and sum(rates) == pytest.approx(watch.flips / weights)


def test_codes_computed_at_each_use_give_the_same_bits(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = []
    for way in (codes_at_each_use, hold_codes):
        monkeypatch.setattr("bitsft.training.trainer.codes_at_each_use", way)
        trainer = make_trainer(
            projection="stochastic",
            gradient_accumulation_steps=2,
            eval_strategy="steps",
            eval_steps=2,
            trainer={"eval_dataset": number_rows(4)},
        )
        trainer.train()
        results.append((trainer.model.state_dict(), trainer.state.log_history))
    (spared, spared_log), (held, held_log) = results
    for name, value in spared.items():
        assert torch.equal(value, held[name]), name
    for key in ("flip_rate", "eval_loss"):
        found = [entry[key] for entry in spared_log if key in entry]
        assert found and found == [entry[key] for entry in held_log if key in entry]


def test_the_rounding_noise_is_another_for_each_seed_step_and_matrix() -> None:
    def moves(seed: int) -> list[torch.Tensor]:
        """How far 0.64 of a position leads each weight: two steps of two like matrices."""
        layers = [BitLinear158(16, 16, bias=False) for _ in range(2)]
        for layer in layers:
            torch.nn.init.constant_(layer.weight, 0.5)
        optimizer = LatentFreeOptimizer(layers, grid_lr=0.01, scale_lr=0.0, seed=seed)
        found = []
        for _ in range(2):
            before = [optimizer.state[layer.weight]["position"].clone() for layer in layers]
            for layer in layers:
                layer.weight.grad = torch.ones_like(layer.weight)
            optimizer.step()
            after = [optimizer.state[layer.weight]["position"] for layer in layers]
            found += [new - old for new, old in zip(after, before, strict=True)]
        return found

    first, again, other = moves(0), moves(0), moves(1)
    assert all(set(one.unique().tolist()) == {-1, 0} for one in first)
    assert all(torch.equal(one, same) for one, same in zip(first, again, strict=True))
    for number, one in enumerate([*first, *other]):
        for another in [*first, *other][:number]:
            assert 32 < (one != another).sum() < 224


def test_every_setting_reaches_the_steps() -> None:
    layer = BitLinear158(4, 2, bias=False)
    norm = torch.nn.Parameter(torch.ones(2))
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.5, 0.0, -0.5, 0.0], [0.0, 0.5, 0.5, -0.5]]))
    layer.on_grid = True
    optimizer = LatentFreeOptimizer(
        [layer],
        [{"params": [norm]}],
        lr=0.1,
        betas=(0.5, 0.75),
        eps=1.0,
        grid_lr=0.02,
        scale_lr=0.1,
        weight_decay=0.5,
    )
    for sign in (1, -1):
        layer.weight.grad = sign * torch.tensor([[1.0, -2.0, 0.5, 4.0], [-1.0, 0.0, 3.0, 2.0]])
        norm.grad = sign * torch.tensor([1.0, 3.0])
        optimizer.step()
    # AdamW: 1 - 0.1·g/(g + 1), then plus 0.1·(g/3)/(g + 1): mean -0.25·g / 0.75, square g²
    assert norm.tolist() == pytest.approx([1 - 0.1 / 2 + 0.1 / 6, 1 - 0.3 / 4 + 0.1 / 4])
    # γ as in test_grid_step.py, 0.95 of it left by decay in each step
    first = -1.5 * 0.5 * 0.95 * math.exp(-0.1)
    mean, square = (0.375 + first) / 2 / 0.75, (0.75 * 0.140625 + 0.25 * first**2) / 0.4375
    scale = 0.5 * 0.95**2 * math.exp(-0.1) * math.exp(-0.1 * mean / math.sqrt(square))
    assert optimizer.state[layer.weight]["scale"].item() == pytest.approx(scale, rel=1e-5)


def test_a_rate_of_a_whole_code_is_the_largest(tmp_path: Path) -> None:
    assert TernarySFTConfig(str(tmp_path), grid_learning_rate=1.0).grid_learning_rate == 1.0
    with pytest.raises(ValueError, match=r"grid_learning_rate is 1\.1; .* at most 1"):
        TernarySFTConfig(str(tmp_path), projection="stochastic", grid_learning_rate=1.1)


@pytest.mark.parametrize(("name", "engine"), [("deepspeed", "DeepSpeed"), ("fsdp", "FSDP")])
def test_weights_in_partitions_are_refused(tmp_path: Path, name: str, engine: str) -> None:
    args = TernarySFTConfig(str(tmp_path), projection="stochastic", optim="adamw_torch_fused")
    where = {"deepspeed": False, "fsdp": False}
    check_latent_free_fits(args, optimizer_given=False, **where)
    with pytest.raises(ValueError, match=f"{engine} keeps the weights in partitions"):
        check_latent_free_fits(args, optimizer_given=False, **{**where, name: True})


def test_the_arguments_reach_the_optimizer(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(
        projection="stochastic",
        grid_learning_rate=0.04,
        scale_learning_rate=0.002,
        learning_rate=3e-4,
        weight_decay=0.2,
        dense_weight_decay=0.1,
        adam_beta1=0.8,
        adam_beta2=0.95,
        adam_epsilon=1e-6,
        seed=7,
    )
    optimizer = latent_free_optimizer(trainer.model, trainer.args, ["model.embed_tokens.weight"])
    grid, decaying, rest = optimizer.param_groups
    assert (grid["lr"], grid["weight_decay"], grid["seed"]) == (0.04, 0.2, 7)
    assert grid["scale_lr_by_lr"] == pytest.approx(0.05)
    assert [id(p) for p in decaying["params"]] == [id(trainer.model.get_input_embeddings().weight)]
    assert (decaying["weight_decay"], rest["weight_decay"]) == (0.1, 0.0)
    for group in (decaying, rest):
        assert (group["lr"], group["betas"], group["eps"]) == (3e-4, (0.8, 0.95), 1e-6)
    assert grid["betas"] == (0.8, 0.95)
