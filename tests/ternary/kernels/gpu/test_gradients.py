"""The gradient products: the bits of reference.py by way of cuBLAS, its precision in one kernel."""

from typing import Any

import pytest
import torch
from torch import Tensor

from bitsft.ternary.kernels import reference
from bitsft.ternary.kernels.gpu import gradients

SHAPES = [(1, 1, 1), (0, 8, 4), (3, 7, 5), (65, 33, 40), (70, 64, 96)]
DTYPES = [torch.float32, torch.bfloat16, torch.float16]
WAYS = ["cublas", "fused"]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(gradients, "WAY", request.param)
    return request.param


def factors(
    shape: tuple[int, int, int], device: str, grad_dtype: torch.dtype, granularity: str
) -> tuple[Tensor, ...]:
    tokens, width, out = shape
    generator = torch.Generator().manual_seed(tokens + width + out)

    def normal(*size: int) -> Tensor:
        return torch.randn(*size, generator=generator)

    codes = torch.randint(-1, 2, (out, width), dtype=torch.int8, generator=generator)
    x_i8, inverse_scale = reference.quantize_rows(normal(tokens, width))
    scale = normal(out, 1).abs() + 0.01 if granularity == "row" else torch.tensor(0.0371)
    grad = normal(tokens, out).to(grad_dtype)
    return tuple(t.to(device) for t in (grad, codes, scale, x_i8, inverse_scale))


def test_literal_values(way: str, device: str) -> None:
    grad = torch.tensor([[1.0, -2.0]], device=device)
    codes = torch.tensor([[1, 0, -1], [1, 1, 0]], dtype=torch.int8, device=device)
    grad_x = gradients.input_gradient(grad, codes, torch.tensor(0.5, device=device), torch.float32)
    assert grad_x.tolist() == [[-0.5, -1.0, -0.5]]
    by_row = torch.tensor([[2.0], [0.5]], device=device)
    grad_x = gradients.input_gradient(grad, codes, by_row, torch.float32)
    assert grad_x.tolist() == [[1.0, -1.0, -2.0]]
    grad = torch.tensor([[1.0, 2.0], [3.0, 4.0]], device=device)
    x_i8 = torch.tensor([[10, -128], [20, 127]], dtype=torch.int8, device=device)
    inverse_scale = torch.tensor([[2.0], [4.0]], device=device)
    grad_weight = gradients.weight_gradient(grad, x_i8, inverse_scale, torch.float32)
    assert grad_weight.tolist() == [[5.0 + 15.0, -64.0 + 95.25], [10.0 + 20.0, -128.0 + 127.0]]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("grad_dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_by_cublas_the_bits_are_the_references(
    shape: tuple[int, int, int], grad_dtype: torch.dtype, dtype: torch.dtype, device: str
) -> None:
    assert gradients.WAY == "cublas"
    for granularity in ("tensor", "row"):
        grad, codes, scale, x_i8, inverse_scale = factors(shape, device, grad_dtype, granularity)
        args: tuple[Any, ...] = (grad, codes, scale, dtype)
        assert_same(gradients.input_gradient(*args), reference.input_gradient(*args))
    args = (grad, x_i8, inverse_scale, dtype)
    assert_same(gradients.weight_gradient(*args), reference.weight_gradient(*args))


