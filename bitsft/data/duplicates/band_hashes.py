"""Gram sets -> MinHash signatures (by `datasketch`) -> one 64-bit hash for each band of them.

Two sets with Jaccard similarity s agree in a MinHash with probability s, in a band of r of them with
s^r, and in at least one of b bands with 1 - (1 - s^r)^b (Leskovec, Rajaraman, Ullman: Mining of Massive
Datasets, section 3.4, http://www.mmds.org). Rows that agree in a band are candidates, and every candidate is
checked exactly later, so a wrong candidate costs only time: `bands_for` takes the longest bands with
which pairs right at the threshold are still found with a probability of 0.99 (0.994 for a threshold of 0.85
and 128 permutations; datasketch's own choice for its index, which does not check, finds 0.46 of them).

Limits: which 0.6 % are missed depends on the seed and on datasketch's version (2.0 has another family of
permutations than 1.6). Equal sets always agree in all bands.
"""

import numpy as np

from bitsft._extras import require
from bitsft.data.duplicates.gram_hashes import GramSets, UInt64s, mix

RECALL = 0.99

_AT_ONCE = 10_000
_ODD = np.uint64(0x9E3779B97F4A7C15)


def bands_for(threshold: float, num_perm: int) -> tuple[int, int]:
    """Return the number of bands and the MinHashes in each.

    Args:
        threshold: The least Jaccard similarity that has to be found.
        num_perm: MinHashes of a signature.

    Raises:
        ValueError: When so few MinHashes cannot find that little similarity.
    """
    for rows in range(num_perm, 0, -1):
        bands = num_perm // rows
        if 1 - (1 - threshold**rows) ** bands >= RECALL:
            return bands, rows
    raise ValueError(
        f"num_perm={num_perm} finds pairs of similarity {threshold} with a probability below {RECALL}; "
        "raise num_perm or the threshold"
    )


def band_hashes(sets: GramSets, bands: int, rows: int, num_perm: int, seed: int) -> UInt64s:
    """Return the hashes of the bands, of shape (rows of `sets`, bands).

    Args:
        sets: The gram sets.
        bands: How many bands.
        rows: MinHashes in a band.
        num_perm: MinHashes of a signature.
        seed: Of the permutations.
    """
    empty = require("datasketch", "data").MinHash(num_perm=num_perm, seed=seed, hashfunc=_as_it_is)
    values = (sets.hashes >> np.uint64(32)).tolist()
    signatures = np.empty((len(sets.counts), bands * rows), np.uint64)
    start = 0
    for place, count in enumerate(sets.counts.tolist()):
        signature = empty.copy()
        # datasketch makes an array of num_perm numbers for each value that it gets at once
        for piece in range(start, start + count, _AT_ONCE):
            signature.update_batch(values[piece : min(piece + _AT_ONCE, start + count)])
        signatures[place] = signature.hashvalues[: bands * rows]
        start += count
    parts = signatures.reshape(-1, bands, rows)
    hashes = np.zeros(parts.shape[:2], np.uint64)
    for place in range(rows):
        hashes = mix(hashes * _ODD + parts[:, :, place])
    return hashes


def _as_it_is(value: int) -> int:
    return value
