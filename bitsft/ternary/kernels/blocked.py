"""The kernels for a CPU: the reference's operations on blocks of rows that stay in the cache.

Every intermediate result (float32 copies, the int32 product) exists for one block of rows only. That matters more
than fusing: a temporary above 32 MB is fresh memory from the system each time, and first touching its pages takes
longer than the matrix product (2,048 tokens, 2560 -> 6912, bf16, two threads: product and rescaling 88 ms in one piece,
44 to 50 in blocks, the product alone 56, as it too writes less memory in blocks).

Same signatures, same operations in the same order as reference.py, and so the same bits. torch.compile makes the
element-wise parts another 2 times faster (0.2 against 0.5 ms where the products take 44); that is 2 % of a
layer's forward and backward, for a C++ compiler at run time and seconds of compiling (docs/performance.md).
"""

import torch
from torch import Tensor

from bitsft.ternary.kernels import reference
from bitsft.ternary.kernels.int8_matmul import int8_matmul
from bitsft.ternary.kernels.last_made import LastMade
from bitsft.ternary.pack import unpack_unchecked
from bitsft.ternary.quantize import (
    SMALLEST_MAGNITUDE,
    Granularity,
    absmean_of_row_sums,
    ternary_codes,
)

BLOCK_ELEMENTS = 2**20
"""Largest intermediate result, 4 MB in float32; 2^19 to 2^21 are equally fast."""

CODES_OF_A_BLOCK = 4 * BLOCK_ELEMENTS
"""Most codes that are unpacked at a time, 4 MB as int8. In smaller blocks writing the result's columns costs more than
unpacking: a fifth of the forward product (2,048 tokens, 768 -> 2048, bf16, one thread: 28.5 ms in two blocks, 23.6 for
codes that are not packed, 0.4 to unpack them)."""

_last_dequantized = LastMade()


def quantize_weight(
    weight: Tensor, granularity: Granularity = "tensor", *, on_grid: bool = False
) -> tuple[Tensor, Tensor]:
    """See `quantize.quantize_weight`."""
    weight = weight.detach().contiguous()
    rows = _rows_of_a_block(weight.shape[1])
    if len(weight) <= rows or granularity == "row":
        blocks = [
            reference.quantize_weight(block, granularity, on_grid=on_grid)
            for block in weight.split(rows)
        ]
        if len(blocks) == 1:
            return blocks[0]
        return torch.cat([codes for codes, _ in blocks]), torch.cat([scale for _, scale in blocks])
    if on_grid:
        magnitude = torch.stack([block.abs().amax() for block in weight.split(rows)]).amax().float()
        codes_on_grid = _codes_on_grid(weight, magnitude, rows)
        if codes_on_grid is not None:
            return codes_on_grid, magnitude
    sums = [block.abs().float().sum(dim=1, keepdim=True) for block in weight.split(rows)]
    scale = absmean_of_row_sums(torch.cat(sums), weight.shape[1], granularity)
    codes = torch.empty(weight.shape, dtype=torch.int8, device=weight.device)
    for start in range(0, len(weight), rows):
        block = slice(start, start + rows)
        codes[block] = ternary_codes(weight[block], scale)
    return codes, scale.to(weight.dtype).float()


def quantize_rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """See `reference.quantize_rows`."""
    rows = _rows_of_a_block(x.shape[1])
    if x.shape[0] <= rows:
        return _quantized(x)
    x_i8 = torch.empty(x.shape, dtype=torch.int8, device=x.device)
    inverse_scale = torch.empty(len(x), 1, dtype=torch.float32, device=x.device)
    for start in range(0, len(x), rows):
        block = slice(start, start + rows)
        x_i8[block], inverse_scale[block] = _quantized(x[block])
    return x_i8, inverse_scale


def ternary_product(
    x_i8: Tensor,
    inverse_scale: Tensor,
    codes: Tensor,
    scale: Tensor,
    bias: Tensor | None,
    dtype: torch.dtype,
) -> Tensor:
    """See `reference.ternary_product`."""
    inverse_gamma = scale.reciprocal()
    if inverse_gamma.dim():
        inverse_gamma = inverse_gamma.reshape(1, -1)
    bias = None if bias is None else bias.float()
    rows = _rows_of_a_block(len(codes))
    if x_i8.shape[0] <= rows:
        product = int8_matmul(x_i8, codes)
        return _rescaled(product, inverse_scale * inverse_gamma, bias).to(dtype)
    y = torch.empty(len(x_i8), len(codes), dtype=dtype, device=x_i8.device)
    for start in range(0, len(x_i8), rows):
        block = slice(start, start + rows)
        product = int8_matmul(x_i8[block], codes)
        y[block] = _rescaled(product, inverse_scale[block] * inverse_gamma, bias)
    return y


