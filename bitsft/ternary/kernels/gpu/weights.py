"""Projection of a weight in two passes over it, without a host synchronization.

    pass 1   sum of |W| over each row; for a weight that may lie on the grid also each row's largest and smallest nonzero |W|
    between  γ from these vectors, by plain operations on [out_features] floats
    pass 2   codes = clip(round(W / γ), -1, 1), and how many differ from the codes before

A matrix lies on the grid exactly if its largest |W| is also its smallest nonzero one, so no third pass has to look.

Pass 2 does not divide. With ties to even, round(W / γ) ≥ 1 exactly if the rounded quotient is above 1/2; and that is so
exactly if W > γ/2: halving is exact, the next float above γ/2 is larger by a factor of more than 1 + 2⁻²⁴, and a quotient
that far above 1/2 rounds to a float above 1/2. A comparison leaves the kernel to memory alone, an exact division of
about ten instructions for each element might not (unmeasured).

Given γ the codes are the reference's to the last one. γ itself can differ in its last bits: row sums are float32 in
another order than torch's (the same in every run: no atomics). On the grid it is the reference's. Bytes moved for each
weight of b bytes: b + (b + 1), and 1 more to count flips. Unmeasured: everything about speed.
"""

from typing import cast

import torch
import triton
import triton.language as tl
from torch import Tensor

from bitsft.ternary.kernels.gpu.operator import operator
from bitsft.ternary.quantize import Granularity, absmean_of_row_sums

SUMMED_COLUMNS = 2048
"""Elements of a row that a program reads at once in pass 1: 16 to a thread of 4 warps. Unmeasured."""

CODED_ROWS = 4
CODED_COLUMNS = 1024
"""Elements of a program in pass 2: 32 to a thread of 4 warps. Unmeasured."""


def quantize_weight(
    weight: Tensor, granularity: Granularity = "tensor", *, on_grid: bool = False
) -> tuple[Tensor, Tensor]:
    """See `quantize.quantize_weight`."""
    return _quantize_weight(weight.detach(), granularity, on_grid)


