"""The two gradient products of a ternary layer, whose ternary or int8 factor is read as int8.

    input_gradient    (γ · ∂L/∂y) · codes               [tokens, out] · [out, in]
    weight_gradient   (∂L/∂y)ᵀ · (s · x_i8)             [out, tokens] · [tokens, in]

Each in two ways; `WAY` chooses, here and nowhere else:

- `"cublas"`: a kernel writes the converted factors, `torch.mm` multiplies them. They have the reference's bits, and so
  has the result on the same device. Conversion moves, in bytes, with b of the product's dtype and g of the gradient's,

      input     tokens·out·(g + b) + out·in·(1 + b)         weight    tokens·in·(1 + b)   [+ tokens·out·(g + b) if g ≠ b]

  and the converted factors stand in memory as long as the product runs.
- `"fused"`: one kernel reads the int8 factor, converts it in registers and multiplies. No extra memory, no traffic; but
  each tile of the result converts its factors again, and a float32 product is never rounded to TF32. The factors have
  the reference's bits, their sums are float32 in another order.

Both round γ·∂L/∂y and s·x_i8 once to the product's dtype. Tiles of the result are visited in groups of rows, so that
what neighbours read stays in the second-level cache (a standard blocking of matrix products). Limits: sizes below 2³¹
each; offsets are 64 bit. Unmeasured: everything about speed.
"""

from typing import Literal

import torch
import triton
import triton.language as tl
from torch import Tensor

from bitsft.ternary.kernels.gpu.operator import operator
from bitsft.ternary.kernels.gpu.tuning import bucket, configs, is_interpreted
from bitsft.ternary.pack import unpack_unchecked

WAY: Literal["cublas", "fused"] = "cublas"
"""Unmeasured. cuBLAS's bf16 product is hard to beat on Hopper, and conversion costs memory traffic only: with tokens,
out and in of several thousands it moves a few bytes for every thousand multiplications."""

CONVERTED_ROWS = 4
CONVERTED_COLUMNS = 1024
"""Elements of a program that converts: with 8 warps 16 to a thread, in loads of up to 16 bytes. Unmeasured."""


