"""Bytes compressed by the standard library, each time in the way that turns out smallest.

raw       as they are
zlib      RFC 1950, level 6; of planes also with Huffman coding alone, which decodes in the same way
zlib-base RFC 1950 with the last 32768 bytes of the base's file of the same name as its dictionary
xz        the .xz format, LZMA2 of preset 6
"""

import lzma
import zlib
from typing import Literal

_WINDOW = 32768
_LONGEST_FOR_XZ = 1 << 20  # beyond it takes seconds for a few percent


def compress(data: bytes, kind: Literal["plane", "file"], base: bytes = b"") -> tuple[str, bytes]:
    """The smallest form of some bytes.

    Args:
        data: What to compress.
        kind: A plane of a difference or a file: which ways are tried.
        base: The file in the base, where there is one.

    Returns:
        Codec and bytes.
    """
    found = [("raw", data), ("zlib", zlib.compress(data, 6))]
    if kind == "plane":
        huffman = zlib.compressobj(6, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_HUFFMAN_ONLY)
        found.append(("zlib", huffman.compress(data) + huffman.flush()))
    elif len(data) <= _LONGEST_FOR_XZ:
        window = max(4096, len(data))  # the preset's own would take 90 MB for each little file
        chain = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": window}]
        found.append(("xz", lzma.compress(data, filters=chain)))
    if base:
        against = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS, 9, zdict=base[-_WINDOW:])
        found.append(("zlib-base", against.compress(data) + against.flush()))
    return min(found, key=lambda pair: len(pair[1]))


def decompress(codec: str, data: bytes | memoryview, size: int, base: bytes = b"") -> bytes:
    """Read what `compress` wrote.

    Args:
        codec: As returned.
        data: As returned.
        size: Number of bytes that it must give; no more is made.
        base: As given.

    Raises:
        ValueError: Unknown codec, damaged bytes, or another size.
    """
    try:
        if codec == "raw":
            found = bytes(data)
        elif codec in ("zlib", "zlib-base"):
            reader = (
                zlib.decompressobj(zdict=base[-_WINDOW:])
                if codec != "zlib"
                else zlib.decompressobj()
            )
            found = reader.decompress(data, size + 1)
        elif codec == "xz":
            found = lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(bytes(data), size + 1)
        else:
            raise ValueError(f"codec {codec!r} is unknown")
    except (zlib.error, lzma.LZMAError, EOFError) as error:
        raise ValueError(f"compressed bytes are damaged ({error})") from error
    if len(found) != size:
        raise ValueError(f"{len(found)} bytes came out where {size} were announced")
    return found