def requantize_weight(
    weight: Tensor, old_codes: Tensor, granularity: Granularity = "tensor", *, on_grid: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """Codes and γ after an optimizer step, and the flips since the codes before.

    Args:
        weight: Latent weight `[out_features, in_features]`, any float dtype.
        old_codes: int8 of the same shape; not written to.
        granularity: See `quantize.quantize_weight`.
        on_grid: See `quantize.quantize_weight`.

    Returns:
        `(codes, scale, flips)`: as `quantize.quantize_weight`, and the number of codes that differ from
        `old_codes`, int64 of shape `()` on the weight's device.
    """
    return _requantize_weight(weight.detach(), old_codes, granularity, on_grid)


# The operators take detached weights: an operator without gradients must not stand in a graph that wants some.


def _quantize_weight_fake(weight: Tensor, granularity: str, on_grid: bool) -> tuple[Tensor, Tensor]:
    codes = weight.new_empty(weight.shape, dtype=torch.int8)
    shape = (weight.shape[0], 1) if granularity == "row" else ()
    return codes, weight.new_empty(shape, dtype=torch.float32)


@operator("quantize_weight", fake=_quantize_weight_fake)
def _quantize_weight(weight: Tensor, granularity: str, on_grid: bool) -> tuple[Tensor, Tensor]:
    scale = _scale(weight, granularity, on_grid)
    codes, _ = _codes_and_flips(weight, scale, None)
    return codes, scale.to(weight.dtype).float()


def _requantize_weight_fake(
    weight: Tensor, old_codes: Tensor, granularity: str, on_grid: bool
) -> tuple[Tensor, Tensor, Tensor]:
    codes, scale = _quantize_weight_fake(weight, granularity, on_grid)
    return codes, scale, weight.new_empty((), dtype=torch.int64)


@operator("requantize_weight", fake=_requantize_weight_fake)
def _requantize_weight(
    weight: Tensor, old_codes: Tensor, granularity: str, on_grid: bool
) -> tuple[Tensor, Tensor, Tensor]:
    scale = _scale(weight, granularity, on_grid)
    codes, flips = _codes_and_flips(weight, scale, old_codes.contiguous())
    return codes, scale.to(weight.dtype).float(), flips.sum()


def _scale(weight: Tensor, granularity: str, on_grid: bool) -> Tensor:
    """γ before it is rounded to the weight's dtype."""
    rows, columns = weight.shape
    sums, largest, smallest = weight.new_empty(3, rows, 1, dtype=torch.float32)
    if rows:
        _summarize_rows[(rows,)](
            weight,
            sums,
            largest,
            smallest,
            columns,
            weight.stride(0),
            weight.stride(1),
            GRID=on_grid,
            COLUMNS=SUMMED_COLUMNS,
            num_warps=4,
        )
    scale = absmean_of_row_sums(sums, columns, cast(Granularity, granularity))
    if not on_grid or not weight.numel():
        return scale
    if granularity == "tensor":
        largest, smallest, sums = largest.amax(), smallest.amin(), sums.sum()
    # A sum says whether there is a NaN, which maximum and minimum pass over.
    is_ternary = (largest == smallest) & ~sums.isnan()
    return torch.where(is_ternary, largest, scale)


def _codes_and_flips(
    weight: Tensor, scale: Tensor, old_codes: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Codes, and the flips of each program."""
    rows, columns = weight.shape
    codes = torch.empty(rows, columns, dtype=torch.int8, device=weight.device)
    grid = (triton.cdiv(rows, CODED_ROWS), triton.cdiv(columns, CODED_COLUMNS))
    counted = grid if old_codes is not None else (0,)
    flips = torch.empty(counted, dtype=torch.int32, device=weight.device)
    if codes.numel():
        _encode[grid](
            weight,
            scale,
            codes if old_codes is None else old_codes,
            codes,
            flips,
            rows,
            columns,
            weight.stride(0),
            weight.stride(1),
            PER_ROW=scale.dim() > 0,
            COUNT=old_codes is not None,
            ROWS=CODED_ROWS,
            COLUMNS=CODED_COLUMNS,
            num_warps=4,
        )
    return codes, flips


@triton.jit
def _summarize_rows(
    weight,
    sums,
    largest,
    smallest,
    columns,
    row_stride,
    column_stride,
    GRID: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    weight += row * row_stride
    total = tl.zeros((COLUMNS,), dtype=tl.float32)
    high = tl.zeros((COLUMNS,), dtype=tl.float32)
    low = tl.full((COLUMNS,), float("inf"), dtype=tl.float32)
    for start in range(0, columns, COLUMNS):
        column = (start + tl.arange(0, COLUMNS)).to(tl.int64)
        value = tl.load(weight + column * column_stride, mask=column < columns, other=0.0)
        value = tl.abs(value.to(tl.float32))
        total += value
        if GRID:
            high = tl.maximum(high, value)
            low = tl.minimum(low, tl.where(value == 0, float("inf"), value))
    tl.store(sums + row, tl.sum(total, axis=0))
    if GRID:
        tl.store(largest + row, tl.max(high, axis=0))
        tl.store(smallest + row, tl.min(low, axis=0))


@triton.jit
def _encode(
    weight,
    scale,
    old_codes,
    codes,
    flips,
    rows,
    columns,
    row_stride,
    column_stride,
    PER_ROW: tl.constexpr,
    COUNT: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    row = (tl.program_id(0) * ROWS + tl.arange(0, ROWS))[:, None].to(tl.int64)
    column = (tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS))[None, :].to(tl.int64)
    inside = (row < rows) & (column < columns)
    value = tl.load(weight + row * row_stride + column * column_stride, mask=inside, other=0.0)
    value = value.to(tl.float32)
    gamma = tl.load(scale + row, mask=row < rows, other=1.0) if PER_ROW else tl.load(scale)
    half = gamma * 0.5
    code = (value > half).to(tl.int8) - (value < -half).to(tl.int8)
    offset = row * columns + column
    tl.store(codes + offset, code, mask=inside)
    if COUNT:
        old = tl.load(old_codes + offset, mask=inside, other=0)
        flipped = tl.sum((inside & (code != old)).to(tl.int32))
        tl.store(flips + tl.program_id(0) * tl.num_programs(1) + tl.program_id(1), flipped)
