"""The forward product: int8 × int8 -> int32 on the matrix units, everything after it before it leaves the registers.

    y = (x_i8 · codesᵀ) / (1/s · 1/γ) [+ bias], in `dtype`

The integer product is exact. The float operations are those of `reference.ternary_product`, one by one and in float32:
a reciprocal, a product, a division, a sum, each rounded once. So the division is the correctly rounded one (`/` alone is
approximate on a GPU) and the kernel is launched without fused multiply-add.

One program makes one tile of y. Tiles follow each other in groups of a few rows of tiles, column by column, so that the
operands of the tiles that run at the same time stay in the L2 cache (the grouped order of Triton's documentation on
matrix multiplication). Both operands lie along in_features, the only order that Hopper's int8 units read.

Limits: the tile sizes are reasoned, not measured; Triton tries them at the first call with a new shape or a new power of
two of tokens (a warm-up call belongs before the capture of a CUDA graph). Triton 3.9 waits for an int8 product after each
step along in_features (it overlaps steps only where sums are float32), which is why tiles of which two fit one
multiprocessor are among them. Widths that are not multiples of 16 are correct, but their loads are narrow. The sums are
int32: exact up to 16.7 million input features.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from bitsft.ternary.kernels.gpu.operator import operator
from bitsft.ternary.kernels.gpu.tuning import bucket, configs, is_interpreted

# The interpreter cuts float32 down to bfloat16 without rounding (Triton 3.9), GPUs round: there PyTorch does it.
_PYTORCH_ROUNDS = is_interpreted()

_SMALLEST_TILE, _LARGEST_SMALL_TILE = 16, 128


def _tile(tokens: int, outputs: int, inputs: int, warps: int, stages: int) -> dict[str, int]:
    tile = {"BLOCK_TOKENS": tokens, "BLOCK_OUT": outputs, "BLOCK_IN": inputs}
    return {**tile, "num_warps": warps, "num_stages": stages}


_CANDIDATES = [
    # Few tokens: the codes are read once, whatever the tile; small ones give each multiprocessor a part of them.
    _tile(16, 32, 256, warps=4, stages=4),
    _tile(16, 64, 256, warps=4, stages=4),
    _tile(32, 64, 256, warps=4, stages=4),
    _tile(64, 64, 128, warps=4, stages=4),
    # Many tokens, two programs on each multiprocessor of Hopper: one multiplies while another waits or divides.
    _tile(64, 256, 128, warps=4, stages=2),
    _tile(128, 128, 64, warps=8, stages=4),
    _tile(128, 128, 128, warps=4, stages=3),
    _tile(128, 128, 128, warps=8, stages=3),
    # One program on each: larger tiles read less, longer steps wait less often.
    _tile(128, 256, 128, warps=8, stages=4),
    _tile(128, 256, 256, warps=8, stages=2),
    _tile(256, 128, 128, warps=8, stages=3),
]
_SMALL = {"BLOCK_TOKENS": 16, "BLOCK_OUT": 16, "BLOCK_IN": 32}


def _worth_trying(tiles: list[Any], arguments: dict[str, Any], **_: Any) -> list[Any]:
    """The tiles that are neither mostly padding nor far too small for the number of tokens."""
    tokens = arguments["tokens_bucket"]
    least = min(tokens, _LARGEST_SMALL_TILE) // 2
    return [
        tile
        for tile in tiles
        if least <= tile.kwargs["BLOCK_TOKENS"] <= max(tokens, _SMALLEST_TILE)
    ]


@triton.autotune(
    configs=configs(_SMALL, *_CANDIDATES),
    key=["tokens_bucket", "in_features", "out_features"],
    prune_configs_by={"early_config_prune": _worth_trying},
)
@triton.heuristics({"EVEN_IN": lambda known: known["in_features"] % known["BLOCK_IN"] == 0})
@triton.jit(do_not_specialize=["tokens", "tokens_bucket"])
def _product_tile(
    x_i8,
    inverse_scales,
    codes,
    gammas,
    bias,
    y,
    tokens,
    tokens_bucket,  # for the choice of the tile only
    in_features,
    out_features,
    x_stride,
    codes_stride,
    GAMMA_PER_ROW: tl.constexpr,
    EVEN_IN: tl.constexpr,
    BLOCK_TOKENS: tl.constexpr,
    BLOCK_OUT: tl.constexpr,
    BLOCK_IN: tl.constexpr,
    TILES_IN_GROUP: tl.constexpr,
):
    down = tl.cdiv(tokens, BLOCK_TOKENS)
    across = tl.cdiv(out_features, BLOCK_OUT)
    group = tl.program_id(0) // (TILES_IN_GROUP * across)
    within = tl.program_id(0) % (TILES_IN_GROUP * across)
    height = tl.minimum(TILES_IN_GROUP, down - group * TILES_IN_GROUP)
    first_row = (group * TILES_IN_GROUP + within % height) * BLOCK_TOKENS
    first_column = (within // height) * BLOCK_OUT

    rows = first_row + tl.arange(0, BLOCK_TOKENS)
    columns = first_column + tl.arange(0, BLOCK_OUT)
    inputs = tl.arange(0, BLOCK_IN)
    # Rows and columns past the end read the last ones once more; what they give is not stored.
    read_rows = tl.minimum(rows, tokens - 1).to(tl.int64)
    read_columns = tl.minimum(columns, out_features - 1).to(tl.int64)
    x_at = x_i8 + read_rows[:, None] * x_stride + inputs[None, :]
    codes_at = codes + read_columns[None, :] * codes_stride + inputs[:, None]

    total = tl.zeros([BLOCK_TOKENS, BLOCK_OUT], dtype=tl.int32)
    for start in range(0, in_features, BLOCK_IN):
        if EVEN_IN:
            left = tl.load(x_at)
            right = tl.load(codes_at)
        else:
            inside = inputs < in_features - start
            left = tl.load(x_at, mask=inside[None, :], other=0)
            right = tl.load(codes_at, mask=inside[:, None], other=0)
        total = tl.dot(left, right, total, out_dtype=tl.int32)
        x_at += BLOCK_IN
        codes_at += BLOCK_IN

    inverse_scale = tl.load(inverse_scales + read_rows)
    inverse_gamma = tl.div_rn(1.0, tl.load(gammas + read_columns if GAMMA_PER_ROW else gammas))
    divisor = inverse_scale[:, None] * (inverse_gamma[None, :] if GAMMA_PER_ROW else inverse_gamma)
    result = tl.div_rn(total.to(tl.float32), tl.broadcast_to(divisor, total.shape))
    if bias is not None:
        result += tl.load(bias + read_columns).to(tl.float32)[None, :]
    y_at = y + rows.to(tl.int64)[:, None] * out_features + columns[None, :]
    inside = (rows[:, None] < tokens) & (columns[None, :] < out_features)
    tl.store(y_at, result.to(y.dtype.element_ty), mask=inside)


def _empty_result(
    x_i8: Tensor,
    inverse_scale: Tensor,
    codes: Tensor,
    scale: Tensor,
    bias: Tensor | None,
    dtype: torch.dtype,
) -> Tensor:
    return x_i8.new_empty((x_i8.shape[0], codes.shape[0]), dtype=dtype)


@operator("ternary_product", fake=_empty_result)
def ternary_product(
    x_i8: Tensor,
    inverse_scale: Tensor,
    codes: Tensor,
    scale: Tensor,
    bias: Tensor | None,
    dtype: torch.dtype,
) -> Tensor:
    """See `reference.ternary_product`."""
    stored = torch.float32 if _PYTORCH_ROUNDS else dtype
    y = _empty_result(x_i8, inverse_scale, codes, scale, bias, stored)
    tokens, out_features = y.shape
    if y.numel() == 0:
        return y.to(dtype)
    x_i8, codes = _along_inputs(x_i8), _along_inputs(codes)

    def grid(tile: dict[str, Any]) -> tuple[int]:
        down = triton.cdiv(tokens, tile["BLOCK_TOKENS"])
        return (down * triton.cdiv(out_features, tile["BLOCK_OUT"]),)

    _product_tile[grid](
        x_i8,
        inverse_scale.contiguous(),
        codes,
        scale.contiguous(),
        None if bias is None else bias.contiguous(),
        y,
        tokens,
        bucket(max(tokens, _SMALLEST_TILE)),
        codes.shape[1],
        out_features,
        x_i8.stride(0),
        codes.stride(0),
        GAMMA_PER_ROW=scale.dim() > 0,
        TILES_IN_GROUP=8,
        enable_fp_fusion=False,
    )
    return y.to(dtype)


def _along_inputs(matrix: Tensor) -> Tensor:
    return matrix if matrix.stride(1) == 1 else matrix.contiguous()