def _input_gradient_fake(grad: Tensor, codes: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    return grad.new_empty(grad.shape[0], codes.shape[1], dtype=dtype)


def _weight_gradient_fake(
    grad: Tensor, x_i8: Tensor, inverse_scale: Tensor, dtype: torch.dtype
) -> Tensor:
    return grad.new_empty(grad.shape[1], x_i8.shape[1], dtype=dtype)


@operator("input_gradient", fake=_input_gradient_fake)
def input_gradient(grad: Tensor, codes: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    """See `reference.input_gradient`."""
    if WAY == "fused":
        return _product(grad, codes, scale, "left", dtype)
    per = "column" if scale.dim() else "tensor"
    return _converted(grad, dtype, "times", scale, per) @ _converted(codes, dtype)


def packed_input_gradient(
    grad: Tensor, packed: Tensor, scale: Tensor, dtype: torch.dtype
) -> Tensor:
    """See `reference.packed_input_gradient`; the codes of one layer are unpacked for it in plain PyTorch."""
    return input_gradient(grad, unpack_unchecked(packed), scale, dtype)


@operator("weight_gradient", fake=_weight_gradient_fake)
def weight_gradient(
    grad: Tensor, x_i8: Tensor, inverse_scale: Tensor, dtype: torch.dtype
) -> Tensor:
    """See `reference.weight_gradient`."""
    if WAY == "fused":
        return _product(grad.t(), x_i8, inverse_scale, "right", dtype)
    x = _converted(x_i8, dtype, "divided by", inverse_scale, "row")
    return (grad if grad.dtype == dtype else _converted(grad, dtype)).t() @ x


def _converted(
    source: Tensor,
    dtype: torch.dtype,
    operation: str = "copied",
    factor: Tensor | None = None,
    per: str = "tensor",
) -> Tensor:
    """`source` in another dtype, times or divided by a float32 factor per tensor, row or column."""
    target = torch.empty(source.shape, dtype=dtype, device=source.device)
    if target.numel() == 0:
        return target
    rows, columns = source.shape
    grid = (triton.cdiv(rows, CONVERTED_ROWS), triton.cdiv(columns, CONVERTED_COLUMNS))
    _convert[grid](
        source,
        target if factor is None else factor.contiguous(),
        target,
        rows,
        columns,
        source.stride(0),
        source.stride(1),
        OPERATION=operation,
        PER=per,
        BY_HAND=is_interpreted(),
        ROWS=CONVERTED_ROWS,
        COLUMNS=CONVERTED_COLUMNS,
        num_warps=8,
    )
    return target


@triton.jit
def _rounded(value, dtype: tl.constexpr, BY_HAND: tl.constexpr):
    """float32 to a dtype. By hand, as the interpreter (Triton 3.9) cuts bfloat16 off, and cannot multiply it: the bfloat16
    nearest to the value, ties to even, as a float32."""
    if BY_HAND and dtype == tl.bfloat16:
        bits = value.to(tl.int32, bitcast=True)
        bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & -0x10000
        result = tl.where(value == value, bits.to(tl.float32, bitcast=True), value)
    else:
        result = value.to(dtype)
    return result


@triton.jit
def _convert(
    source,
    factor,
    target,
    rows,
    columns,
    row_stride,
    column_stride,
    OPERATION: tl.constexpr,
    PER: tl.constexpr,
    BY_HAND: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    row = (tl.program_id(0) * ROWS + tl.arange(0, ROWS))[:, None].to(tl.int64)
    column = (tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS))[None, :].to(tl.int64)
    inside = (row < rows) & (column < columns)
    value = tl.load(source + row * row_stride + column * column_stride, mask=inside, other=0)
    value = value.to(tl.float32)
    if OPERATION != "copied":
        if PER == "row":
            by = tl.load(factor + row, mask=row < rows, other=1.0)
        elif PER == "column":
            by = tl.load(factor + column, mask=column < columns, other=1.0)
        else:
            by = tl.load(factor)
        # Exactly rounded, as PyTorch divides; `/` is approximate on a GPU.
        value = value * by if OPERATION == "times" else tl.div_rn(value, by)
    dtype = target.dtype.element_ty
    value = _rounded(value, dtype, BY_HAND).to(dtype)
    tl.store(target + row * columns + column, value, mask=inside)


def _product(
    left: Tensor, right_i8: Tensor, factor: Tensor, factor_of: str, dtype: torch.dtype
) -> Tensor:
    """left · right_i8, one of them times (left) or divided by (right) a factor per inner index."""
    rows, depth = left.shape
    columns = right_i8.shape[1]
    out = torch.empty(rows, columns, dtype=dtype, device=left.device)
    if out.numel() == 0:
        return out
    right_i8 = right_i8.contiguous()
    tokens_are_rows = factor_of == "left"

    def grid(tiles: dict[str, int]) -> tuple[int]:
        return (triton.cdiv(rows, tiles["ROWS"]) * triton.cdiv(columns, tiles["COLUMNS"]),)

    _multiply[grid](
        left,
        right_i8,
        factor.contiguous(),
        out,
        rows,
        columns,
        depth,
        left.stride(0),
        left.stride(1),
        bucket(rows) if tokens_are_rows else rows,
        depth if tokens_are_rows else bucket(depth),
        FACTOR_OF=factor_of,
        ONE_FACTOR=factor.dim() == 0,
        BY_HAND=is_interpreted(),
    )
    return out


@triton.autotune(
    configs=configs(
        {"ROWS": 32, "COLUMNS": 32, "DEPTH": 32, "GROUP": 2},
        {"ROWS": 128, "COLUMNS": 256, "DEPTH": 64, "GROUP": 8, "num_warps": 8, "num_stages": 3},
        {"ROWS": 256, "COLUMNS": 128, "DEPTH": 64, "GROUP": 8, "num_warps": 8, "num_stages": 3},
        {"ROWS": 128, "COLUMNS": 128, "DEPTH": 64, "GROUP": 8, "num_warps": 8, "num_stages": 4},
        {"ROWS": 128, "COLUMNS": 128, "DEPTH": 64, "GROUP": 8, "num_warps": 4, "num_stages": 3},
        {"ROWS": 64, "COLUMNS": 128, "DEPTH": 64, "GROUP": 8, "num_warps": 4, "num_stages": 4},
        {"ROWS": 64, "COLUMNS": 64, "DEPTH": 32, "GROUP": 8, "num_warps": 4, "num_stages": 4},
    ),
    key=["rows_key", "columns", "depth_key", "FACTOR_OF"],
)
@triton.jit(do_not_specialize=["rows_key", "depth_key"])
def _multiply(
    left,
    right,
    factor,
    out,
    rows,
    columns,
    depth,
    left_row_stride,
    left_depth_stride,
    rows_key,
    depth_key,
    FACTOR_OF: tl.constexpr,
    ONE_FACTOR: tl.constexpr,
    BY_HAND: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
    GROUP: tl.constexpr,
):
    # Programs run down GROUP tiles of rows before they go to the next tile of columns.
    program = tl.program_id(0)
    of_group = GROUP * tl.cdiv(columns, COLUMNS)
    first = program // of_group * GROUP
    height = tl.minimum(tl.cdiv(rows, ROWS) - first, GROUP)
    row = (first + program % of_group % height) * ROWS + tl.arange(0, ROWS)
    column = (program % of_group // height) * COLUMNS + tl.arange(0, COLUMNS)
    row = row[:, None].to(tl.int64)
    column = column[None, :].to(tl.int64)
    inner = tl.arange(0, DEPTH)

    dtype = out.dtype.element_ty
    left_tile = left + row * left_row_stride + inner[None, :].to(tl.int64) * left_depth_stride
    right_tile = right + inner[:, None].to(tl.int64) * columns + column
    total = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
    for start in range(0, depth, DEPTH):
        index = start + inner
        valid = index < depth
        a = tl.load(left_tile, mask=(row < rows) & valid[None, :], other=0.0).to(tl.float32)
        b = tl.load(right_tile, mask=valid[:, None] & (column < columns), other=0).to(tl.float32)
        if FACTOR_OF == "right":
            by = tl.load(factor + index, mask=valid, other=1.0)[:, None]
            b = tl.div_rn(b, by)
        elif ONE_FACTOR:
            a = a * tl.load(factor)
        else:
            a = a * tl.load(factor + index, mask=valid, other=1.0)[None, :]
        a = _rounded(a, dtype, BY_HAND)
        b = _rounded(b, dtype, BY_HAND)
        total = tl.dot(a, b, total, input_precision="ieee")
        left_tile += DEPTH * left_depth_stride
        right_tile += DEPTH * columns
    total = _rounded(total, dtype, BY_HAND).to(dtype)
    tl.store(out + row * columns + column, total, mask=(row < rows) & (column < columns))
