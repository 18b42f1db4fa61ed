"""The moving average: its numbers, and that it is what is evaluated, saved and left in the model."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import EarlyStoppingCallback, TrainerCallback

import bitsft
from bitsft.ternary import ternary_layers
from bitsft.ternary.quantize import quantize_weight
from bitsft.training.stabilisers.latent_average import LatentAverage

from ..conftest import MakeTrainer, number_rows


def test_numbers_worked_out_by_hand() -> None:
    model = nn.Linear(1, 1)
    nn.init.zeros_(model.weight)
    model.bias.requires_grad_(False)
    average = LatentAverage(0.25)
    average.begin(model)
    expected = 0.0
    for step, (weight, decay) in enumerate([(1.0, 1 / 10), (2.0, 2 / 11), (-1.0, 0.25)]):
        nn.init.constant_(model.weight, weight)
        average.after_optimizer_step(model, step)
        expected = decay * expected + (1 - decay) * weight
    assert set(average.state()) == {"weight"}, "what is not trained has no average"
    assert average.state()["weight"].item() == pytest.approx(expected, rel=1e-6)
    with average.in_place_of_live_weights(model):
        assert model.weight.item() == pytest.approx(expected, rel=1e-6)
    assert model.weight.item() == -1.0


class LiveWeights(TrainerCallback):
    """Latent weights and dense ones after each step, to average again."""

    def __init__(self) -> None:
        self.steps: list[dict[str, torch.Tensor]] = []

    def _remember(self, model: nn.Module) -> None:
        self.steps.append({k: v.clone() for k, v in model.state_dict().items()})

    def on_train_begin(self, args, state, control, model=None, **kwargs):  # type: ignore[no-untyped-def]
        self._remember(model)

    def on_step_end(self, args, state, control, model=None, **kwargs):  # type: ignore[no-untyped-def]
        self._remember(model)

    def average(self, decay: float) -> dict[str, torch.Tensor]:
        average = {k: v.double() for k, v in self.steps[0].items()}
        for step, weights in enumerate(self.steps[1:]):
            d = min(decay, (1 + step) / (10 + step))
            average = {k: d * average[k] + (1 - d) * v.double() for k, v in weights.items()}
        return {k: v.float() for k, v in average.items()}


def test_the_final_model_is_the_projection_of_the_average(
    make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    live = LiveWeights()
    trainer = make_trainer(max_steps=12, latent_average_decay=0.9, trainer={"callbacks": [live]})
    trainer.train()
    average = live.average(0.9)
    differ = 0
    for name, layer in ternary_layers(trainer.model).items():
        codes, scale = quantize_weight(average[f"{name}.weight"])
        assert (layer.ternary()[0] != codes).float().mean() < 2e-3, "rounding at the edges"
        torch.testing.assert_close(layer.ternary()[1], scale)
        differ += int((quantize_weight(live.steps[-1][f"{name}.weight"])[0] != codes).sum())
    assert differ > 100, "the live weights project to other codes"
    norm = "model.norm.weight"
    torch.testing.assert_close(trainer.model.state_dict()[norm], average[norm])

    trainer.save_model(str(tmp_path / "saved"))
    ids = torch.tensor([[5, 6, 7]])
    saved = bitsft.load_ternary(tmp_path / "saved").eval()
    torch.testing.assert_close(saved(ids).logits, trainer.model.eval()(ids).logits)


def test_evaluation_sees_the_average_and_training_does_not(
    make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    settings = {"max_steps": 6, "eval_strategy": "steps", "eval_steps": 3, "logging_steps": 1}
    rows = {"eval_dataset": number_rows(4)}
    plain = make_trainer(**settings, trainer=rows)
    plain.train()
    averaged = make_trainer(**settings, latent_average_decay=0.9, trainer=rows)
    averaged.train()
    logs = [t.state.log_history for t in (plain, averaged)]
    for key in ("loss", "flip_rate", "share_0"):
        values = [[entry[key] for entry in log if key in entry] for log in logs]
        assert values[0] == values[1], f"{key} is the live weights'"
    losses = [[entry["eval_loss"] for entry in log if "eval_loss" in entry] for log in logs]
    assert losses[0] != losses[1]
    assert averaged.evaluate()["eval_loss"] == pytest.approx(losses[1][-1], rel=1e-5)


class SaveInTheMiddle(TrainerCallback):
    def on_step_end(self, args, state, control, model=None, **kwargs):  # type: ignore[no-untyped-def]
        if state.global_step == 2:
            self.before = {k: v.clone() for k, v in model.state_dict().items()}
            self.trainer.save_model(str(self.folder))
            assert all(torch.equal(v, self.before[k]) for k, v in model.state_dict().items())


def test_a_packed_model_saved_while_training_holds_the_average(
    make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    saver, live = SaveInTheMiddle(), LiveWeights()
    trainer = make_trainer(latent_average_decay=0.9, trainer={"callbacks": [live, saver]})
    saver.trainer, saver.folder = trainer, tmp_path / "middle"
    trainer.train()
    live.steps = live.steps[:3]
    saved = load_file(tmp_path / "middle" / "model.safetensors")
    torch.testing.assert_close(saved["model.norm.weight"], live.average(0.9)["model.norm.weight"])


def test_the_best_model_is_the_average_of_the_best_checkpoint(
    make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    trainer = make_trainer(
        max_steps=8,
        learning_rate=0.5,  # gets worse, so that the first evaluation stays the best
        lr_scheduler_type="constant",
        latent_average_decay=0.9,
        eval_strategy="steps",
        eval_steps=1,
        save_strategy="steps",
        save_steps=1,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        trainer={
            "eval_dataset": number_rows(4),
            "callbacks": [EarlyStoppingCallback(early_stopping_patience=2)],
        },
    )
    trainer.train()
    best = Path(trainer.state.best_model_checkpoint)
    assert trainer.state.global_step == trainer.state.best_global_step + 2, "stopped early"
    average = load_file(best / "stabilisers.safetensors")["average.model.norm.weight"]
    assert torch.equal(trainer.model.state_dict()["model.norm.weight"], average)
    expected = min(e["eval_loss"] for e in trainer.state.log_history if "eval_loss" in e)
    assert trainer.evaluate()["eval_loss"] == pytest.approx(expected, rel=1e-5)


def test_latent_weights_that_stay_are_averaged(make_trainer: MakeTrainer) -> None:
    live = LiveWeights()
    trainer = make_trainer(
        latent_average_decay=0.9, keep_latent_weights=True, trainer={"callbacks": [live]}
    )
    trainer.train()
    for name, tensor in live.average(0.9).items():
        torch.testing.assert_close(trainer.model.state_dict()[name], tensor, msg=name)
