"""`choose_kept`: which rows of a cluster stay, and which row makes each of the others superfluous.

The rows are gone through from the most to the least preferred. One that is similar to a row kept already,
in each of its parts, is dropped; any other is kept. So every dropped row has a kept one that is similar
to it (the most similar of those kept before it), and no two kept rows are similar. Equal rows are decided once.

Which kept rows to compare with is found by prefix filtering (Xiao, Wang, Lin, Yu: Efficient Similarity
Joins for Near Duplicate Detection, WWW 2008): with the grams of each set x in one common order, rarest
first, two sets of Jaccard similarity t share a gram among the first |x| - ceil(t |x|) + 1 of each. It misses
none. The part with the fewest such rows proposes, so that a thousand questions about one document cost
no million comparisons.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from bitsft.data.duplicates.gram_hashes import gram_set

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Choice:
    """What became of one row of a cluster.

    Attributes:
        kept: The place of the kept row that it is similar to; its own place where it is kept itself.
        similarity: The least Jaccard similarity of their parts; 1 for a kept row.
    """

    kept: int
    similarity: float


class _Part:
    """The kept rows' gram sets at one place, and these rows by the grams of their prefixes.

    A gram is held as its rank, rarest first; only the kept rows' sets are held.
    """

    def __init__(self, forms: Sequence[str], threshold: float, ngram: int) -> None:
        self._threshold = threshold
        self._ngram = ngram
        frequency: Counter[str] = Counter()
        for form in forms:
            frequency.update(gram_set(form, ngram))
        by_rarity = sorted(frequency, key=lambda gram: (frequency[gram], gram))
        self._rank = {gram: rank for rank, gram in enumerate(by_rarity)}
        self._kept: dict[int, frozenset[int]] = {}
        self._kept_with: defaultdict[int, list[int]] = defaultdict(list)

    def grams(self, form: str) -> frozenset[int]:
        return frozenset([self._rank[gram] for gram in gram_set(form, self._ngram)])

    def keep(self, row: int, grams: frozenset[int]) -> None:
        self._kept[row] = grams
        for gram in self._prefix(grams):
            self._kept_with[gram].append(row)

    def proposals(self, grams: frozenset[int]) -> list[list[int]]:
        return [self._kept_with[gram] for gram in self._prefix(grams) if gram in self._kept_with]

    def similarity(self, grams: frozenset[int], kept: int) -> float:
        other = self._kept[kept]
        both = len(grams & other)
        return both / (len(grams) + len(other) - both)

    def _prefix(self, grams: frozenset[int]) -> list[int]:
        length = len(grams) - math.ceil(self._threshold * len(grams) - _ROUNDING) + 1
        return sorted(grams)[:length]


def choose_kept(rows: Sequence[tuple[str, ...]], threshold: float, ngram: int) -> list[Choice]:
    """Choose the rows of a cluster that stay.

    Args:
        rows: For each row the normal forms of its parts; the preferred rows first.
        threshold: The least Jaccard similarity, in each part, that drops a row.
        ngram: Characters in a gram.

    Returns:
        The choice for each row, in the same order.
    """
    place_of: dict[tuple[str, ...], int] = {}
    for row in rows:
        place_of.setdefault(row, len(place_of))
    different = list(place_of)
    parts = [_Part(forms, threshold, ngram) for forms in zip(*different, strict=True)]
    kept_for: list[tuple[int, float]] = []
    for place, forms in enumerate(different):
        grams = [part.grams(form) for part, form in zip(parts, forms, strict=True)]
        best = _most_similar(grams, parts, threshold)
        if best is None:
            for part, of_part in zip(parts, grams, strict=True):
                part.keep(place, of_part)
            best = place, 1.0
        kept_for.append(best)

    first_of: dict[int, int] = {}  # of each different row the first that has it
    choices = []
    for index, row in enumerate(rows):
        place = place_of[row]
        first_of.setdefault(place, index)
        kept, similarity = kept_for[place]
        choices.append(Choice(first_of[kept], similarity))
    return choices


def _most_similar(
    grams: Sequence[frozenset[int]], parts: Sequence[_Part], threshold: float
) -> tuple[int, float] | None:
    """Return the kept row that is most similar to a row with these grams, and its similarity."""
    proposals = min(
        (part.proposals(of_part) for part, of_part in zip(parts, grams, strict=True)),
        key=lambda rows: sum(map(len, rows)),
    )
    best: tuple[int, float] | None = None
    for kept in sorted(set().union(*proposals)):
        similarity = 1.0
        for part, of_part in zip(parts, grams, strict=True):
            similarity = min(similarity, part.similarity(of_part, kept))
            if similarity < threshold:
                break
        else:
            if best is None or similarity > best[1]:
                best = kept, similarity
    return best
