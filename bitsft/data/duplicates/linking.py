"""Sketches -> links between similar gram sets, and with them the clusters.

For each band the sets are sorted by its hash, and each is compared with the next 1, 2, ... 32 that have
the same hash. So all pairs of a bucket of up to 33 sets are compared, and in a larger one each with its 32
neighbours, in an order that is as good as random; a hundred thousand alike never mean 5 * 10^9
comparisons. Pairs that are connected already are not compared again.

A pair is linked when its exact Jaccard similarity |A & B| / |A | B| is at least the threshold. It is
counted by sorting the grams of many pairs at once, as 48 bits of their hashes below 16 bits that number
the pair; that two different grams of a pair share 48 bits has a probability of 10^-11 for texts of 40
grams, 10^-8 for 1,000.

The clusters are the connected components, whatever the order of bands.
"""

from dataclasses import dataclass

import numpy as np

from bitsft.data.duplicates.gram_hashes import Int64s, UInt64s
from bitsft.data.duplicates.sketches import Sketches

NEIGHBOURS = 32

_PAIRS = 1 << 16
_GRAMS = 4_000_000


class Components:
    """Disjoint sets of 0 ... n-1. The name of each is its least member."""

    def __init__(self, size: int) -> None:
        self._parent = np.arange(size)

    def link(self, first: int, second: int) -> bool:
        """Join the components of two members; return whether they were apart."""
        first, second = self._find(first), self._find(second)
        if first == second:
            return False
        self._parent[max(first, second)] = min(first, second)
        return True

    def names(self) -> Int64s:
        """Return the name of each member's component."""
        parent = self._parent
        while True:
            above = parent[parent]
            if np.array_equal(above, parent):
                self._parent = parent
                return parent
            parent = above

    def _find(self, member: int) -> int:
        parent = self._parent
        while parent[member] != member:
            parent[member] = parent[parent[member]]
            member = parent[member]
        return int(member)


@dataclass(frozen=True)
class Links:
    """Pairs that connect the members of each cluster: one fewer than it has members.

    Attributes:
        names: For each entry the least entry of its cluster.
        pairs: Of shape (links, 2), entries.
        similarity: The exact Jaccard similarity of each pair.
        compared: How many pairs were compared.
    """

    names: Int64s
    pairs: Int64s
    similarity: np.ndarray
    compared: int


def link_similar(sketches: Sketches, threshold: float) -> Links:
    """Return the links between gram sets whose Jaccard similarity is at least `threshold`."""
    size = len(sketches.counts)
    components = Components(size)
    names = components.names()
    links: list[tuple[int, int, float]] = []
    compared = 0
    for keys in sketches.bands:
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        places = np.arange(size)
        for distance in range(1, NEIGHBOURS + 1):
            places = places[: np.searchsorted(places, size - distance)]
            places = places[ordered[places] == ordered[places + distance]]
            if not len(places):
                break
            first, second = order[places], order[places + distance]
            few, many = np.minimum(sketches.counts[first], sketches.counts[second]), 0
            many = np.maximum(sketches.counts[first], sketches.counts[second])
            possible = (names[first] != names[second]) & (few >= threshold * many - 1e-9)
            first, second = first[possible], second[possible]
            compared += len(first)
            similarity = _jaccard(sketches, first, second)
            similar = similarity >= threshold
            found = zip(
                first[similar].tolist(),
                second[similar].tolist(),
                similarity[similar].tolist(),
                strict=True,
            )
            before = len(links)
            links += [link for link in found if components.link(link[0], link[1])]
            if len(links) > before:
                names = components.names()
    return Links(
        names=names,
        pairs=np.array([link[:2] for link in links], np.int64).reshape(-1, 2),
        similarity=np.array([link[2] for link in links]),
        compared=compared,
    )


def _jaccard(sketches: Sketches, first: Int64s, second: Int64s) -> np.ndarray:
    """Return the Jaccard similarity of each pair of entries."""
    result = np.empty(len(first))
    sizes = np.cumsum(sketches.counts[first] + sketches.counts[second])
    start = 0
    while start < len(first):
        done = sizes[start - 1] if start else 0
        stop = int(np.searchsorted(sizes, done + _GRAMS, side="right"))
        stop = min(max(stop, start + 1), start + _PAIRS)
        result[start:stop] = _jaccard_batch(sketches, first[start:stop], second[start:stop])
        start = stop
    return result


def _jaccard_batch(sketches: Sketches, first: Int64s, second: Int64s) -> np.ndarray:
    grams = np.concatenate([_tagged(sketches, first), _tagged(sketches, second)])
    grams.sort()
    shared = grams[1:][grams[1:] == grams[:-1]] >> np.uint64(48)
    both = np.bincount(shared.astype(np.int64), minlength=len(first))
    return both / (sketches.counts[first] + sketches.counts[second] - both)


def _tagged(sketches: Sketches, entries: Int64s) -> UInt64s:
    """The upper 48 bits of the entries' grams, below the number of the pair in 16 bits."""
    counts = sketches.counts[entries]
    ends = np.cumsum(counts)
    within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)
    places = np.repeat(sketches.starts[entries], counts) + within
    pair = np.repeat(np.arange(len(entries), dtype=np.uint64), counts)
    return (sketches.hashes[places] >> np.uint64(16)) | (pair << np.uint64(48))
