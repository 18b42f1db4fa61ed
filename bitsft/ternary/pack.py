"""Four ternary codes in one byte, in the row order of transformers' packed `BitLinear`.

With r = out_features / 4, and u = code + 1 in {0, 1, 2}:

    byte[i] = u[i] | u[i + r] << 2 | u[i + 2r] << 4 | u[i + 3r] << 6        for each of the r rows

Source: `transformers/integrations/bitnet.py` (`pack_weights`), whose bytes these are. Unlike there,
the input is left as it was, and a number of rows that is not a multiple of 4 is refused: transformers
rounds it up when it packs and down when it makes room for the result.
"""

import torch
from torch import Tensor

CODES_PER_BYTE = 4


def pack_codes(codes: Tensor) -> Tensor:
    """Pack ternary codes four to a byte.

    Args:
        codes: int8 `[out_features, in_features]` in {-1, 0, 1}; out_features a multiple of 4.

    Returns:
        uint8 `[out_features / 4, in_features]`.

    Raises:
        ValueError: The number of rows is no multiple of 4, or a value is not -1, 0 or 1.
    """
    rows = codes.shape[0]
    if rows % CODES_PER_BYTE:
        raise ValueError(
            f"Cannot pack {rows} rows four to a byte; out_features must be a multiple of {CODES_PER_BYTE}."
        )
    unsigned = (codes + 1).to(torch.uint8)  # -128 has no magnitude in int8, but is 129 here
    if not codes.is_meta and not bool((unsigned <= 2).all()):
        raise ValueError(
            f"Codes must be -1, 0 or 1; the largest magnitude is {int(codes.int().abs().max())}."
        )
    quarters = unsigned.chunk(CODES_PER_BYTE)
    packed = torch.zeros_like(quarters[0])
    for position, quarter in enumerate(quarters):
        packed |= quarter << (2 * position)
    return packed


def unpack_codes(packed: Tensor) -> Tensor:
    """The codes that `pack_codes` packed.

    Args:
        packed: uint8 `[rows, in_features]`.

    Returns:
        int8 `[4 * rows, in_features]` in {-1, 0, 1}.

    Raises:
        TypeError: `packed` is not uint8.
        ValueError: A pair of bits is 3, which no code is packed to.
    """
    check_packed(packed)
    return unpack_unchecked(packed)


def check_packed(packed: Tensor) -> None:
    """Refuse bytes that `pack_codes` cannot have made; nothing is unpacked for it.

    Args:
        packed: uint8 `[rows, in_features]`.

    Raises:
        TypeError: `packed` is not uint8.
        ValueError: A pair of bits is 3, which no code is packed to.
    """
    if packed.dtype != torch.uint8:
        raise TypeError(f"Packed codes are uint8; this tensor is {packed.dtype}.")
    if bool((packed & (packed >> 1) & 0b01_01_01_01).any()):
        raise ValueError(
            "A pair of bits is 3; packed ternary codes hold 0, 1 and 2 only. The data is damaged."
        )


def unpack_unchecked(packed: Tensor) -> Tensor:
    """`unpack_codes` without a look at the data: a pair of bits that is 3 becomes a 2.

    Args:
        packed: uint8 `[rows, in_features]`.

    Returns:
        int8 `[4 * rows, in_features]`.
    """
    quarters = [(packed >> (2 * position)) & 3 for position in range(CODES_PER_BYTE)]
    return torch.cat(quarters).to(torch.int8).sub_(1)
