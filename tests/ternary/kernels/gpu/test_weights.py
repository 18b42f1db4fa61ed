"""Projection: the reference's codes, γ up to the order of a sum, and the flips since the codes before."""

import pytest
import torch
from torch import Tensor

from bitsft.ternary import quantize
from bitsft.ternary.kernels import reference
from bitsft.ternary.kernels.gpu import weights
from bitsft.ternary.kernels.gpu.weights import quantize_weight, requantize_weight
from bitsft.ternary.quantize import Granularity

DTYPES = [torch.float32, torch.bfloat16, torch.float16]
SHAPES = [(1, 1), (5, 7), (40, 33), (3, 2100), (9, 1025)]

per_granularity = pytest.mark.parametrize("granularity", ["tensor", "row"])


def latent(shape: tuple[int, int], device: str, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return (0.02 * torch.randn(shape, generator=generator)).to(device, dtype)


def test_literal_values(device: str) -> None:
    weight = torch.tensor([[1.0, -3.0], [0.5, 0.0]], device=device)
    codes, scale = quantize_weight(weight)
    assert codes.tolist() == [[1, -1], [0, 0]]
    assert scale.item() == 1.125
    codes, scale = quantize_weight(weight, "row")
    assert codes.tolist() == [[0, -1], [1, 0]]  # 1.0 / 2.0 is a tie, to even
    assert scale.tolist() == [[2.0], [0.25]]


@per_granularity
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_codes_and_scale(
    shape: tuple[int, int], dtype: torch.dtype, granularity: Granularity, device: str
) -> None:
    weight = latent(shape, device, dtype)
    codes, scale = quantize_weight(weight, granularity)
    unrounded = weights._scale(weight, granularity, on_grid=False)
    exact = quantize.absmean_scale(weight.double().cpu(), granularity).to(device)
    torch.testing.assert_close(unrounded, exact.float(), rtol=1e-6, atol=0)
    torch.testing.assert_close(
        unrounded, quantize.absmean_scale(weight, granularity), rtol=1e-6, atol=0
    )
    assert torch.equal(scale, unrounded.to(dtype).float())
    assert torch.equal(codes, quantize.ternary_codes(weight, unrounded))
    assert codes.is_contiguous()
    assert (codes.dtype, scale.dtype) == (torch.int8, torch.float32)


def test_a_comparison_with_half_the_scale_is_the_rounded_quotient(device: str) -> None:
    generator = torch.Generator().manual_seed(0)
    scale = torch.rand(400, 1, generator=generator).clamp(1e-5)
    scale[:4, 0] = torch.tensor([1e-5, 1.0, 2 - 2**-23, 1 - 2**-24])
    up, down = torch.tensor(float("inf")), torch.tensor(0.0)
    near = [scale / 2, scale, 1.5 * scale]
    for value in (scale / 2, scale):
        for _ in range(3):
            near.append(torch.nextafter(near[-1] if len(near) % 3 else value, up))
        near.append(torch.nextafter(value, down))
    weight = torch.cat([*near, *(-value for value in near)], dim=1)
    codes, _ = weights._codes_and_flips(weight.to(device), scale.to(device), None)
    expected = quantize.ternary_codes(weight, scale)
    assert {-1, 0, 1} == set(expected.unique().tolist())
    assert torch.equal(codes.cpu(), expected)


@per_granularity
def test_zeros(granularity: Granularity, device: str) -> None:
    codes, scale = quantize_weight(torch.zeros(3, 5, device=device), granularity, on_grid=True)
    assert not codes.any()
    assert (scale == torch.tensor(1e-5)).all()


@pytest.mark.parametrize("on_grid", [False, True])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_nan_and_infinity_show_in_the_scale(value: float, on_grid: bool, device: str) -> None:
    weight = torch.tensor([[0.5, 0.0, -0.5], [0.5, 0.5, 0.0]], device=device)
    weight[1, 2] = value
    _, scale = quantize_weight(weight, on_grid=on_grid)
    _, expected = reference.quantize_weight(weight, on_grid=on_grid)
    torch.testing.assert_close(scale, expected, equal_nan=True)
    assert not scale.isfinite()
    _, scale = quantize_weight(weight, "row", on_grid=on_grid)
    assert scale.isfinite().tolist() == [[True], [False]]


GRID = torch.tensor([[0.3, 0.0, -0.3, 0.0], [0.0] * 4, [-0.3, 0.3, 0.0, 0.0]])
ONE_OFF = GRID + torch.tensor([0.0, 0.0, 1e-7, 0.0])
TWO_MAGNITUDES = GRID * torch.tensor([[1.0], [1.0], [3.0]])


@per_granularity
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weight", [GRID, ONE_OFF, TWO_MAGNITUDES, -GRID[:1]])
def test_on_the_grid(
    weight: Tensor, dtype: torch.dtype, granularity: Granularity, device: str
) -> None:
    weight = weight.to(device, dtype)
    codes, scale = quantize_weight(weight, granularity, on_grid=True)
    expected_codes, expected_scale = reference.quantize_weight(weight, granularity, on_grid=True)
    assert torch.equal(codes, expected_codes)
    torch.testing.assert_close(scale, expected_scale, rtol=1e-6, atol=0)
    is_ternary = quantize.grid_scale(weight, granularity)[1]
    assert torch.equal(scale[is_ternary], expected_scale[is_ternary])


def test_on_the_grid_the_scale_does_not_shrink(device: str) -> None:
    weight = GRID.to(device)
    assert quantize_weight(weight, on_grid=True)[1].item() == weight.max().item()
    assert quantize_weight(weight)[1].item() == pytest.approx(0.1)
    weight = TWO_MAGNITUDES.to(device)
    scale = quantize_weight(weight, "row", on_grid=True)[1]
    assert torch.equal(scale, weight.amax(dim=1, keepdim=True).clamp(min=1e-5))


@per_granularity
@pytest.mark.parametrize("shape", SHAPES)
def test_flips(shape: tuple[int, int], granularity: Granularity, device: str) -> None:
    weight = latent(shape, device)
    old_codes, old_scale = quantize_weight(weight, granularity)
    codes, scale, flips = requantize_weight(weight, old_codes, granularity)
    assert torch.equal(codes, old_codes)
    assert torch.equal(scale, old_scale)
    assert (flips.shape, flips.dtype, flips.item()) == (torch.Size(()), torch.int64, 0)
    moved = weight - 0.015
    before = old_codes.clone()
    codes, scale, flips = requantize_weight(moved, old_codes, granularity)
    assert torch.equal(codes, quantize_weight(moved, granularity)[0])
    assert torch.equal(scale, quantize_weight(moved, granularity)[1])
    assert flips.item() == (codes != old_codes).sum().item() > 0
    assert torch.equal(old_codes, before)
    turned = old_codes.t().contiguous().t()
    assert requantize_weight(moved, turned, granularity)[2].item() == flips.item()


def test_every_code_can_flip(device: str) -> None:
    weight = torch.full((9, 1030), -1.0, device=device)
    codes, scale, flips = requantize_weight(
        weight, torch.ones(9, 1030, dtype=torch.int8, device=device), on_grid=True
    )
    assert (codes == -1).all()
    assert (scale.item(), flips.item()) == (1.0, 9 * 1030)


@per_granularity
def test_strided_weights(granularity: Granularity, device: str) -> None:
    weight = latent((8, 12), device)
    for view in (weight.t(), weight[::2, 1::3], weight[:, :1].expand(8, 5)):
        copy = view.contiguous()
        assert not view.is_contiguous()
        for result, expected in zip(
            quantize_weight(view, granularity), quantize_weight(copy, granularity), strict=True
        ):
            assert torch.equal(result, expected)


def test_no_rows(device: str) -> None:
    weight = torch.empty(0, 4, device=device)
    codes, scale, flips = requantize_weight(weight, weight.to(torch.int8), "row", on_grid=True)
    assert (codes.shape, scale.shape, flips.item()) == ((0, 4), (0, 1), 0)
    assert quantize_weight(weight)[1].isnan()  # as the reference's


@per_granularity
def test_under_torch_compile(granularity: Granularity, device: str) -> None:
    def project(weight: Tensor, old_codes: Tensor) -> tuple[Tensor, ...]:
        codes, scale = quantize_weight(weight, granularity, on_grid=True)
        return weight * codes * scale, *requantize_weight(weight, old_codes, granularity)

    weight = torch.nn.Parameter(latent((5, 7), device, torch.bfloat16))
    old_codes = torch.zeros(5, 7, dtype=torch.int8, device=device)
    compiled = torch.compile(project, fullgraph=True, backend="aot_eager")
    results = compiled(weight, old_codes)
    for result, expected in zip(results, project(weight, old_codes), strict=True):
        torch.testing.assert_close(result, expected, rtol=0, atol=0)
    assert [result.requires_grad for result in results] == [True, False, False, False]
    results[0].sum().backward()
    codes, scale = quantize_weight(weight, granularity, on_grid=True)
    torch.testing.assert_close(weight.grad, (codes * scale).to(torch.bfloat16))
