"""One step of one matrix: against the formulas written out, its expectation, its scale."""

import pytest
import torch

from bitsft.training.latent_free import grid_step as module
from bitsft.training.latent_free.grid_step import grid_step, is_state_of, new_state

CODES = torch.tensor([[1, 0, -1, 0], [0, 1, 1, -1]], dtype=torch.int8)
GRADIENT = torch.tensor([[1.0, -2.0, 0.5, 4.0], [-1.0, 0.0, 3.0, 2.0]])


def step(weight: torch.Tensor, gradient: torch.Tensor, state, **settings):  # type: ignore[no-untyped-def]
    generator = settings.pop("generator", torch.Generator().manual_seed(0))
    options = {"rate": 0.0, "scale_rate": 0.0, "weight_decay": 0.0, "betas": (0.9, 0.999)}
    return grid_step(weight, gradient, state, generator=generator, **(options | settings))


def start(scale: float = 0.5, dtype: torch.dtype = torch.float32):  # type: ignore[no-untyped-def]
    weight = (CODES * scale).to(dtype)
    return weight, new_state(weight, CODES, torch.tensor(scale))


def test_positions_of_latent_weights_are_sixty_fourths_of_the_scale_on_the_side_of_their_code() -> (
    None
):
    latent = torch.tensor([[0.25, 0.2499, -0.125, 5.0], [-0.25, 0.26, 0.0, -0.7]])
    codes = torch.tensor([[0, 0, 0, 1], [0, 1, 0, -1]], dtype=torch.int8)  # ties go to even, to 0
    state = new_state(latent, codes, torch.tensor(0.5))
    assert state["position"].tolist() == [[31, 31, -16, 127], [-31, 33, 0, -90]]


def test_a_step_is_the_gradient_over_its_factored_root_in_units_of_the_scale() -> None:
    # Row means of g²: 5.3125, 3.5; column means: 1, 2, 4.625, 10; their mean 4.40625.
    moved = torch.zeros(2, 4)
    for seed in range(400):
        weight, state = start()
        step(weight, GRADIENT, state, rate=0.1, generator=torch.Generator().manual_seed(seed))
        moved += state["position"].float() / 64 - CODES
    rows, columns = torch.tensor([[5.3125], [3.5]]), torch.tensor([[1.0, 2.0, 4.625, 10.0]])
    expected = -0.1 * GRADIENT / (rows * columns / 4.40625).sqrt()
    torch.testing.assert_close(moved / 400, expected, atol=2e-3, rtol=0)


def test_the_scale_follows_its_own_gradient_and_the_weight_is_codes_times_the_new_scale() -> None:
    weight, state = start()
    step(weight, GRADIENT, state, scale_rate=0.01)
    # Σ g·codes = 1 - 0.5 + 0 + 3 - 2 > 0, so γ falls; Adam's first step is one whole rate.
    scale = 0.5 * torch.exp(torch.tensor(-0.01))
    torch.testing.assert_close(state["scale"], scale)
    assert torch.equal(weight, CODES * state["scale"])
    assert GRADIENT[0].tolist() == [1.0, -2.0, 0.5, 4.0]  # only read
    step(weight, -3 * GRADIENT, state, scale_rate=0.01)
    assert state["scale"] > scale


def test_one_scale_per_row_follows_the_gradient_of_its_row() -> None:
    weight = CODES * torch.tensor([[0.5], [0.25]])
    state = new_state(weight, CODES, torch.tensor([[0.5], [0.25]]))
    gradient = GRADIENT * torch.tensor([[1.0], [-1.0]])  # Σ g·codes: 0.5 and -1
    step(weight, gradient, state, scale_rate=0.01)
    expected = torch.tensor([[0.5], [0.25]]) * torch.exp(torch.tensor([[-0.01], [0.01]]))
    torch.testing.assert_close(state["scale"], expected)
    assert torch.equal(weight, CODES * state["scale"])


