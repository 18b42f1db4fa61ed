"""`near_duplicates`: which texts are nearly the same, for a million of them in bounded memory.

    texts -> character 3-grams of the normal form        gram_hashes.py
          -> MinHash signatures, hashes of their bands   band_hashes.py, sketches.py
          -> pairs that share a band, checked exactly    linking.py
          -> clusters: connected components

A found pair has an exact Jaccard similarity of at least the threshold; MinHash only proposes it. Its
estimates alone err by 0.04 at 128 permutations and more for fewer, and a search that goes by them merges
"간장치킨 시켜야지" with "치킨 시켜야지" (exactly: 5/9).

Clusters are connected, which does not mean that all members of one are similar to each other: a ~ b and
b ~ c put a and c into one. `drop_near_duplicates` therefore drops no row on the strength of its
cluster, but only where it is similar to a row that is kept.

Memory, beside the texts that the caller may hold: 8 bytes for each n-gram of each different text, and about
500 bytes more for each of them. A million sentences of 20 characters took 0.82 GB, two worker processes included
(`benchmarks/data/near_duplicates.py`).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bitsft._extras import require
from bitsft.data.duplicates.band_hashes import bands_for
from bitsft.data.duplicates.gram_hashes import Int64s
from bitsft.data.duplicates.linking import link_similar
from bitsft.data.duplicates.sketches import SketchSettings, sketch

THRESHOLD = 0.85
NUM_PERM = 128


@dataclass(frozen=True)
class Clusters:
    """Which texts belong together.

    Attributes:
        labels: For each text the index of the first text of its cluster; its own where it is alone.
        pairs: Links of shape (n, 2), indices of texts with the lesser one first: enough of them to
            connect each cluster, not all similar pairs. Equal texts are linked to the first of them.
        similarity: Of each link, 0 to 1.
    """

    labels: Int64s
    pairs: Int64s
    similarity: np.ndarray

    @property
    def count(self) -> int:
        """Clusters of two texts and more."""
        return int(np.count_nonzero(np.bincount(self.labels, minlength=1) > 1))

    @property
    def duplicates(self) -> int:
        """Texts beyond the first of their cluster."""
        return int(np.count_nonzero(self.labels != np.arange(len(self.labels))))

    def members(self) -> Iterator[Int64s]:
        """Yield the indices of each cluster of two texts and more, in the order of their firsts."""
        together = np.flatnonzero(np.bincount(self.labels, minlength=1)[self.labels] > 1)
        order = together[np.argsort(self.labels[together], kind="stable")]
        starts = np.flatnonzero(np.diff(self.labels[order], prepend=-1))
        yield from np.split(order, starts[1:]) if len(order) else ()


def near_duplicates(
    texts: Iterable[str | Sequence[str]],
    *,
    threshold: float = THRESHOLD,
    num_perm: int = NUM_PERM,
    ngram: int = 3,
    seed: int = 1,
    punctuation: bool = False,
    processes: int = 1,
) -> Clusters:
    """Find the texts that are nearly the same.

    Args:
        texts: The texts; or for each row several of them, e.g. question and answer, of which only
            those at the same place are compared. They are gone through once.
        threshold: The least Jaccard similarity of two n-gram sets that counts, above 0, at most 1.
        num_perm: MinHashes of a signature.
        ngram: Characters in a gram.
        seed: Of the MinHashes, at least 0.
        punctuation: Whether punctuation counts.
        processes: How many processes work at it; more than 1 needs the caller's script to be
            protected by `if __name__ == "__main__":`.

    Returns:
        The clusters. They do not depend on `processes`, and not on the order of the texts.

    Raises:
        ValueError: For a setting out of its range, or too few MinHashes for the threshold.
        TypeError: For a text that is no `str`.
        ImportError: When `datasketch` is not installed.
    """
    settings = sketch_settings(threshold, num_perm, ngram, seed, punctuation, processes)
    sketches = sketch(_checked(texts), settings, processes)
    links = link_similar(sketches, threshold)

    # From entries (different gram sets) to texts: an entry's first text stands for it.
    entry_of = sketches.entry_of
    first_text = np.full(len(sketches.counts), len(entry_of))
    np.minimum.at(first_text, entry_of, np.arange(len(entry_of)))
    first_of_cluster = np.full(len(sketches.counts), len(entry_of))
    np.minimum.at(first_of_cluster, links.names, first_text)
    labels = first_of_cluster[links.names][entry_of]

    repeats = np.flatnonzero(first_text[entry_of] != np.arange(len(entry_of)))
    equal = np.stack([first_text[entry_of[repeats]], repeats], axis=1)
    pairs = np.concatenate([equal, np.sort(first_text[links.pairs], axis=1)])
    similarity = np.concatenate([np.ones(len(equal)), links.similarity])
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    return Clusters(labels, pairs[order], similarity[order])


def sketch_settings(
    threshold: float, num_perm: int, ngram: int, seed: int, punctuation: bool, processes: int
) -> SketchSettings:
    """Check the settings of a search, and that `datasketch` is there, before any text is read.

    Raises what `near_duplicates` raises.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold={threshold!r} must be above 0 and at most 1, e.g. 0.8")
    for name, value, least in (
        ("num_perm", num_perm, 1),
        ("ngram", ngram, 1),
        ("seed", seed, 0),
        ("processes", processes, 1),
    ):
        if value < least:
            raise ValueError(f"{name}={value!r} must be at least {least}")
    require("datasketch", "data")
    bands, rows = bands_for(threshold, num_perm)
    return SketchSettings(ngram, punctuation, num_perm, seed, bands, rows)


def _checked(texts: Iterable[str | Sequence[str]]) -> Iterator[Sequence[str]]:
    for index, text in enumerate(texts):
        parts = (text,) if isinstance(text, str) else text
        if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
            raise TypeError(
                f"text {index} is {text!r:.60}; give texts, or lists of texts for the parts of a row"
            )
        yield parts