def assert_same(result: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(result, expected, rtol=0, atol=0)
    assert result.is_contiguous()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_fused_is_as_precise_as_the_reference(
    shape: tuple[int, int, int], dtype: torch.dtype, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gradients, "WAY", "fused")
    for granularity, grad_dtype in (("tensor", dtype), ("row", torch.float32)):
        grad, codes, scale, x_i8, inverse_scale = factors(shape, device, grad_dtype, granularity)
        args: tuple[Any, ...] = (grad, codes, scale, dtype)
        truth = (grad.double() * scale.double().reshape(1, -1)) @ codes.double()
        assert_as_precise(gradients.input_gradient(*args), reference.input_gradient(*args), truth)
        args = (grad, x_i8, inverse_scale, dtype)
        truth = grad.double().t() @ (x_i8 / inverse_scale.double())
        assert_as_precise(gradients.weight_gradient(*args), reference.weight_gradient(*args), truth)


def assert_as_precise(result: Tensor, expected: Tensor, truth: Tensor) -> None:
    assert result.dtype == expected.dtype
    assert result.shape == expected.shape
    if result.numel():
        bound = 2 * (expected - truth).abs().max() + 1e-6 * truth.abs().max()
        assert (result - truth).abs().max() <= bound


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_int8_value_is_divided_exactly(dtype: torch.dtype, device: str) -> None:
    x_i8 = torch.arange(-128, 128, dtype=torch.int8, device=device).repeat(9, 1)
    inverse_scale = 127 / torch.linspace(0.3, 7.0, 9, device=device)[:, None]
    expected = (x_i8 / inverse_scale).to(dtype)
    if dtype == torch.float32:
        assert not torch.equal(x_i8 * (1 / inverse_scale), expected)  # so it matters
    assert_same(gradients._converted(x_i8, dtype, "divided by", inverse_scale, "row"), expected)


def test_products_with_the_scale_round_once_and_to_even(way: str, device: str) -> None:
    grad = torch.tensor([[1 + 2**-8, 1 + 3 * 2**-8, -1 - 2**-8 - 2**-20]], device=device)
    codes = torch.eye(3, dtype=torch.int8, device=device)
    one = torch.tensor(1.0, device=device)
    grad_x = gradients.input_gradient(grad, codes, one, torch.bfloat16)
    assert_same(grad_x, grad.to(torch.bfloat16))
    assert grad_x[0].tolist() == [1.0, 1 + 2**-6, -1 - 2**-7]


def test_zero_tokens(way: str, device: str) -> None:
    grad, codes, scale, x_i8, inverse_scale = factors((0, 8, 4), device, torch.float32, "tensor")
    assert gradients.input_gradient(grad, codes, scale, torch.bfloat16).shape == (0, 8)
    grad_weight = gradients.weight_gradient(grad, x_i8, inverse_scale, torch.bfloat16)
    assert_same(grad_weight, torch.zeros(4, 8, dtype=torch.bfloat16, device=device))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_nan_and_infinity_reach_their_token_and_nothing_else(
    dtype: torch.dtype, way: str, device: str
) -> None:
    grad, codes, scale, x_i8, inverse_scale = factors((3, 7, 5), device, dtype, "tensor")
    grad[1, 2] = float("nan")
    grad[2, 0] = float("inf")
    codes[0] = 1
    grad_x = gradients.input_gradient(grad, codes, scale, dtype)
    assert grad_x.isnan().any(dim=1).tolist() == [False, True, False]
    assert grad_x.isinf().all(dim=1).tolist() == [False, False, True]
    grad_weight = gradients.weight_gradient(grad, x_i8, inverse_scale, dtype)
    assert grad_weight.isnan().any(dim=1).tolist()[1:] == [False, True, False, False]


def test_strided_inputs(way: str, device: str) -> None:
    grad, codes, scale, x_i8, inverse_scale = factors((6, 7, 5), device, torch.float32, "row")
    strided = (grad.t().contiguous().t(), codes.t().contiguous().t(), scale)
    assert not strided[0].is_contiguous()
    expected = reference.input_gradient(grad, codes, scale, torch.float32)
    torch.testing.assert_close(gradients.input_gradient(*strided, torch.float32), expected)
    expanded = grad[:, :1].expand(6, 5)  # what sum().backward() hands back
    x_t = x_i8.t().contiguous().t()
    wide = inverse_scale.expand(6, 2)[:, 1:]
    expected = reference.weight_gradient(expanded, x_i8, inverse_scale, torch.float32)
    result = gradients.weight_gradient(expanded, x_t, wide, torch.float32)
    torch.testing.assert_close(result, expected)


def test_under_torch_compile(way: str, device: str) -> None:
    def both(
        grad: Tensor, codes: Tensor, scale: Tensor, x_i8: Tensor, inverse_scale: Tensor
    ) -> tuple[Tensor, Tensor]:
        grad_x = gradients.input_gradient(grad, codes, scale, torch.bfloat16)
        return grad_x + 1, gradients.weight_gradient(grad, x_i8, inverse_scale, torch.float32)

    compiled = torch.compile(both, fullgraph=True, backend="aot_eager")
    args = factors((3, 7, 5), device, torch.bfloat16, "row")
    for result, expected in zip(compiled(*args), both(*args), strict=True):
        assert_same(result, expected)
