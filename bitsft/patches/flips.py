"""Flips: the codes of a matrix that changed, as places and steps.

A code c in {-1, 0, 1} is counted as u = c + 1. A flip is the place of the code in the matrix, row by row, and the step

    d = (u_tuned - u_base) mod 3          1 or 2, one bit: d - 1

so a patch holds what leads from the base to the tuned codes, and, with -d, back. The sign of the code could be spared
where the base says it (nonzero codes mostly become 0): half a bit of 8 or so, at the price of a patch that no longer leads back
on its own.

    bytes     unary | remainders | bits d - 1, eight to a byte           (gaps.py for the first two)
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bitsft.patches.gaps import (
    CodedPlaces,
    Places,
    decode_places,
    encode_places,
    pack_bits,
    unpack_bits,
)


@dataclass(frozen=True)
class Flips:
    """Where codes change, and by which step.

    Attributes:
        places: Rising, counted row by row in `[out_features, in_features]`.
        steps: 1 or 2 for each place: what is added to code + 1, modulo 3, on the way from base to tuned.
    """

    places: Places
    steps: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.places)

    def reversed(self) -> "Flips":
        """The flips that lead from tuned to base."""
        return Flips(self.places, 3 - self.steps)


@dataclass(frozen=True)
class CodedFlips:
    """Flips as bytes; what a reader has to know besides them.

    Attributes:
        count: Number of flips.
        parameter: k of the gaps.
        unary_bytes: Length of the first part.
        data: All three parts.
    """

    count: int
    parameter: int
    unary_bytes: int
    data: bytes


def find_flips(base: Tensor, tuned: Tensor) -> Flips:
    """The flips between two matrices of codes.

    Args:
        base: int8, in {-1, 0, 1}.
        tuned: The same shape and kind.
    """
    step = (tuned - base).reshape(-1).numpy()
    places = np.flatnonzero(step).astype(np.int64)
    return Flips(places, (step[places] % 3).astype(np.uint8))


def flip_(codes: Tensor, flips: Flips) -> None:
    """Carry out flips in place.

    Args:
        codes: int8 on the CPU, contiguous, in {-1, 0, 1}.
        flips: All within it.
    """
    flat = codes.view(-1)
    places = torch.from_numpy(flips.places)
    flat[places] = step_codes(flat[places], torch.from_numpy(flips.steps))


def step_codes(codes: Tensor, steps: Tensor) -> Tensor:
    """int8 codes after steps of 1 or 2."""
    return (codes + 1 + steps.to(torch.int8)).remainder_(3).sub_(1)


def encode_flips(flips: Flips) -> CodedFlips:
    """Write flips as bytes."""
    places = encode_places(flips.places)
    data = places.unary + places.remainders + pack_bits(flips.steps - 1)
    return CodedFlips(places.count, places.parameter, len(places.unary), data)


def decode_flips(coded: CodedFlips, size: int) -> Flips:
    """Read what `encode_flips` wrote.

    Args:
        coded: The bytes and their description.
        size: Number of codes in the matrix.

    Raises:
        ValueError: The bytes are not such flips, or one lies outside the matrix.
    """
    unary_end = coded.unary_bytes
    remainders_end = unary_end + (coded.count * coded.parameter + 7) // 8
    places = decode_places(
        CodedPlaces(
            coded.count,
            coded.parameter,
            coded.data[:unary_end],
            coded.data[unary_end:remainders_end],
        )
    )
    if len(places) and int(places[-1]) >= size:
        raise ValueError(f"A flip at {int(places[-1])} is outside a matrix of {size} codes.")
    return Flips(places, unpack_bits(coded.data[remainders_end:], coded.count) + np.uint8(1))
