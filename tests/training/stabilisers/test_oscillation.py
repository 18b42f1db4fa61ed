"""Codes that go forth and back are found, frozen where they were more often, and stay there."""

import torch
from torch import Tensor
from transformers import TrainerCallback

from bitsft.ternary import BitLinear158, hold_codes, ternary_layers
from bitsft.ternary.quantize import absmean_scale, quantize_weight
from bitsft.training import TernarySFTTrainer
from bitsft.training.stabilisers.oscillation import (
    FREE,
    CodeHistory,
    OscillationFreezer,
    clamp_to_cells_,
)

from ..conftest import MakeTrainer


def history_of(*steps: list[int]) -> CodeHistory:
    history = CodeHistory.from_codes(torch.tensor([steps[0]], dtype=torch.int8))
    for codes in steps[1:]:
        history.add(torch.tensor([codes], dtype=torch.int8))
    return history


def test_a_reversal_is_a_change_against_the_last_one() -> None:
    history = history_of([0, 0, -1, 1], [1, 0, 0, 1], [0, 0, 1, 0], [1, 0, 0, 1])
    assert history.direction.tolist() == [[1, 0, -1, 1]]
    # 0.01 at the first reversal, times 0.99 plus 0.01 at the next step if it reverses again
    torch.testing.assert_close(
        history.reversals.float(), torch.tensor([[0.0199, 0.0, 0.01, 0.01]]), rtol=2e-3, atol=0
    )
    assert history.frozen.tolist() == [[FREE] * 4]


def test_the_third_reversal_freezes_at_the_code_that_was_more_frequent() -> None:
    # The first weight: 1 once at the start, then 0; the second: the other way round. Changes follow at once.
    rest = [[0, 1]] * 120
    history = history_of([1, 0], *rest, [1, 0], [0, 1])
    assert history.frozen.tolist() == [[FREE, FREE]], "a first change and two reversals"
    history.add(torch.tensor([[1, 0]], dtype=torch.int8))
    assert history.frozen.tolist() == history.codes.tolist() == [[0, 1]]
    history.add(torch.tensor([[1, 0]], dtype=torch.int8))
    assert history.frozen.tolist() == history.codes.tolist() == [[0, 1]], "for good"


def test_frozen_weights_are_moved_by_the_least_that_keeps_their_code() -> None:
    layer = BitLinear158(4, 2, bias=False)
    weight = torch.tensor([[1.0, -1.0, 0.2, 0.9], [-0.2, 1.0, 2.7, -1.0]])  # γ = 1
    frozen = torch.tensor([[FREE, -1, 1, 0], [-1, 0, FREE, 1]], dtype=torch.int8)
    with torch.no_grad():
        layer.weight.copy_(weight)
        clamp_to_cells_(layer, frozen)
    expected = torch.tensor([[1.0, -1.0, 0.55, 0.45], [-0.55, 0.45, 2.7, 0.55]])
    torch.testing.assert_close(layer.weight.detach(), expected)


def shake(steps: int, freezer: OscillationFreezer | None) -> list[int]:
    """Flips at each step of a layer whose first row is pushed over the edge and back."""
    torch.manual_seed(0)
    layer = BitLinear158(32, 8, bias=False)
    flips = []
    with hold_codes(layer), torch.no_grad():
        for _ in range(20):  # γ depends on the row, too
            edge = absmean_scale(layer.weight) / 2
            layer.weight[0] = 0.9 * edge
        for step in range(steps):
            layer.weight[0] += 0.2 * edge * (-1) ** step
            if freezer is not None:
                freezer.after_optimizer_step({"layer": layer})
            layer.drop_codes()
            layer.ternary()
            flips.append(int(layer.flip_count))
            layer.flip_count = 0
    return flips


def test_oscillating_codes_stop_flipping() -> None:
    assert min(shake(20, None)[1:]) >= 32
    freezer = OscillationFreezer()
    flips = shake(20, freezer)
    assert min(flips[1:5]) >= 32 and flips[5:] == [0] * 15
    assert freezer.frozen_weights() == max(flips), "no other code"


def test_state_goes_through_names_and_comes_back() -> None:
    layer = BitLinear158(4, 2, bias=False)
    freezer = OscillationFreezer()
    assert freezer.state() == {}
    for _ in range(3):
        freezer.after_optimizer_step({"a.b": layer})
    state: dict[str, Tensor] = freezer.state()
    assert {name: t.dtype for name, t in state.items()} == {
        "a.b.codes": torch.int8,
        "a.b.direction": torch.int8,
        "a.b.reversals": torch.float16,
        "a.b.mean": torch.float16,
        "a.b.frozen": torch.int8,
    }
    assert sum(t.element_size() for t in state.values()) == 7, "bytes for each weight"
    other = OscillationFreezer()
    other.load_state(state, {"a.b": layer})
    assert all(torch.equal(t, state[name]) for name, t in other.state().items())


class FrozenCodes(TrainerCallback):
    """After each step, every frozen weight's projection is the code that it was frozen at."""

    trainer: TernarySFTTrainer
    checked = 0

    def on_step_end(self, args, state, control, model=None, **kwargs):  # type: ignore[no-untyped-def]
        state_tensors = self.trainer._projection.stabilisers._freezer.state()
        for name, layer in ternary_layers(model).items():
            if f"{name}.frozen" in state_tensors:
                frozen = state_tensors[f"{name}.frozen"]
                codes, _ = quantize_weight(layer.weight)
                assert torch.equal(codes[frozen != FREE], frozen[frozen != FREE]), name
                self.checked += int((frozen != FREE).sum())


def test_in_the_trainer_only_in_the_last_share_of_the_steps(make_trainer: MakeTrainer) -> None:
    watch = FrozenCodes()
    trainer = make_trainer(
        max_steps=40,
        learning_rate=1e-2,
        lr_scheduler_type="constant",
        freeze_oscillating_ratio=0.8,
        trainer={"callbacks": [watch]},
    )
    watch.trainer = trainer
    trainer.train()
    shares = [e["frozen_share"] for e in trainer.state.log_history if "frozen_share" in e]
    assert shares[:8] == [0.0] * 8 and 0 < shares[-1] < 0.5
    assert shares == sorted(shares), "once frozen, always frozen"
    assert watch.checked > 100


def test_without_the_option_nothing_is_logged(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(max_steps=1)
    trainer.train()
    assert not any("frozen_share" in entry for entry in trainer.state.log_history)


def test_each_row_is_held_to_cells_of_its_own_scale() -> None:
    layer = BitLinear158(4, 2, bias=False, granularity="row")
    row = torch.tensor([1.0, -1.0, 0.2, 1.8])  # γ = 1, of the second row 10
    with torch.no_grad():
        layer.weight.copy_(torch.stack([row, 10 * row]))
        clamp_to_cells_(layer, torch.tensor([[0, FREE, 1, FREE]] * 2, dtype=torch.int8))
    held = torch.tensor([0.45, -1.0, 0.55, 1.8])
    torch.testing.assert_close(layer.weight.detach(), torch.stack([held, 10 * held]))
