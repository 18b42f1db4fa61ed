"""The maths of ternary adapters against literal values and autograd of a plain formula."""

import pytest
import torch
from torch import Tensor

from bitsft.adapters.ternary_update import (
    LARGEST_RANK,
    AdaptedProduct,
    dither,
    ternary_update,
    whole_factor,
)
from bitsft.ternary.quantize import quantize_activations


def test_int8_factors_reach_from_minus_127_to_127() -> None:
    whole, unit = whole_factor(torch.tensor([[-2.54, 0.02], [0.009, 1.0]]), "int8")
    assert unit.item() == pytest.approx(0.02)
    assert whole.tolist() == [[-127, 1], [0, 50]]


def test_ternary_factors_have_the_absmean_as_unit() -> None:
    whole, unit = whole_factor(torch.tensor([[-3.0, 0.2], [0.8, 0.0]]), "ternary")
    assert unit.item() == 1.0
    assert whole.tolist() == [[-1, 0], [1, 0]]


def test_a_factor_of_zeros_is_zeros() -> None:
    whole, _ = whole_factor(torch.zeros(2, 3), "int8")
    assert whole.tolist() == [[0, 0, 0], [0, 0, 0]]


def test_unknown_factors_are_refused() -> None:
    with pytest.raises(ValueError, match="int8, ternary"):
        whole_factor(torch.ones(1, 1), "int4")  # type: ignore[arg-type]


