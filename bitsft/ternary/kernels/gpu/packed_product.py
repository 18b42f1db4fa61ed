"""The ternary product on packed codes, for decoding: four codes are read as one byte and unpacked in registers.

    acc_j = Σ_k u_j · x_i8 - Σ_k x_i8          u_j = (byte >> 2j) & 3 = code + 1, of output row i + j·r
    y     = acc / (1/s · 1/γ) + bias           exact in int32; float32 and divided once, as in the reference

One token reads each weight once, so the weights' bytes set the time, and there are an eighth as many as in bf16. What
else is done for a byte has to be less than its way from memory:

- few tokens (up to 8): four bytes along a row are one 32-bit word; (word >> 2j) & 0x03030303 are four u_j, and one `dp4a`
  (four products int8 · int8 added to an int32) multiplies them with four activations. The 1 in u = code + 1 is taken off
  once at the end. A row whose bytes cannot be read as words (in_features no multiple of 4) is put together from bytes.
- more tokens: the unpacked tile goes through `tl.dot`. Correct for any number; for long prompts unpacking once and
  multiplying by plain codes has less to do.

K is split over the warps of a program, not over programs: with one byte row each there are at least as many programs
as an H200 has SMs (132) for 528 output features and more, and the smallest layer of the usual models has 640. Atomics
would need a buffer of zeros and a second kernel for the epilogue, two more launches for a product that takes less time
than a launch.

Source of the layout: pack.py; `dp4a`: PTX ISA, "Integer arithmetic instructions". Limits: NVIDIA GPUs; |Σ u·x| needs
in_features < 2²³; a pair of bits that is 3 is not noticed (pack.py's `unpack_codes` checks). Tile sizes are candidates
for the autotuner; none was measured yet.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from bitsft.ternary.kernels.gpu.operator import operator
from bitsft.ternary.kernels.gpu.tuning import bucket, configs, is_interpreted
from bitsft.ternary.pack import CODES_PER_BYTE

FEW_TOKENS = 8
"""Tokens up to which the product goes without matrix units: each one more needs four more accumulators."""


@triton.jit
def _words(pointer, rows, columns, width, inside, ALIGNED: tl.constexpr):
    """Four bytes each as int32; `columns` counts words, `width` what `pointer` points to. 0 beyond the row."""
    if ALIGNED:  # a pointer to words
        words = tl.load(pointer + rows * width + columns, mask=inside, other=0)
    else:
        words = tl.zeros((rows + columns).shape, tl.int32)
        for byte in tl.static_range(4):
            column = columns * 4 + byte
            value = tl.load(
                pointer + rows * width + column, mask=inside & (column < width), other=0
            )
            words |= (value.to(tl.int32) & 0xFF) << (8 * byte)
    return words


@triton.jit
def _dot4(a, b, total, DP4A: tl.constexpr):
    """total + the dot product of the four bytes of `a` (0 to 3 each) and of `b` (int8)."""
    a, b = tl.broadcast(a, b)
    if DP4A:
        total = tl.inline_asm_elementwise(
            "dp4a.s32.s32 $0, $1, $2, $3;",
            "=r,r,r,r",
            [a, b, total],
            dtype=tl.int32,
            is_pure=True,
            pack=1,
        )
    else:  # the same in the interpreter, which knows no assembler
        for byte in tl.static_range(4):
            total += ((a >> (8 * byte)) & 3) * ((b << (24 - 8 * byte)) >> 24)
    return total


@triton.jit
def _store(
    total, y, inverse_scale, scale, bias, tokens, out_features, token, out_row, exists,
    PER_ROW: tl.constexpr, HAS_BIAS: tl.constexpr,
):  # fmt: skip
    """The epilogue; `token` is [m, 1], `out_row` and `exists` (whether there is such a row) [1, n]."""
    gamma = tl.load(scale + out_row, mask=exists, other=1.0) if PER_ROW else tl.load(scale)
    inverse = tl.load(inverse_scale + token, mask=token < tokens, other=1.0)
    result = tl.div_rn(total.to(tl.float32), inverse * tl.div_rn(1.0, gamma))
    if HAS_BIAS:
        result += tl.load(bias + out_row, mask=exists, other=0.0).to(tl.float32)
    offset = token.to(tl.int64) * out_features + out_row
    tl.store(y + offset, result.to(y.dtype.element_ty), mask=(token < tokens) & exists)


@triton.autotune(
    configs(
        {"BLOCK_ROWS": 2, "BLOCK_WORDS": 8},
        {"BLOCK_ROWS": 1, "BLOCK_WORDS": 512, "num_warps": 4, "num_stages": 1},
        {"BLOCK_ROWS": 2, "BLOCK_WORDS": 512, "num_warps": 4, "num_stages": 1},
        {"BLOCK_ROWS": 4, "BLOCK_WORDS": 512, "num_warps": 4, "num_stages": 1},
        {"BLOCK_ROWS": 1, "BLOCK_WORDS": 256, "num_warps": 2, "num_stages": 1},
        {"BLOCK_ROWS": 2, "BLOCK_WORDS": 256, "num_warps": 2, "num_stages": 1},
        {"BLOCK_ROWS": 1, "BLOCK_WORDS": 1024, "num_warps": 8, "num_stages": 1},
        {"BLOCK_ROWS": 1, "BLOCK_WORDS": 1024, "num_warps": 4, "num_stages": 1},
        {"BLOCK_ROWS": 1, "BLOCK_WORDS": 128, "num_warps": 1, "num_stages": 1},
    ),
    key=["rows", "words", "TOKENS"],
)
@triton.jit
def _few_tokens(
    x_i8, packed, inverse_scale, scale, bias, y, tokens, rows, words, width,
    TOKENS: tl.constexpr, PER_ROW: tl.constexpr, HAS_BIAS: tl.constexpr,
    ALIGNED: tl.constexpr, DP4A: tl.constexpr,
    BLOCK_ROWS: tl.constexpr, BLOCK_WORDS: tl.constexpr,
):  # fmt: skip
    token = tl.arange(0, TOKENS).to(tl.int64)[:, None, None]
    first_row = tl.program_id(0) * BLOCK_ROWS
    row = (first_row + tl.arange(0, BLOCK_ROWS)).to(tl.int64)[None, :, None]
    # Sums stay apart for each column until the end: one reduction over the threads, not one in each turn.
    first = tl.zeros([TOKENS, BLOCK_ROWS, BLOCK_WORDS], tl.int32)
    second = tl.zeros([TOKENS, BLOCK_ROWS, BLOCK_WORDS], tl.int32)
    third = tl.zeros([TOKENS, BLOCK_ROWS, BLOCK_WORDS], tl.int32)
    fourth = tl.zeros([TOKENS, BLOCK_ROWS, BLOCK_WORDS], tl.int32)
    one = tl.zeros([TOKENS, 1, BLOCK_WORDS], tl.int32)
    for start in range(0, words, BLOCK_WORDS):
        column = (start + tl.arange(0, BLOCK_WORDS))[None, None, :]
        w = _words(packed, row, column, width, (row < rows) & (column < words), ALIGNED)
        x = _words(x_i8, token, column, width, (token < tokens) & (column < words), ALIGNED)
        first = _dot4(w & 0x03030303, x, first, DP4A)
        second = _dot4((w >> 2) & 0x03030303, x, second, DP4A)
        third = _dot4((w >> 4) & 0x03030303, x, third, DP4A)
        fourth = _dot4((w >> 6) & 0x03030303, x, fourth, DP4A)
        one = _dot4(tl.full([TOKENS, 1, BLOCK_WORDS], 0x01010101, tl.int32), x, one, DP4A)
    pairs = tl.join(tl.join(first - one, third - one), tl.join(second - one, fourth - one))
    total = tl.reshape(tl.sum(pairs, axis=2), [TOKENS, 4 * BLOCK_ROWS])  # rows, then their quarters
    place = tl.arange(0, 4 * BLOCK_ROWS)[None, :]
    of_a_quarter = first_row + place // 4
    _store(total, y, inverse_scale, scale, bias, tokens, 4 * rows,
           tl.arange(0, TOKENS)[:, None], of_a_quarter + (place % 4) * rows, of_a_quarter < rows,
           PER_ROW, HAS_BIAS)  # fmt: skip


@triton.autotune(
    configs(
        {"BLOCK_TOKENS": 16, "BLOCK_ROWS": 16, "BLOCK_K": 32},
        {"BLOCK_TOKENS": 16, "BLOCK_ROWS": 16, "BLOCK_K": 256, "num_warps": 4, "num_stages": 3},
        {"BLOCK_TOKENS": 16, "BLOCK_ROWS": 32, "BLOCK_K": 128, "num_warps": 4, "num_stages": 4},
        {"BLOCK_TOKENS": 32, "BLOCK_ROWS": 32, "BLOCK_K": 128, "num_warps": 4, "num_stages": 3},
        {"BLOCK_TOKENS": 64, "BLOCK_ROWS": 32, "BLOCK_K": 128, "num_warps": 4, "num_stages": 3},
        {"BLOCK_TOKENS": 128, "BLOCK_ROWS": 32, "BLOCK_K": 128, "num_warps": 8, "num_stages": 3},
    ),
    key=["rows", "in_features", "token_bucket"],
)
@triton.jit
def _many_tokens(
    x_i8, packed, inverse_scale, scale, bias, y, tokens, rows, in_features, token_bucket,
    PER_ROW: tl.constexpr, HAS_BIAS: tl.constexpr,
    BLOCK_TOKENS: tl.constexpr, BLOCK_ROWS: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    # Programs that share a block of weights follow each other.
    token_blocks = tl.cdiv(tokens, BLOCK_TOKENS)
    token = (tl.program_id(0) % token_blocks) * BLOCK_TOKENS + tl.arange(0, BLOCK_TOKENS)
    row = (tl.program_id(0) // token_blocks) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    x_start = x_i8 + token.to(tl.int64)[:, None] * in_features
    w_start = packed + row.to(tl.int64)[None, :] * in_features
    first = tl.zeros([BLOCK_TOKENS, BLOCK_ROWS], tl.int32)
    second = tl.zeros([BLOCK_TOKENS, BLOCK_ROWS], tl.int32)
    third = tl.zeros([BLOCK_TOKENS, BLOCK_ROWS], tl.int32)
    fourth = tl.zeros([BLOCK_TOKENS, BLOCK_ROWS], tl.int32)
    for start in range(0, in_features, BLOCK_K):
        k = start + tl.arange(0, BLOCK_K)
        inside = k < in_features  # beyond it x is 0, so what the codes are there does not matter
        x = tl.load(x_start + k[None, :], mask=(token < tokens)[:, None] & inside[None, :], other=0)
        w = tl.load(w_start + k[:, None], mask=(row < rows)[None, :] & inside[:, None], other=0)
        first = tl.dot(x, (w & 3).to(tl.int8) - 1, first)
        second = tl.dot(x, ((w >> 2) & 3).to(tl.int8) - 1, second)
        third = tl.dot(x, ((w >> 4) & 3).to(tl.int8) - 1, third)
        fourth = tl.dot(x, ((w >> 6) & 3).to(tl.int8) - 1, fourth)
    token, row = token[:, None], row[None, :]
    _store(first, y, inverse_scale, scale, bias, tokens, 4 * rows, token, row, row < rows,
           PER_ROW, HAS_BIAS)  # fmt: skip
    _store(second, y, inverse_scale, scale, bias, tokens, 4 * rows, token, row + rows, row < rows,
           PER_ROW, HAS_BIAS)  # fmt: skip
    _store(third, y, inverse_scale, scale, bias, tokens, 4 * rows, token, row + 2 * rows, row < rows,
           PER_ROW, HAS_BIAS)  # fmt: skip
    _store(fourth, y, inverse_scale, scale, bias, tokens, 4 * rows, token, row + 3 * rows, row < rows,
           PER_ROW, HAS_BIAS)  # fmt: skip


def _fake(
    x_i8: Tensor,
    inverse_scale: Tensor,
    packed: Tensor,
    scale: Tensor,
    bias: Tensor | None,
    dtype: torch.dtype,
) -> Tensor:
    return x_i8.new_empty((x_i8.shape[0], packed.shape[0] * CODES_PER_BYTE), dtype=dtype)


@operator("packed_product", _fake)
def packed_product(
    x_i8: Tensor,
    inverse_scale: Tensor,
    packed: Tensor,
    scale: Tensor,
    bias: Tensor | None,
    dtype: torch.dtype,
) -> Tensor:
    """`reference.ternary_product` on packed codes; the same bits.

    Args:
        x_i8: int8 `[tokens, in_features]`.
        inverse_scale: 1/s, float32 `[tokens, 1]`.
        packed: uint8 `[out_features / 4, in_features]`, see pack.py.
        scale: γ, float32 `()` or `[out_features, 1]`.
        bias: `[out_features]`, any float dtype, or None.
        dtype: Of the result.

    Returns:
        `[tokens, out_features]` in `dtype`.
    """
    x_i8, packed = x_i8.contiguous(), packed.contiguous()
    tokens, in_features = x_i8.shape
    rows = packed.shape[0]
    # The interpreter cuts float32 down to bfloat16 without rounding (Triton 3.9); GPUs round.
    stored = torch.float32 if is_interpreted() else dtype
    y = torch.empty((tokens, rows * CODES_PER_BYTE), dtype=stored, device=x_i8.device)
    if y.numel() == 0:
        return y.to(dtype)
    rest = (
        inverse_scale.contiguous(),
        scale.contiguous(),
        y if bias is None else bias.contiguous(),  # y stands in for it and is not read
        y,
    )
    kind = {"PER_ROW": scale.dim() > 0, "HAS_BIAS": bias is not None, "enable_fp_fusion": False}
    if tokens <= FEW_TOKENS:
        aligned = in_features % 4 == 0 and all(
            tensor.data_ptr() % 4 == 0 and tensor.storage_offset() % 4 == 0
            for tensor in (x_i8, packed)
        )
        words = triton.cdiv(in_features, 4)
        if aligned:
            x_i8, packed = (t.reshape(-1).view(torch.int32) for t in (x_i8, packed))

        def programs(meta: dict[str, int]) -> tuple[int]:
            return (triton.cdiv(rows, meta["BLOCK_ROWS"]),)

        _few_tokens[programs](
            x_i8, packed, *rest, tokens, rows, words, words if aligned else in_features,
            TOKENS=bucket(tokens), ALIGNED=aligned, DP4A=not is_interpreted(), **kind,
        )  # fmt: skip
    else:

        def programs(meta: dict[str, int]) -> tuple[int]:
            blocks = triton.cdiv(tokens, meta["BLOCK_TOKENS"])
            return (blocks * triton.cdiv(rows, meta["BLOCK_ROWS"]),)

        _many_tokens[programs](
            x_i8, packed, *rest, tokens, rows, in_features, bucket(tokens), **kind
        )
    return y.to(dtype)
