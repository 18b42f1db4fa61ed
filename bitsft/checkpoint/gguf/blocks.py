"""Ternary matrices as llama.cpp's tensor types, byte for byte and without loss.

    type   block  bits a weight  a block holds
    TQ2_0  256    2.0625         64 bytes of 2-bit codes, γ
    TQ1_0  256    1.6875         52 bytes of base-3 digits, γ
    Q2_K   256    2.625          16 scales (all 1), the same 64 bytes, γ, γ: value = γ·u - γ, u = code + 1
    Q4_0   32     4.5            γ, 16 bytes of nibbles: value = γ·(nibble - 8)
    Q8_0   32     8.5            γ, 32 bytes
    F16    1      16             γ·code
    F32    1      32             γ·code

γ is stored as fp16 in all but F32, so that what a reader computes is exactly fp16(γ)·code. Block quantizers
take their scale from the largest value of a block, which for ternary values is γ: for TQ2_0 and TQ1_0 the
bytes here are those of `gguf.quants.quantize`, except that a block of zeros keeps γ. The lossless use of Q2_K,
Q4_0 and Q8_0 is this module's own; llama.cpp's quantizer would choose other, lossy scales for them.

Source of the layouts: ggml-common.h and ggml-quants.c of llama.cpp.

Limits: the types with blocks need a width that is a multiple of the block; `fitting_type` says what holds a
matrix instead. Rows are packed in chunks, so that memory stays at a few times `CHUNK_ELEMENTS`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int8]
Scale = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

CHUNK_ELEMENTS = 1 << 22

LARGEST_RELATIVE_ERROR = 2.0**-11
"""Of γ in fp16: half a unit in the last place of a normal number."""


@dataclass(frozen=True)
class TensorType:
    """A tensor type of a GGUF file.

    Attributes:
        name: As llama.cpp and users call it.
        ggml_id: Its number in the file.
        block_size: Values in a block; a row holds whole blocks.
        block_bytes: Bytes in a block.
        file_type: The number in `general.file_type` of a file whose matrices mostly have this type.
    """

    name: str
    ggml_id: int
    block_size: int
    block_bytes: int
    file_type: int


TQ2_0 = TensorType("TQ2_0", 35, 256, 66, 37)
TQ1_0 = TensorType("TQ1_0", 34, 256, 54, 36)
Q2_K = TensorType("Q2_K", 10, 256, 84, 10)
Q4_0 = TensorType("Q4_0", 2, 32, 18, 2)
Q8_0 = TensorType("Q8_0", 8, 32, 34, 7)
F16 = TensorType("F16", 1, 1, 2, 1)
BF16 = TensorType("BF16", 30, 1, 2, 32)
F32 = TensorType("F32", 0, 1, 4, 0)

TERNARY_TYPES = {kind.name: kind for kind in (TQ2_0, TQ1_0, Q2_K, Q4_0, Q8_0, F16, F32)}
"""What a ternary matrix can be written as, by name."""


def tensor_type(name: str) -> TensorType:
    """The type for ternary matrices that a user named.

    Raises:
        ValueError: There is none of that name.
    """
    if name not in TERNARY_TYPES:
        raise ValueError(f"gguf_type is {name!r}; use one of {', '.join(TERNARY_TYPES)}.")
    return TERNARY_TYPES[name]


def fitting_type(width: int, scale: Scale, wanted: TensorType) -> TensorType:
    """The type that holds a ternary matrix without loss: `wanted`, or the next one that does.

    Args:
        width: Number of columns.
        scale: γ, shape `()` or `[rows, 1]`.
        wanted: The type asked for.

    Returns:
        `wanted` where its blocks divide the width; otherwise Q4_0 (width a multiple of 32), otherwise F16.
        F32 where fp16 cannot hold γ to a relative error of 2^-11 (γ above 65504 or below about 6e-5).
    """
    if not _fp16_holds(scale):
        return F32
    for kind in (wanted, Q4_0):
        if width % kind.block_size == 0:
            return kind
    return F16


def pack_rows(codes: Codes, scale: Scale, kind: TensorType) -> Iterator[Bytes]:
    """A ternary matrix as the bytes of a tensor type, some rows at a time.

    Args:
        codes: int8 `[rows, width]` in {-1, 0, 1}.
        scale: γ, float32, shape `()` or `[rows, 1]`.
        kind: One of `TERNARY_TYPES`.

    Yields:
        uint8 `[some rows, bytes a row]`, in order.

    Raises:
        ValueError: The width is no multiple of the type's block.
    """
    rows, width = codes.shape
    if width % kind.block_size:
        raise ValueError(
            f"{kind.name} holds rows of {kind.block_size} values each, but the matrix is {rows} x {width}; "
            "fitting_type says which type holds it."
        )
    row_scales = np.broadcast_to(scale.astype(np.float32).reshape(-1, 1), (rows, 1))
    step = max(1, CHUNK_ELEMENTS // width)
    for start in range(0, rows, step):
        chunk = codes[start : start + step]
        packed = _PACKERS[kind.name](chunk, row_scales[start : start + step])
        yield packed.reshape(len(chunk), width // kind.block_size * kind.block_bytes)


def _fp16_holds(scale: Scale) -> bool:
    with np.errstate(over="ignore"):
        rounded = scale.astype(np.float16).astype(np.float32)
    return bool((np.abs(rounded - scale) <= LARGEST_RELATIVE_ERROR * np.abs(scale)).all())


def _fp16_bytes(scale: Scale, blocks: int) -> Bytes:
    """γ of each row as fp16, once for each of its blocks: `[rows, blocks, 2]`."""
    rows = len(scale)
    return np.broadcast_to(
        scale.astype("<f2").view(np.uint8).reshape(rows, 1, 2), (rows, blocks, 2)
    )


def _two_bit_codes(codes: Codes) -> Bytes:
    """Four codes a byte, 32 columns apart: `[rows, blocks, 64]`."""
    rows, width = codes.shape
    unsigned = (codes + np.int8(1)).view(np.uint8).reshape(rows, width // 256, 2, 4, 32)
    packed = unsigned[..., 0, :].copy()
    for position in (1, 2, 3):
        packed |= unsigned[..., position, :] << np.uint8(2 * position)
    return packed.reshape(rows, width // 256, 64)


def _pack_tq2_0(codes: Codes, scale: Scale) -> Bytes:
    packed = _two_bit_codes(codes)
    return np.concatenate([packed, _fp16_bytes(scale, packed.shape[1])], axis=-1)


def _pack_tq1_0(codes: Codes, scale: Scale) -> Bytes:
    """Five base-3 digits a byte (the last four bytes: four), as a fixed-point fraction of 243."""
    rows, width = codes.shape
    blocks = width // 256
    unsigned = (codes + np.int8(1)).view(np.uint8).reshape(rows, blocks, 256)
    parts = []
    for start, digits, step in ((0, 5, 32), (160, 5, 16), (240, 4, 4)):
        digit = unsigned[..., start : start + digits * step].reshape(rows, blocks, digits, step)
        number = np.zeros((rows, blocks, step), np.uint16)
        for position in range(digits):
            number += digit[..., position, :] * np.uint16(3 ** (4 - position))
        parts.append(
            ((number * np.uint16(256) + np.uint16(242)) // np.uint16(243)).astype(np.uint8)
        )
    return np.concatenate([*parts, _fp16_bytes(scale, blocks)], axis=-1)


def _pack_q2_k(codes: Codes, scale: Scale) -> Bytes:
    packed = _two_bit_codes(codes)
    rows, blocks, _ = packed.shape
    ones = np.full((rows, blocks, 16), 0x11, np.uint8)  # scale 1 and minimum 1 for each 16 values
    gamma = _fp16_bytes(scale, blocks)
    return np.concatenate([ones, packed, gamma, gamma], axis=-1)


def _pack_q4_0(codes: Codes, scale: Scale) -> Bytes:
    rows, width = codes.shape
    nibbles = (codes + np.int8(8)).view(np.uint8).reshape(rows, width // 32, 2, 16)
    packed = nibbles[..., 0, :] | nibbles[..., 1, :] << np.uint8(4)
    return np.concatenate([_fp16_bytes(scale, width // 32), packed], axis=-1)


def _pack_q8_0(codes: Codes, scale: Scale) -> Bytes:
    rows, width = codes.shape
    values = np.ascontiguousarray(codes).view(np.uint8).reshape(rows, width // 32, 32)
    return np.concatenate([_fp16_bytes(scale, width // 32), values], axis=-1)


def _pack_f16(codes: Codes, scale: Scale) -> Bytes:
    bits = codes.view(np.uint8).astype(
        "<u2"
    )  # numpy multiplies fp16 one by one; this sets γ's bits and the sign
    return ((bits >> 7 << 15 | scale.astype("<f2").view("<u2")) * (bits & 1)).view(np.uint8)


def _pack_f32(codes: Codes, scale: Scale) -> Bytes:
    return (codes * scale).astype("<f4").view(np.uint8)


_PACKERS: dict[str, Callable[[Codes, Scale], Bytes]] = {
    "TQ2_0": _pack_tq2_0,
    "TQ1_0": _pack_tq1_0,
    "Q2_K": _pack_q2_k,
    "Q4_0": _pack_q4_0,
    "Q8_0": _pack_q8_0,
    "F16": _pack_f16,
    "F32": _pack_f32,
}
