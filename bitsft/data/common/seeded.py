"""Random choices that belong to a row, not to its place in the file.

A generator that runs along the file (`random.Random(seed)` once) gives every row after an added one
other choices. Here each choice is a hash of the seed, what the choice is for, and the row's own texts:

    share:  the row is chosen when hash / 2**64 < p; each row by itself with probability p
    order:  chunks are drawn by the value of hash(row, chunk), smallest first

The second is rendezvous hashing (Thaler and Ravishankar, IEEE/ACM Trans. Networking 6(1), 1998): every
order is equally likely, and a chunk that is added changes the draw only where it is drawn itself.
The hash of the pair is the finalizer of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) over numpy arrays.
"""

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bitsft.data.common.hashing import stable_hash

if TYPE_CHECKING:
    import numpy as np


def unit(*parts: str | int) -> float:
    """Return a number in [0, 1) that depends on the parts only; 1.0 is never reached."""
    return (stable_hash(*parts) >> 11) * 2.0**-53


def generator(*parts: str | int) -> random.Random:
    """Return a random generator of its own, seeded by the parts."""
    return random.Random(stable_hash(*parts))


def drawing_order(keys: "np.ndarray", row_key: int, first: int) -> Iterator[int]:
    """Yield the indices of `keys` in the row's own random order.

    Args:
        keys: 64 bits of hash for each item, `np.uint64`, shape (n,).
        row_key: 64 bits of hash for the row.
        first: How many will probably be used; more are computed when they are asked for.
    """
    import numpy as np

    if not len(keys):
        return
    values = _mix(keys ^ np.uint64(row_key))
    below, expected = 0, 4 * first + 16
    while below < 2**64:
        limit = min(2**64, expected * 2**64 // len(keys))
        # The last step takes all that are left: no uint64 can be compared with 2**64.
        within = values >= np.uint64(below)
        if limit < 2**64:
            within &= values < np.uint64(limit)
        indices = np.flatnonzero(within)
        yield from indices[np.lexsort((keys[indices], values[indices]))].tolist()
        below, expected = limit, expected * 8


def _mix(values: "np.ndarray") -> "np.ndarray":
    import numpy as np

    # Arrays of uint64 wrap around without a warning, which is what the finalizer wants.
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
