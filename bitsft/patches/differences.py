"""Differences: any bytes written against others, so that both ways back are exact.

Elements of w bytes (the tensor's dtype; 1, 2, 4 or 8) are read as little-endian unsigned integers, whatever they mean:

    d = (tuned - base) mod 2^(8w)                  where the base has fewer elements, they count as 0; more are left out
    z = 2d, or 2^(8w+1) - 2d - 1 for d >= 2^(8w-1)       zigzag: small steps up and down are small numbers
    plane i = byte i of all z, i = 0 the lowest

The planes of each 2^22 elements are compressed one by one (codecs.py). Close floats have close integers, so the high planes
are nearly all 0.
"""

import numpy as np
from numpy.typing import NDArray

from bitsft.patches.codecs import compress, decompress

ELEMENTS_AT_A_TIME = 1 << 22

Parts = list[tuple[str, int]]
"""Of each compressed plane: codec and number of bytes."""


def encode_difference(
    base: bytes | memoryview, tuned: memoryview, width: int
) -> tuple[Parts, list[bytes]]:
    """Write `tuned` against `base`.

    Args:
        base: Bytes of the base, a multiple of `width`; may be shorter or longer, or empty.
        tuned: Bytes to write.
        width: Bytes an element: 1, 2, 4 or 8.

    Returns:
        `(parts, data)`: what describes the planes, and their compressed bytes.
    """
    parts: Parts = []
    data = []
    step = ELEMENTS_AT_A_TIME * width
    for start in range(0, len(tuned), step):
        after = np.frombuffer(tuned[start : start + step], dtype=f"<u{width}")
        before = _elements(base, start, len(after), width)
        for plane in _planes(_zigzag(after - before), width):
            codec, packed = compress(plane.tobytes(), "plane")
            parts.append((codec, len(packed)))
            data.append(packed)
    return parts, data


def decode_difference(
    base: bytes | memoryview,
    parts: Parts,
    data: memoryview,
    size: int,
    width: int,
    *,
    backwards: bool = False,
) -> bytearray:
    """Read what `encode_difference` wrote.

    Args:
        base: The bytes that it was written against; with `backwards`, those it was written of.
        parts: See there.
        data: The compressed planes, one after the other.
        size: Number of bytes of the result.
        width: See there.
        backwards: Subtract instead of adding.

    Raises:
        ValueError: The planes are not of that size, or damaged.
    """
    result = bytearray(size)
    step = ELEMENTS_AT_A_TIME * width
    at, number = 0, 0
    for start in range(0, size, step):
        out = np.frombuffer(memoryview(result)[start : start + step], dtype=f"<u{width}")
        z = np.zeros(len(out), dtype=f"<u{width}")
        for plane in range(width):
            if number >= len(parts):
                raise ValueError("A plane of a difference is missing.")
            codec, length = parts[number]
            bytes_of_plane = decompress(codec, data[at : at + length], len(out))
            z |= np.frombuffer(bytes_of_plane, dtype=np.uint8).astype(z.dtype) << z.dtype.type(
                8 * plane
            )
            at, number = at + length, number + 1
        step_up = _unzigzag(z)
        before = _elements(base, start, len(out), width)
        out[:] = before - step_up if backwards else before + step_up
    if number != len(parts) or at != len(data):
        raise ValueError("A difference has more planes than its tensor needs.")
    return result


def _elements(
    data: bytes | memoryview, start: int, count: int, width: int
) -> NDArray[np.unsignedinteger]:
    found = np.frombuffer(data[start : start + count * width], dtype=f"<u{width}")
    return np.pad(found, (0, count - len(found))) if len(found) < count else found


def _zigzag(d: NDArray[np.unsignedinteger]) -> NDArray[np.unsignedinteger]:
    one, last = d.dtype.type(1), d.dtype.type(8 * d.dtype.itemsize - 1)
    return (d << one) ^ (d.dtype.type(0) - (d >> last))


def _unzigzag(z: NDArray[np.unsignedinteger]) -> NDArray[np.unsignedinteger]:
    one = z.dtype.type(1)
    return (z >> one) ^ (z.dtype.type(0) - (z & one))


def _planes(z: NDArray[np.unsignedinteger], width: int) -> NDArray[np.uint8]:
    return np.ascontiguousarray(z.view(np.uint8).reshape(-1, width).T)