def packed_product(
    x_i8: Tensor,
    inverse_scale: Tensor,
    packed: Tensor,
    scale: Tensor,
    bias: Tensor | None,
    dtype: torch.dtype,
) -> Tensor:
    """See `reference.packed_product`. Codes exist for one block of packed rows at a time."""
    quarter, in_features = packed.shape
    rows = max(8, CODES_OF_A_BLOCK // (4 * max(1, in_features)))
    if quarter <= rows:
        codes = _unpacked(packed)
        return ternary_product(x_i8, inverse_scale, codes, scale, bias, dtype)
    y = torch.empty(len(x_i8), 4, quarter, dtype=dtype, device=x_i8.device)
    scales = scale.expand(4 * quarter, 1).reshape(4, quarter, 1)
    biases = None if bias is None else bias.reshape(4, quarter)
    for start in range(0, quarter, rows):
        block = slice(start, start + rows)
        y[:, :, block] = ternary_product(
            x_i8,
            inverse_scale,
            _unpacked(packed[block]),
            scales[:, block].reshape(-1, 1) if scale.dim() else scale,
            None if biases is None else biases[:, block].reshape(-1),
            dtype,
        ).unflatten(1, (4, -1))
    return y.reshape(len(x_i8), 4 * quarter)


def requantize_weight(
    weight: Tensor, old_codes: Tensor, granularity: Granularity = "tensor", *, on_grid: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """See `reference.requantize_weight`."""
    codes, scale = quantize_weight(weight, granularity, on_grid=on_grid)
    return codes, scale, (codes != old_codes).sum()


def input_gradient(grad: Tensor, codes: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    """See `reference.input_gradient`."""
    return _scaled_columns(grad, scale, dtype) @ codes.to(dtype)


def packed_input_gradient(
    grad: Tensor, packed: Tensor, scale: Tensor, dtype: torch.dtype
) -> Tensor:
    """See `reference.packed_input_gradient`. Codes exist for one block of columns at a time: each sum is whole."""
    scaled = _scaled_columns(grad, scale, dtype)
    columns = max(32, CODES_OF_A_BLOCK // max(1, grad.shape[1]) // 32 * 32)
    if packed.shape[1] <= columns:
        return scaled @ _unpacked(packed).to(dtype)
    grad_x = torch.empty(len(grad), packed.shape[1], dtype=dtype, device=grad.device)
    for start in range(0, packed.shape[1], columns):
        block = slice(start, start + columns)
        grad_x[:, block] = scaled @ _unpacked(packed[:, block]).to(dtype)
    return grad_x


def weight_gradient(
    grad: Tensor, x_i8: Tensor, inverse_scale: Tensor, dtype: torch.dtype
) -> Tensor:
    """See `reference.weight_gradient`. Layers that shared their input dequantize it once."""
    x = _last_dequantized.get(x_i8, dtype)
    if x is None:
        x = _dequantized(x_i8, inverse_scale, dtype)
        _last_dequantized.put(x_i8, dtype, made=x)
    return grad.to(dtype).t() @ x


def _unpacked(packed: Tensor) -> Tensor:
    """`unpack_unchecked` on four bytes at a time: 0.10 ms instead of 0.28 for 2048 x 768 codes, one thread."""
    packed = packed.contiguous()
    if packed.shape[1] % 4 or packed.storage_offset() % 4:
        return unpack_unchecked(packed)
    shifts = torch.arange(0, 8, 2, dtype=torch.int32, device=packed.device).reshape(-1, 1, 1)
    quarters = (packed.view(torch.int32) >> shifts).bitwise_and_(0x03030303)
    return quarters.flatten(0, 1).view(torch.int8).sub_(1)


def _dequantized(x_i8: Tensor, inverse_scale: Tensor, dtype: torch.dtype) -> Tensor:
    x = torch.empty(x_i8.shape, dtype=dtype, device=x_i8.device)
    rows = _rows_of_a_block(x_i8.shape[1])
    for start in range(0, len(x_i8), rows):
        block = slice(start, start + rows)
        x[block] = x_i8[block] / inverse_scale[block]
    return x


def _scaled_columns(grad: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    if scale.dim() == 0 and grad.dtype == dtype:
        return grad * scale  # in one pass: float32 inside, rounded once
    scaled = torch.empty(grad.shape, dtype=dtype, device=grad.device)
    rows = _rows_of_a_block(grad.shape[1])
    for start in range(0, len(grad), rows):
        block = slice(start, start + rows)
        scaled[block] = grad[block].float() * scale.reshape(1, -1)
    return scaled


def _codes_on_grid(weight: Tensor, magnitude: Tensor, rows: int) -> Tensor | None:
    """The codes of a weight that is exactly magnitude·{-1, 0, 1}; None where it is not."""
    codes = torch.empty(weight.shape, dtype=torch.int8, device=weight.device)
    for start in range(0, len(weight), rows):
        block = slice(start, start + rows)
        codes[block] = weight[block].sign()
        if not torch.equal(codes[block] * magnitude, weight[block].float()):
            return None
    return codes if bool(magnitude > 0) else None


def _quantized(x: Tensor) -> tuple[Tensor, Tensor]:
    """As the reference, with fewer operations: x · 1/s is within ±127.0001, so nothing is left to clip."""
    inverse_scale = x.abs().amax(-1, keepdim=True).float()
    inverse_scale.clamp_(min=SMALLEST_MAGNITUDE).reciprocal_().mul_(127)
    return torch.mul(x, inverse_scale).round_().to(torch.int8), inverse_scale


def _rescaled(product: Tensor, divisor: Tensor, bias: Tensor | None) -> Tensor:
    y = product / divisor
    return y if bias is None else y.add_(bias)


def _rows_of_a_block(width: int) -> int:
    return max(32, BLOCK_ELEMENTS // max(1, width) // 32 * 32)