def test_it_says_how_many_codes_changed() -> None:
    weight, state = start()
    before = weight.sign()
    flips = step(weight, GRADIENT, state, rate=1.0)
    assert flips.item() == (weight.sign() != before).sum().item() > 0
    assert step(weight, torch.zeros_like(weight), state).item() == 0


def test_weight_decay_shrinks_the_matrix_by_its_share_of_the_scales_rate() -> None:
    weight, state = start()
    step(weight, torch.zeros_like(weight), state, scale_rate=0.01, weight_decay=0.1)
    torch.testing.assert_close(weight, CODES * (0.5 * 0.999))


def test_a_bfloat16_matrix_keeps_steps_that_its_dtype_would_lose() -> None:
    codes = CODES.repeat(32, 16)
    weight = (codes * 0.5).to(torch.bfloat16)
    state = new_state(weight, codes, torch.tensor(0.5))
    for number in range(
        1, 201
    ):  # 200 steps of γ/1000: lost one by one, a bf16 ulp of 0.5 being γ/256
        generator = torch.Generator().manual_seed(number)
        step(weight, torch.ones_like(weight), state, rate=1e-3, generator=generator)
    moved = state["position"].float() / 64 - codes
    assert moved.mean().item() == pytest.approx(-0.2, abs=0.005)
    assert is_state_of(weight, state)
    # Likewise the scale: 100 steps of 1e-4 of itself.
    for _ in range(100):
        step(weight, weight.sign(), state, scale_rate=1e-4)
    assert state["scale"].item() < 0.499


def test_the_same_whatever_the_height_of_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for at_once in (1, 1 << 20):
        monkeypatch.setattr(module, "WEIGHTS_AT_ONCE", {"cpu": at_once})
        weight, state = start()
        step(weight, GRADIENT, state, scale_rate=0.1)
        results.append((weight, state["row_square"], state["column_square"], state["scale"]))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


def test_a_matrix_of_zeros_and_without_gradient_stays_finite() -> None:
    weight = torch.zeros(3, 4)
    state = new_state(weight, torch.zeros(3, 4, dtype=torch.int8), torch.tensor(1e-5))
    step(weight, torch.zeros(3, 4), state, rate=0.1, scale_rate=0.1)
    assert torch.equal(weight, torch.zeros(3, 4)) and state["scale"].item() == pytest.approx(1e-5)
    assert all(torch.isfinite(value.float()).all() for value in state.values())


def test_a_code_begins_at_half_and_includes_it() -> None:
    weight = torch.zeros(1, 4)
    state = new_state(weight, torch.zeros(1, 4, dtype=torch.int8), torch.tensor(0.5))
    state["position"] = torch.tensor([[32, 31, -32, -31]], dtype=torch.int8)
    step(weight, torch.zeros(1, 4), state)
    assert weight.tolist() == [[0.5, 0.0, -0.5, 0.0]]
    assert state["position"].tolist() == [[32, 31, -32, -31]]


def test_the_scales_second_step_weighs_both_gradients_as_adam_does() -> None:
    weight, state = start()
    for gradient in (GRADIENT, -GRADIENT):  # Σ g·codes: 1.5, then -1.5
        step(weight, gradient, state, scale_rate=0.1, betas=(0.5, 0.75))
    # By γ's logarithm: g·γ = 0.75, then -1.5 · 0.5·exp(-0.1) = -0.678628.
    # mean: 0.375, then -0.151814, over 1 - 0.5²; square: 0.140625, then 0.220603, over 1 - 0.75².
    # γ = 0.5 · exp(-0.1) · exp(0.1 · 0.202419 / 0.710095)
    assert state["scale"].item() == pytest.approx(0.465501, abs=2e-6)


def test_the_state_holds_a_scale_of_its_own() -> None:
    scale = torch.tensor(0.5)
    weight = CODES * 0.5
    step(weight, GRADIENT, new_state(weight, CODES, scale), scale_rate=0.1)
    assert scale.item() == 0.5