def test_changes_of_half_a_code_flip_it_when_rounded_to_nearest() -> None:
    whole_a = torch.tensor([[4.0, 5.0, 6.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    whole_b = torch.tensor([[1.0, 0.0], [-1.0, 10.0]])
    # changes, in hundredths: [[40, 50, 60, 0], [-40, -50, -60, 100]]
    update = ternary_update(whole_a, whole_b, torch.tensor(0.05), 2.0, "nearest")
    assert update.dtype == torch.int8
    assert update.tolist() == [[0, 1, 1, 0], [0, 0, -1, 1]]
    stronger = ternary_update(whole_a, whole_b, torch.tensor(0.05), 2.8, "nearest")
    assert stronger.tolist() == [[1, 1, 1, 0], [-1, -1, -1, 1]]


@pytest.mark.parametrize("change", [0.0, 0.01, -0.3, 0.5, -0.9, 1.0, 7.0])
def test_as_large_a_share_flips_as_the_change_when_dithered(change: float) -> None:
    update = ternary_update(
        torch.ones(1, 300), torch.ones(200, 1), torch.tensor(change), 1.0, "dithered"
    ).float()
    assert update.unique().numel() <= 2
    expected = max(-1.0, min(1.0, change))
    assert update.mean().item() == pytest.approx(expected, abs=2e-3)
    assert update.mean(0).sub(expected).abs().max() < 0.02  # in each column, and in each row
    assert update.mean(1).sub(expected).abs().max() < 0.02


def test_blocks_of_rows_join_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    whole_a, whole_b = (torch.randint(-127, 128, shape).float() for shape in ((4, 40), (100, 4)))
    whole = ternary_update(whole_a, whole_b, torch.tensor(2e-5), 1.0, "dithered")
    monkeypatch.setattr("bitsft.adapters.ternary_update.BLOCK_ELEMENTS", 40 * 33)
    assert torch.equal(ternary_update(whole_a, whole_b, torch.tensor(2e-5), 1.0, "dithered"), whole)
    assert 0.1 < whole.abs().float().mean() < 0.9


def test_dither_has_the_same_bits_everywhere() -> None:
    found = dither(0, 3, 3, torch.device("cpu"))
    # the fractions 6332373/2^23 = 0.75488 and 4780167/2^23 = 0.56984 added up, and half a step
    steps = [[0, 4780167, 1171726], [6332373, 2723932, 7504099], [4276138, 667697, 5447864]]
    assert found.mul(2**24).tolist() == [[2 * step + 1 for step in row] for row in steps]


def test_unknown_rounding_is_refused() -> None:
    ones = torch.ones(1, 1)
    with pytest.raises(ValueError, match="dithered, nearest"):
        ternary_update(ones, ones, ones[0, 0], 1.0, "up")  # type: ignore[arg-type]


def test_the_product_is_exact_at_the_largest_rank() -> None:
    whole = torch.full((1, LARGEST_RANK), 127.0)
    whole_b = whole.clone()
    whole_b[0, -1] = 126.0
    product = 127 * 127 * (LARGEST_RANK - 1) + 127 * 126
    assert product < 2**24  # below it float32 holds all whole numbers
    assert (whole_b @ whole.t()).item() == product


def reference(
    x: Tensor,
    a: Tensor,
    b: Tensor,
    bias: Tensor,
    codes: Tensor,
    scale: Tensor,
    strength: float,
    bits: int | None,
) -> Tensor:
    """γ·(codes' + Δ - Δ's value) · x, where whole factors pass gradients on to latents."""

    def used(latent: Tensor) -> Tensor:
        whole, unit = whole_factor(latent, "int8")
        return whole * unit + latent - latent.detach()

    change = strength * used(b) @ used(a)
    weight = scale * (codes + change - change.detach())
    if bits is not None:
        x_i8, inverse_scale = quantize_activations(x)
        x = x_i8 / inverse_scale + x - x.detach()
    return x @ weight.t() + bias


@pytest.mark.parametrize("bits", [8, None])
@pytest.mark.parametrize("granularity", ["tensor", "row"])
def test_gradients_are_those_of_the_plain_formula(granularity: str, bits: int | None) -> None:
    strength = 0.7
    codes = torch.randint(-1, 2, (12, 8), dtype=torch.int8)
    scale = torch.tensor(0.3) if granularity == "tensor" else torch.rand(12, 1) + 0.1
    inputs = [torch.randn(2, 5, 8), torch.randn(3, 8), torch.randn(12, 3), torch.randn(12)]
    grad = torch.randn(2, 5, 12)

    expected_inputs = [tensor.clone().requires_grad_() for tensor in inputs]
    expected = reference(*expected_inputs, codes, scale, strength, bits)
    expected.backward(grad)

    x, a, b, bias = (tensor.clone().requires_grad_() for tensor in inputs)
    (whole_a, unit_a), (whole_b, unit_b) = whole_factor(a, "int8"), whole_factor(b, "int8")
    y = AdaptedProduct.apply(
        x,
        a,
        b,
        bias,
        strength * unit_a * whole_a,
        strength * unit_b * whole_b,
        codes,
        scale,
        torch.float32,
        bits,
        False,
    )
    y.backward(grad)
    torch.testing.assert_close(y, expected, rtol=1e-5, atol=1e-6)
    for given, plain in zip((x, a, b, bias), expected_inputs, strict=True):
        torch.testing.assert_close(given.grad, plain.grad, rtol=1e-5, atol=1e-5)


def test_autocast_rounds_no_product_of_factors() -> None:
    # 2 · 127 + 3 · 1 = 257 is 256 in bfloat16, on the other side of one half
    whole_a, whole_b = torch.tensor([[127.0], [1.0]]), torch.tensor([[2.0, 3.0]])
    with torch.autocast("cpu", torch.bfloat16):
        update = ternary_update(whole_a, whole_b, torch.tensor(1 / 513.5), 1.0, "nearest")
    assert update.tolist() == [[1]]


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("bias", [torch.tensor([0.5, -1.0]), None])
def test_without_int8_activations_the_result_has_the_dtype_asked_for(
    bias: Tensor | None, inside: bool
) -> None:
    x = torch.tensor([[1.0, 2.0, 3.0]])
    a, b = torch.zeros(1, 3), torch.zeros(2, 1)
    codes = torch.tensor([[1, 0, 1], [-1, 1, 0]], dtype=torch.int8)
    y = AdaptedProduct.apply(
        x, a, b, bias, a, b, codes, torch.tensor(0.5), torch.bfloat16, None, inside
    )
    assert y.dtype == torch.bfloat16
    assert y.tolist() == ([[2.0, 0.5]] if bias is None else [[2.5, -0.5]])
