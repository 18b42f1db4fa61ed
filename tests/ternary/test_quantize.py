"""The reference maths against values worked out by hand, and against transformers' own functions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.integrations import bitnet

from bitsft.ternary.quantize import (
    absmean_scale,
    grid_scale,
    latents_from_grid,
    quantize_activations,
    quantize_weight,
    round_to_grid_stochastically,
    ternary_codes,
)

DTYPES = [torch.float32, torch.bfloat16, torch.float16]


def test_absmean_scale_is_the_mean_magnitude() -> None:
    weight = torch.tensor([[1.0, -2.0], [3.0, 0.0]])
    assert absmean_scale(weight).item() == 1.5
    assert absmean_scale(weight, "row").tolist() == [[1.5], [1.5]]
    assert absmean_scale(weight).dtype == torch.float32


def test_absmean_scale_of_zeros_is_the_lower_bound() -> None:
    assert absmean_scale(torch.zeros(2, 3)).item() == pytest.approx(1e-5)
    assert absmean_scale(torch.zeros(2, 3), "row").tolist() == [[pytest.approx(1e-5)]] * 2


def test_codes_tie_to_even_and_clip() -> None:
    weight = torch.tensor([[0.5, -0.5, 0.51, -0.51, 1.5, -9.0, 0.0]])
    codes = ternary_codes(weight, torch.tensor(1.0))
    assert codes.tolist() == [[0, 0, 1, -1, 1, -1, 0]]  # 0.5 rounds to 0: ties to even
    assert codes.dtype == torch.int8


def test_activations_by_hand() -> None:
    x = torch.tensor([[127.0, -127.0, 63.5, 0.4], [0.0, 0.0, 0.0, 0.0]])
    x_i8, inverse_scale = quantize_activations(x)
    assert x_i8.tolist() == [[127, -127, 64, 0], [0, 0, 0, 0]]  # 63.5 ties to the even 64
    assert inverse_scale[0].item() == 1.0
    assert inverse_scale[1].item() == pytest.approx(127 / 1e-5)
    assert x_i8.dtype == torch.int8


def test_the_largest_activation_may_be_negative() -> None:
    x_i8, inverse_scale = quantize_activations(torch.tensor([[-2.54, 1.0], [-5.08, -0.4]]))
    assert x_i8.tolist() == [[-127, 50], [-127, -10]]
    assert inverse_scale.flatten().tolist() == pytest.approx([50.0, 25.0])


def test_activations_have_one_scale_per_token() -> None:
    x_i8, inverse_scale = quantize_activations(torch.randn(2, 3, 5))
    assert x_i8.shape == (2, 3, 5)
    assert inverse_scale.shape == (2, 3, 1)
    assert x_i8.abs().amax(-1).tolist() == [[127] * 3] * 2


@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_equal_those_of_transformers(dtype: torch.dtype) -> None:
    weight = torch.randn(24, 36).to(dtype)
    codes, scale = quantize_weight(weight)
    expected = bitnet.WeightQuant.forward.__wrapped__(None, weight)  # type: ignore[attr-defined]
    torch.testing.assert_close(codes * scale, expected.float(), rtol=1e-6, atol=0)
    assert scale.dtype == torch.float32
    assert torch.equal(scale, scale.to(dtype).float()), "the weight's dtype must hold γ exactly"


def test_grid_scale_recognises_only_exact_grids() -> None:
    magnitude, on_grid = grid_scale(torch.tensor([[0.3, 0.0], [-0.3, 0.3]]))
    assert (magnitude.item(), on_grid.item()) == (pytest.approx(0.3), True)
    assert not grid_scale(torch.tensor([[0.3, 0.0], [-0.3, 0.31]]))[1].item()
    assert not grid_scale(torch.zeros(2, 2))[1].item()
    assert grid_scale(torch.tensor([[0.3, 0.0], [-0.3, 0.31]]), "row")[1].tolist() == [
        [True],
        [False],
    ]


def test_requantizing_a_grid_as_latents_would_shrink_it() -> None:
    weight = torch.tensor([[0.5, 0.0], [-0.5, 0.5]])
    assert quantize_weight(weight, on_grid=True)[1].item() == 0.5
    assert quantize_weight(weight, on_grid=False)[1].item() == 0.375


def test_a_weight_that_left_the_grid_counts_as_latent() -> None:
    weight = torch.tensor([[0.5, 0.0], [-0.5, 0.4]])
    assert quantize_weight(weight, on_grid=True)[1].item() == pytest.approx(0.35)


codes_strategy = st.integers(1, 9).flatmap(
    lambda rows: st.integers(1, 17).flatmap(
        lambda columns: st.lists(
            st.lists(st.sampled_from([-1, 0, 1]), min_size=columns, max_size=columns),
            min_size=rows,
            max_size=rows,
        )
    )
)


@settings(derandomize=True, max_examples=60)
@given(codes_strategy, st.floats(1e-4, 1e3), st.sampled_from(["tensor", "row"]))
def test_latents_from_a_grid_project_back_to_it(
    values: list[list[int]], gamma: float, granularity: str
) -> None:
    codes = torch.tensor(values, dtype=torch.int8)
    scale = torch.tensor(gamma) if granularity == "tensor" else torch.full((len(values), 1), gamma)
    codes_again, scale_again = quantize_weight(latents_from_grid(codes, scale), granularity)  # type: ignore[arg-type]
    assert torch.equal(codes_again, codes)
    alive = codes.any() if granularity == "tensor" else codes.any(dim=1, keepdim=True)
    expected = torch.where(alive, scale, torch.tensor(1e-5))
    torch.testing.assert_close(scale_again, expected, rtol=1e-6, atol=0)


@settings(derandomize=True, max_examples=60)
@given(codes_strategy, st.floats(1e-4, 1e3), st.sampled_from(DTYPES))
def test_a_grid_is_a_fixed_point(values: list[list[int]], gamma: float, dtype: torch.dtype) -> None:
    weight = (torch.tensor(values) * torch.tensor(gamma)).to(dtype)
    codes, scale = quantize_weight(weight, on_grid=True)
    if weight.any():
        assert torch.equal((codes * scale).to(dtype), weight)


def test_stochastic_rounding_keeps_the_mean_and_the_grid() -> None:
    weight = torch.full((400, 400), 0.3)
    generator = torch.Generator().manual_seed(1)
    codes = round_to_grid_stochastically(weight, torch.tensor(1.0), generator)
    assert set(codes.unique().tolist()) == {0, 1}
    assert codes.float().mean().item() == pytest.approx(0.3, abs=0.005)
    exact = round_to_grid_stochastically(torch.tensor([[-1.0, 0.0, 1.0, 7.0]]), torch.tensor(1.0))
    assert exact.tolist() == [[-1, 0, 1, 1]]


def test_stochastic_rounding_follows_its_generator_and_leaves_the_global_one_alone() -> None:
    weight = torch.randn(50, 50)
    before = torch.random.get_rng_state()
    first = round_to_grid_stochastically(
        weight, torch.tensor(1.0), torch.Generator().manual_seed(3)
    )
    second = round_to_grid_stochastically(
        weight, torch.tensor(1.0), torch.Generator().manual_seed(3)
    )
    assert torch.equal(first, second)
    assert torch.equal(torch.random.get_rng_state(), before)
