"""The signal fades to exactly nothing, and nothing of it is saved."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, TrainerCallback

from bitsft.ternary import ternary_layers
from bitsft.training.stabilisers.dead_zone import dead_zone_strength_at

from ..conftest import MakeTrainer, number_rows


@pytest.mark.parametrize(
    ("step", "expected"), [(0, 0.5), (20, 0.375), (40, 0.25), (79, 0.00625), (80, 0.0), (99, 0.0)]
)
def test_linear_to_four_fifths(step: int, expected: float) -> None:
    assert dead_zone_strength_at(0.5, step, 100) == pytest.approx(expected, abs=1e-12)


class Strengths(TrainerCallback):
    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_substep_end(self, args, state, control, model=None, **kwargs):  # type: ignore[no-untyped-def]
        self.seen += {layer.dead_zone_strength for layer in ternary_layers(model).values()}


def test_in_the_trainer_and_gone_from_the_saved_model(
    make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    strengths = Strengths()
    trainer = make_trainer(
        max_steps=5,
        dead_zone_strength=0.4,
        gradient_accumulation_steps=2,
        trainer={"callbacks": [strengths]},
    )
    trainer.train()
    assert strengths.seen == pytest.approx([0.4, 0.3, 0.2, 0.1, 0.0])
    assert strengths.seen[-1] == 0.0
    trainer.save_model(str(tmp_path / "saved"))
    ids = torch.tensor([[5, 6, 7, 8]])
    stock = AutoModelForCausalLM.from_pretrained(tmp_path / "saved").eval()
    torch.testing.assert_close(
        stock(ids).logits, trainer.model.train()(ids).logits, rtol=1e-4, atol=1e-4
    )


class BreaksOff(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):  # type: ignore[no-untyped-def]
        raise KeyboardInterrupt


def test_a_run_that_broke_off_leaves_nothing_to_the_next_trainer(make_trainer: MakeTrainer) -> None:
    broken = make_trainer(dead_zone_strength=0.4, trainer={"callbacks": [BreaksOff()]})
    with pytest.raises(KeyboardInterrupt):
        broken.train()
    strengths = Strengths()
    make_trainer(
        broken.model, gradient_accumulation_steps=2, trainer={"callbacks": [strengths]}
    ).train()
    assert strengths.seen == [0.0] * 4


def test_evaluation_of_the_same_weights_is_the_same(make_trainer: MakeTrainer) -> None:
    losses = []
    for strength in (0.0, 1.0):
        trainer = make_trainer(
            dead_zone_strength=strength,
            learning_rate=0.0,
            max_steps=1,
            eval_strategy="steps",
            eval_steps=1,
            trainer={"eval_dataset": number_rows(2)},
        )
        trainer.train()
        log = trainer.state.log_history
        losses.append([e[k] for k in ("loss", "eval_loss") for e in log if k in e])
    assert losses[0][1] == losses[1][1] and losses[0][0] != losses[1][0]


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_gradient_checkpointing_changes_nothing(
    make_trainer: MakeTrainer, use_reentrant: bool
) -> None:
    plain = make_trainer(dead_zone_strength=0.5, bf16=True)
    plain.train()
    recomputed = make_trainer(
        dead_zone_strength=0.5,
        bf16=True,
        gradient_checkpointing=True,
        gradient_checkpointing_kwargs={"use_reentrant": use_reentrant},
    )
    recomputed.train()
    for name, tensor in recomputed.model.state_dict().items():
        assert torch.equal(tensor, plain.model.state_dict()[name]), name
