"""int8 activations, one scale per token: a row's largest magnitude and its quantization in one kernel.

    1/s  = 127 / max(|x|), the maximum clamped to >= 1e-5
    x_i8 = round(x · 1/s), ties to even

The formulas and their bits are those of `reference.quantize_rows` (arXiv 2402.17764 §2). One program quantizes one row.
A row of at most `WIDEST_BLOCK` elements is read once and stays in registers between its maximum and its rounding; a wider
one is read twice in pieces, the second time most likely from the L2 cache (unmeasured).

Three ways around a float operation, each exact:

- Of two floats that are not negative the one with the larger bits is the larger, and a NaN has larger bits than any
  number. So the maximum is one of integers, and a NaN in a row makes its scale NaN, as in PyTorch; a maximum of
  floats would lose it.
- Adding 1.5 · 2²³ rounds a float32 below 2²² to an integer, ties to even, and leaves that integer in the lowest bits
  of the sum. This needs a product that is rounded before the sum: the kernels must be launched without fusing the two
  (`enable_fp_fusion=False`).
- |x · 1/s| is at most 127.0001, so nothing is left to clip.

A row with a NaN has 1/s = NaN; one with an infinity has 1/s = 0 and codes 0 for its finite elements. Which code the other
elements get is undefined, here as in the reference. Limits: rows of at least one element.
"""

import struct

import torch
import triton
import triton.language as tl
from torch import Tensor

from bitsft.ternary.kernels.gpu.operator import operator
from bitsft.ternary.quantize import SMALLEST_MAGNITUDE

WIDEST_BLOCK = 16384
"""Elements of a row that one program holds at once: 32 for each thread of 16 warps."""

_ELEMENTS_PER_WARP = 1024
_MOST_WARPS = 16

_MAGNITUDE_BITS = tl.constexpr(0x7FFFFFFF)
_SMALLEST_BITS = tl.constexpr(struct.unpack("<i", struct.pack("<f", SMALLEST_MAGNITUDE))[0])
_ROUNDER = tl.constexpr(1.5 * 2**23)


@triton.jit
def _magnitude_bits(x):
    """|x| as the integer that its float32 bits are."""
    return x.to(tl.float32).to(tl.int32, bitcast=True) & _MAGNITUDE_BITS


@triton.jit
def _inverse_scale(largest_bits):
    """127 / max(|x|), in PyTorch's two steps: a reciprocal, then a product."""
    largest = tl.maximum(largest_bits, _SMALLEST_BITS).to(tl.float32, bitcast=True)
    return tl.div_rn(1.0, largest) * 127.0


@triton.jit
def _rounded(x, inverse_scale):
    """round(x · 1/s) as int8: the lowest byte of the sum's bits."""
    shifted = x.to(tl.float32) * inverse_scale + _ROUNDER
    return shifted.to(tl.int32, bitcast=True).to(tl.int8)


@triton.jit
def _quantize_row(x, x_i8, inverse_scales, features, stride, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, BLOCK)
    inside = columns < features
    values = tl.load(x + row * stride + columns, mask=inside, other=0.0)
    inverse_scale = _inverse_scale(tl.max(_magnitude_bits(values), axis=0))
    tl.store(inverse_scales + row, inverse_scale)
    tl.store(x_i8 + row * features + columns, _rounded(values, inverse_scale), mask=inside)


@triton.jit
def _quantize_wide_row(x, x_i8, inverse_scales, features, stride, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, BLOCK)
    largest = tl.zeros([BLOCK], tl.int32)
    for start in range(0, features, BLOCK):
        inside = start + columns < features
        values = tl.load(x + row * stride + start + columns, mask=inside, other=0.0)
        largest = tl.maximum(largest, _magnitude_bits(values))
    inverse_scale = _inverse_scale(tl.max(largest, axis=0))
    tl.store(inverse_scales + row, inverse_scale)
    for start in range(0, features, BLOCK):
        inside = start + columns < features
        values = tl.load(x + row * stride + start + columns, mask=inside, other=0.0)
        rounded = _rounded(values, inverse_scale)
        tl.store(x_i8 + row * features + start + columns, rounded, mask=inside)


def _empty_results(x: Tensor) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape, dtype=torch.int8), x.new_empty((x.shape[0], 1), dtype=torch.float32)


@operator("quantize_rows", fake=_empty_results)
def quantize_rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """See `reference.quantize_rows`."""
    x_i8, inverse_scale = _empty_results(x)
    rows, features = x.shape
    if x.numel() == 0:
        return x_i8, inverse_scale
    if x.stride(1) != 1:
        x = x.contiguous()
    block = min(triton.next_power_of_2(features), WIDEST_BLOCK)
    kernel = _quantize_row if features <= block else _quantize_wide_row
    kernel[(rows,)](
        x,
        x_i8,
        inverse_scale,
        features,
        x.stride(0),
        BLOCK=block,
        num_warps=min(max(block // _ELEMENTS_PER_WARP, 1), _MOST_WARPS),
        enable_fp_fusion=False,
    )
    return x_i8, inverse_scale
