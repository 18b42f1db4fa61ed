"""The forward product gives the reference's bits; in Triton's interpreter where there is no GPU."""

from typing import Any

import pytest
import torch
import triton
from torch import Tensor

from bitsft.ternary.kernels import reference
from bitsft.ternary.kernels.gpu import forward_product
from bitsft.ternary.kernels.gpu.forward_product import ternary_product
from bitsft.ternary.kernels.gpu.tuning import bucket

# NumPy, which the interpreter computes with, warns of the NaN and infinities that are asked for here.
pytestmark = pytest.mark.filterwarnings("ignore:.* encountered in:RuntimeWarning")

DTYPES = [torch.float32, torch.bfloat16, torch.float16]
SHAPES = [(1, 1, 1), (0, 8, 4), (2, 8, 0), (3, 7, 5), (65, 33, 40), (70, 64, 96)]


def same(found: Tensor, expected: Tensor) -> bool:
    return found.dtype == expected.dtype and torch.equal(found.cpu(), expected.cpu())


def operands(
    tokens: int, in_features: int, out_features: int, device: str, granularity: str = "tensor"
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x_i8, 1/s, codes, γ; every int8 value occurs, -128 as well."""
    torch.manual_seed(0)
    x_i8 = torch.randint(-128, 128, (tokens, in_features), dtype=torch.int8)
    codes = torch.randint(-1, 2, (out_features, in_features), dtype=torch.int8)
    scale = torch.rand((out_features, 1) if granularity == "row" else ()) * 0.1 + 1e-3
    inverse_scale = torch.rand(tokens, 1) * 100 + 0.1
    return tuple(t.to(device) for t in (x_i8, inverse_scale, codes, scale))  # type: ignore[return-value]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("granularity", ["tensor", "row"])
@pytest.mark.parametrize("shape", SHAPES)
def test_bits_of_the_reference(
    shape: tuple[int, int, int], granularity: str, dtype: torch.dtype, device: str
) -> None:
    o = operands(*shape, device, granularity)
    for bias in (None, torch.randn(shape[2], device=device).to(dtype)):
        found = ternary_product(*o, bias, dtype)
        assert found.shape == (shape[0], shape[2]) and found.is_contiguous()
        assert same(found, reference.ternary_product(*o, bias, dtype))


def test_the_integers_are_exact(device: str) -> None:
    """Sums beyond 2²⁴, where float32 holds even integers only: the one rounding is that of the final sum."""
    width = 2**24 // 127 + 65
    x_i8 = torch.full((2, width), 127, dtype=torch.int8, device=device)
    x_i8[1] = -128
    codes = torch.ones(1, width, dtype=torch.int8, device=device)
    one = torch.ones(2, 1, device=device)
    y = ternary_product(x_i8, one, codes, torch.ones((), device=device), None, torch.float64)
    assert y.tolist() == [[16785464.0], [-16917632.0]], "127 · 132,169 = 16,785,463 is a tie"


def test_a_literal_product(device: str) -> None:
    x_i8 = torch.tensor([[127, -128, 3], [0, 1, -1]], dtype=torch.int8, device=device)
    codes = torch.tensor([[1, 1, 1], [0, -1, 1]], dtype=torch.int8, device=device)
    inverse_scale = torch.tensor([[2.0], [4.0]], device=device)
    scale = torch.tensor([[1.0], [0.5]], device=device)
    bias = torch.tensor([0.25, -1.0], device=device)
    y = ternary_product(x_i8, inverse_scale, codes, scale, bias, torch.float32)
    assert y.tolist() == [[1.25, 31.75], [0.25, -1.25]]


def test_a_row_of_infinities_and_nan_stays_alone(device: str) -> None:
    x_i8, inverse_scale, codes, scale = operands(5, 8, 4, device)
    x_i8[1] = 0
    inverse_scale[1], inverse_scale[2], inverse_scale[3] = 0.0, 0.0, float("nan")
    arguments = (x_i8, inverse_scale, codes, scale, None, torch.float32)
    found, expected = ternary_product(*arguments), reference.ternary_product(*arguments)
    assert found[[1, 3]].isnan().all()
    assert torch.equal(found.nan_to_num(nan=7.0), expected.nan_to_num(nan=7.0))
    assert found[[0, 4]].isfinite().all()


def test_extreme_scales(device: str) -> None:
    x_i8, _, codes, _ = operands(6, 8, 4, device)
    inverse_scale = torch.tensor([3.7e-37, 1.27e7, 1.0, 1e-30, 1e-3, 3e6], device=device)[:, None]
    for scale in (1e-5, 1.0, 65504.0, 1e30):
        arguments = (x_i8, inverse_scale, codes, torch.tensor(scale, device=device), None)
        found = ternary_product(*arguments, torch.float32)
        expected = reference.ternary_product(*arguments, torch.float32)
        assert torch.equal(found.nan_to_num(nan=7.0), expected.nan_to_num(nan=7.0))


def test_operands_that_are_not_contiguous(device: str) -> None:
    x_i8, inverse_scale, codes, scale = operands(40, 66, 36, device, "row")
    bias = torch.randn(36, device=device)
    for tokens, outputs, inputs in (
        (slice(None, None, 2), slice(None, None, 3), slice(None)),
        (slice(3, 20), slice(1, 18), slice(7, 40)),
        (slice(None), slice(None), slice(None, None, 2)),
    ):
        arguments = (
            x_i8[tokens, inputs], inverse_scale[tokens], codes[outputs, inputs], scale[outputs],
            bias[outputs], torch.float32,
        )  # fmt: skip
        assert same(ternary_product(*arguments), reference.ternary_product(*arguments))
    transposed = (x_i8.t().contiguous().t(), inverse_scale, codes.t().contiguous().t())
    arguments = (*transposed, scale, bias, torch.float32)
    assert same(ternary_product(*arguments), reference.ternary_product(*arguments))


def test_every_number_of_tokens_has_tiles_to_try_that_fit_hopper() -> None:
    tiles = [
        triton.Config({k: v for k, v in tile.items() if k.startswith("BLOCK")})
        for tile in forward_product._CANDIDATES
    ]
    for tokens in (1, 16, 17, 32, 33, 64, 100, 200, 4096, 10**6):
        known: dict[str, Any] = {"tokens_bucket": bucket(max(tokens, 16))}
        chosen = forward_product._worth_trying(tiles, known)
        assert 2 <= len(chosen) <= 8
        assert all(tile.kwargs["BLOCK_TOKENS"] < 2 * max(tokens, 16) for tile in chosen)
    for tile in forward_product._CANDIDATES:
        bytes_of_a_stage = (tile["BLOCK_TOKENS"] + tile["BLOCK_OUT"]) * tile["BLOCK_IN"]
        assert tile["num_stages"] * bytes_of_a_stage <= 227 * 1024


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_operator_and_its_fake_agree(dtype: torch.dtype, bias: bool, device: str) -> None:
    for shape in ((3, 7, 5), (0, 8, 4)):
        o = operands(*shape, device)
        arguments = (*o, torch.randn(shape[2], device=device) if bias else None, dtype)
        checks = torch.library.opcheck(torch.ops.bitsft.ternary_product.default, arguments)
        assert set(checks.values()) == {"SUCCESS"}


def test_compiles_without_a_graph_break(device: str) -> None:
    o = operands(6, 24, 10, device, "row")

    def between(x_i8: Tensor, *rest: Tensor) -> Tensor:
        return ternary_product(x_i8.abs(), *rest, None, torch.bfloat16) * 2

    compiled = torch.compile(between, fullgraph=True, backend="aot_eager")
    assert same(compiled(*o), between(*o))
