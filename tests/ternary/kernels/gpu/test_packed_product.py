"""The product on packed codes gives the bits of the product on unpacked ones."""

import pytest
import torch

from bitsft.ternary.kernels import reference
from bitsft.ternary.kernels.gpu.packed_product import FEW_TOKENS, packed_product
from bitsft.ternary.pack import pack_codes, unpack_codes

SHAPES = [
    (1, 1, 4),
    (1, 64, 12),
    (3, 7, 12),
    (FEW_TOKENS, 36, 40),
    (FEW_TOKENS + 1, 33, 40),
    (2, 65, 96),
    (35, 70, 96),
]


def inputs(
    tokens: int, in_features: int, out_features: int, device: str, per_row: bool = False
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(tokens * 1000 + in_features)
    x_i8 = torch.randint(-128, 128, (tokens, in_features), dtype=torch.int8, generator=generator)
    inverse_scale = torch.rand(tokens, 1, generator=generator) * 50 + 0.1
    codes = torch.randint(-1, 2, (out_features, in_features), generator=generator).to(torch.int8)
    scale = torch.rand((out_features, 1) if per_row else (), generator=generator) + 0.01
    return tuple(t.to(device) for t in (x_i8, inverse_scale, pack_codes(codes), scale))


def expected(
    x_i8: torch.Tensor,
    inverse_scale: torch.Tensor,
    packed: torch.Tensor,
    scale: torch.Tensor,
    bias: torch.Tensor | None,
    dtype: torch.dtype,
) -> torch.Tensor:
    return reference.ternary_product(x_i8, inverse_scale, unpack_codes(packed), scale, bias, dtype)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("per_row", [False, True])
def test_bits_of_the_reference(shape: tuple[int, int, int], per_row: bool, device: str) -> None:
    arguments = inputs(*shape, device, per_row)
    bias = torch.linspace(-3, 3, shape[2], device=device)
    result = packed_product(*arguments, bias, torch.float32)
    assert torch.equal(result, expected(*arguments, bias, torch.float32))


@pytest.mark.parametrize("tokens", [2, 10])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("bias_dtype", [None, torch.bfloat16, torch.float16])
def test_dtypes(
    tokens: int, dtype: torch.dtype, bias_dtype: torch.dtype | None, device: str
) -> None:
    arguments = inputs(tokens, 20, 8, device)
    bias = None if bias_dtype is None else torch.linspace(-3, 3, 8, device=device).to(bias_dtype)
    result = packed_product(*arguments, bias, dtype)
    assert result.dtype == dtype
    assert torch.equal(result, expected(*arguments, bias, dtype))


def test_each_pair_of_bits_goes_to_its_row(device: str) -> None:
    packed = torch.tensor([[0b10_01_00_10]], dtype=torch.uint8, device=device)  # codes 1, -1, 0, 1
    x_i8 = torch.tensor([[-128], [5]], dtype=torch.int8, device=device)
    one = torch.ones((), device=device)
    result = packed_product(x_i8, one.expand(2, 1), packed, one, None, torch.float32)
    assert result.tolist() == [[-128, 128, 0, -128], [5, -5, 0, 5]]


@pytest.mark.parametrize("tokens", [1, 9])
@pytest.mark.parametrize("in_features", [63, 64])
def test_largest_sums(tokens: int, in_features: int, device: str) -> None:
    """All activations -128 and all codes alike: no byte borrows from its neighbour."""
    x_i8 = torch.full((tokens, in_features), -128, dtype=torch.int8, device=device)
    ones = torch.ones(4, in_features, dtype=torch.int8, device=device)
    codes = torch.cat([ones, -ones])
    unit = torch.ones((), device=device)
    result = packed_product(
        x_i8, unit.expand(tokens, 1), pack_codes(codes), unit, None, torch.float32
    )
    row = [-128.0 * in_features] * 4 + [128.0 * in_features] * 4
    assert result.tolist() == [row] * tokens


@pytest.mark.parametrize("tokens", [3, 9])
def test_strided_and_misaligned_inputs(tokens: int, device: str) -> None:
    x_i8, inverse_scale, packed, scale = inputs(tokens, 12, 8, device, per_row=True)
    wanted = expected(x_i8, inverse_scale, packed, scale, None, torch.float32)
    wide = torch.zeros(tokens, 24, dtype=torch.int8, device=device)
    wide[:, ::2] = x_i8
    buffer = torch.zeros(packed.numel() + 1, dtype=torch.uint8, device=device)
    buffer[1:] = packed.reshape(-1)
    result = packed_product(
        wide[:, ::2],
        inverse_scale.expand(tokens, 2)[:, :1],
        buffer[1:].view(packed.shape),  # begins at an odd address
        scale.expand(8, 2)[:, :1],
        None,
        torch.float32,
    )
    assert torch.equal(result, wanted)


def test_one_row_of_a_matrix_whose_rows_are_odd(device: str) -> None:
    """A single row counts as contiguous whatever its stride says."""
    x_i8, inverse_scale, packed, scale = inputs(2, 8, 8, device)
    wide = torch.zeros(2, 11, dtype=torch.int8, device=device)
    wide[:, :8] = x_i8
    result = packed_product(wide[:1, :8], inverse_scale[:1], packed, scale, None, torch.float32)
    wanted = expected(x_i8, inverse_scale, packed, scale, None, torch.float32)
    assert torch.equal(result, wanted[:1])


@pytest.mark.parametrize("tokens", [1, 9])
def test_no_features_leave_the_bias(tokens: int, device: str) -> None:
    bias = torch.tensor([1.0, 2.0, 3.0, 4.0], device=device)
    result = packed_product(*inputs(tokens, 0, 4, device), bias, torch.float32)
    assert result.tolist() == [[1.0, 2.0, 3.0, 4.0]] * tokens


def test_nothing_in_nothing_out(device: str) -> None:
    assert packed_product(*inputs(0, 8, 4, device), None, torch.float16).shape == (0, 4)


def test_a_token_that_is_not_a_number_spoils_its_row_only(device: str) -> None:
    x_i8, inverse_scale, packed, scale = inputs(2, 8, 4, device)
    inverse_scale[0] = float("nan")
    result = packed_product(x_i8, inverse_scale, packed, scale, None, torch.float32)
    assert result[0].isnan().all()
    assert result[1].isfinite().all()


def test_operator_under_the_compiler(device: str) -> None:
    """One graph without breaks, with the shapes that the fake implementation says."""
    arguments = inputs(3, 8, 12, device)
    compiled = torch.compile(
        lambda *tensors: packed_product(*tensors, None, torch.bfloat16) * 2,
        fullgraph=True,
        backend="aot_eager",
    )
    wanted = expected(*arguments, None, torch.bfloat16) * 2
    assert torch.equal(compiled(*arguments), wanted)
