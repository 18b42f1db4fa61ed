"""Texts -> what the search for near duplicates holds of them, in one process or several.

Rows with equal gram sets share one entry: a hundred thousand equal rows cost as much later as one.
Entries are put in the order of their digests, so that nothing after this depends on the order of the rows.

Each process is a fresh Python (`spawn`), so a script that asks for more than one must hold its calls
below `if __name__ == "__main__":`. At most two batches for each process are under way at a time, in the
order of the rows, and the rows are drawn in the calling thread.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context

import numpy as np

from bitsft.data.duplicates.band_hashes import band_hashes
from bitsft.data.duplicates.gram_hashes import GramSets, Int64s, UInt64s, gram_sets

_BATCH_ROWS = 4000
_BATCH_CHARACTERS = 400_000


@dataclass(frozen=True)
class SketchSettings:
    """How texts are turned into gram sets and bands."""

    ngram: int
    punctuation: bool
    num_perm: int
    seed: int
    bands: int
    rows_per_band: int


@dataclass(frozen=True)
class Sketches:
    """The different gram sets of all rows, in the order of their digests.

    Attributes:
        entry_of: For each row the place of its gram set.
        hashes: The sets' grams, one set after the other.
        starts: Where each set starts in `hashes`.
        counts: How many grams each has.
        bands: Its band hashes, of shape (bands, sets).
    """

    entry_of: Int64s
    hashes: UInt64s
    starts: Int64s
    counts: Int64s
    bands: UInt64s


def sketch(rows: Iterable[Sequence[str]], settings: SketchSettings, processes: int = 1) -> Sketches:
    """Return the sketches of rows.

    Args:
        rows: For each row its texts. They are gone through once and not held.
        settings: How to sketch.
        processes: How many processes work at it; 1 is this one.

    Raises:
        RuntimeError: When a process did not start or died.
    """
    entries: dict[bytes, int] = {}
    entry_of: list[Int64s] = []
    hashes: list[UInt64s] = []
    counts: list[Int64s] = []
    bands: list[UInt64s] = []
    for sets, of_bands in _sketched(_batches(rows), settings, processes):
        places = np.empty(len(sets.digests), np.int64)
        is_new = np.zeros(len(places), bool)
        for i, digest in enumerate(sets.digests):
            before = len(entries)
            places[i] = entries.setdefault(digest, before)
            is_new[i] = len(entries) > before
        entry_of.append(places)
        hashes.append(sets.hashes[np.repeat(is_new, sets.counts)])
        counts.append(sets.counts[is_new])
        bands.append(of_bands[is_new])

    # From the order of appearance to that of the digests.
    order = np.array([entries[digest] for digest in sorted(entries)], np.int64)
    entries.clear()
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    count = np.concatenate(counts) if counts else np.zeros(0, np.int64)
    by_band = np.empty((settings.bands, len(order)), np.uint64)
    for band in range(settings.bands):
        by_band[band] = np.concatenate([part[:, band] for part in bands])[order] if bands else 0
    return Sketches(
        entry_of=rank[np.concatenate(entry_of)] if entry_of else np.zeros(0, np.int64),
        hashes=np.concatenate(hashes) if hashes else np.zeros(0, np.uint64),
        starts=(np.cumsum(count) - count)[order],
        counts=count[order],
        bands=by_band,
    )


def _batches(rows: Iterable[Sequence[str]]) -> Iterator[list[Sequence[str]]]:
    batch: list[Sequence[str]] = []
    characters = 0
    for row in rows:
        batch.append(row)
        characters += sum(map(len, row))
        if len(batch) >= _BATCH_ROWS or characters >= _BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _sketch_batch(batch: list[Sequence[str]], settings: SketchSettings) -> tuple[GramSets, UInt64s]:
    sets = gram_sets(batch, settings.ngram, settings.punctuation)
    bands = band_hashes(
        sets, settings.bands, settings.rows_per_band, settings.num_perm, settings.seed
    )
    return sets, bands


def _sketched(
    batches: Iterator[list[Sequence[str]]], settings: SketchSettings, processes: int
) -> Iterator[tuple[GramSets, UInt64s]]:
    first = list(islice(batches, 2))
    if processes == 1 or len(first) < 2:  # a new process takes longer than one batch
        for batch in first:
            yield _sketch_batch(batch, settings)
        for batch in batches:
            yield _sketch_batch(batch, settings)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        under_way: deque[Future[tuple[GramSets, UInt64s]]] = deque()
        try:
            for batch in first:
                under_way.append(pool.submit(_sketch_batch, batch, settings))
            for batch in batches:
                if len(under_way) >= 2 * processes:
                    yield under_way.popleft().result()
                under_way.append(pool.submit(_sketch_batch, batch, settings))
            while under_way:
                yield under_way.popleft().result()
        except BrokenProcessPool as error:
            raise RuntimeError(
                "a worker process did not start or died. Put the calls of your script below "
                '`if __name__ == "__main__":`, or use processes=1'
            ) from error
        finally:
            for future in under_way:
                future.cancel()
