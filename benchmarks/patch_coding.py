"""Bytes that the places of flips take in three codings, against the least possible: the table of docs/patches.md.

    python benchmarks/patch_coding.py      # a minute on one core; writes benchmarks/patch_coding.json

Of eight million codes a share p changes at random. Any coding of the places needs H(p) bits a code on average. Compared are
Rice's code of the gaps (bitsft/patches/gaps.py), and the gaps as bytes, seven bits in each and the highest one set where more
follow (LEB128), compressed by zlib (level 9) or lzma (xz's default). A number below 1 means that fewer places were drawn than
expected.
"""

import json
import lzma
import zlib
from math import log2
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bitsft.patches.gaps import encode_places

CODES = 8_000_000
SHARES = (0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.5)


def leb128(gaps: NDArray[np.int64]) -> bytes:
    """Each number in as many bytes as it needs, its lowest seven bits first."""
    digits = [(gaps >> shift) & 127 for shift in (0, 7, 14, 21)]
    needed = 1 + (gaps >= 1 << 7) + (gaps >= 1 << 14) + (gaps >= 1 << 21)
    table = np.stack(digits, 1).astype(np.uint8)
    order = np.arange(4)
    table[order[None] < needed[:, None] - 1] |= 128
    return table[order[None] < needed[:, None]].tobytes()


def measure(share: float) -> dict[str, float]:
    """Bytes of each coding, as multiples of the bound."""
    places = np.flatnonzero(np.random.default_rng(0).random(CODES) < share)
    coded = encode_places(places)
    gaps = np.diff(places, prepend=-1) - 1
    plain = leb128(gaps)
    bound = CODES / 8 * -(share * log2(share) + (1 - share) * log2(1 - share))
    found = {
        "rice": len(coded.unary) + len(coded.remainders),
        "zlib": len(zlib.compress(plain, 9)),
        "lzma": len(lzma.compress(plain)),
    }
    return {"share": share, **{name: round(size / bound, 3) for name, size in found.items()}}


def main() -> None:
    rows = []
    for share in SHARES:
        rows.append(measure(share))
        print(json.dumps(rows[-1]), flush=True)
    report = {"codes": CODES, "numpy": np.__version__, "rows": rows}
    Path(__file__).with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
