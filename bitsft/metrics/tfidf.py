"""TF-IDF vectors of jamo n-grams, and the cosine of each pair: similarity without a model.

A text is lower-cased, decomposed to NFD (한 -> ᄒ ᅡ ᆫ), its whitespace collapsed, one space put at
either end; its terms t are all substrings of 3, 4 and 5 code points. With n references, of which
df(t) hold t:

    idf(t) = ln((1 + n) / (1 + df(t))) + 1,   weight(t) = count(t) * idf(t),
    similarity = cosine of the two weight vectors, 0 to 1.

This is scikit-learn's `TfidfVectorizer(analyzer="char", ngram_range=(3, 5))` fitted on the
references with the terms of both lists as vocabulary. The idf comes from the references alone, so
that a value does not move because *other* predictions changed between two evaluations; terms that
only a prediction has get the highest idf, so unknown material lowers the similarity instead of
vanishing.

Rows are counted some hundred at a time by sorting numbers: 56 bits of a term's hash below 8 bits of its row.
Of ten million different terms some pair shares its number with probability 0.0007; it would move the rows
that have both by about one term's weight. In memory stays one number and one count per different term of the
references.

Limits: it sees spelling, not meaning. A wrong number in a right sentence costs little.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

NGRAM_SIZES = (3, 4, 5)
_HASH_BITS = 56
_ROWS_AT_ONCE = 256  # what the other 8 bits hold
_CODE_POINTS_AT_ONCE = 300_000


def jamo_form(text: str) -> str:
    """The string whose substrings are the terms; blank text gives `""`.

    Example:
        >>> unicodedata.normalize("NFC", jamo_form("네  A"))
        ' 네 a '
    """
    words = unicodedata.normalize("NFD", text.lower()).split()
    return f" {' '.join(words)} " if words else ""


def tfidf_similarities(predictions: Sequence[str], references: Sequence[str]) -> list[float]:
    """Cosine of the TF-IDF vectors of each pair.

    Args:
        predictions: n texts.
        references: n texts; the idf is fitted on them.

    Returns:
        n numbers from 0 to 1; 0 where one of the texts is blank.
    """
    import numpy as np

    n = len(references)
    terms, df = _document_frequencies(references)
    idf = np.log((1 + n) / (1 + df)) + 1
    unseen = np.log(1 + n) + 1

    def weighted(forms: list[str]) -> "tuple[np.ndarray, np.ndarray, np.ndarray]":
        """Keys, rows and weights of the terms, each once."""
        keys, counts = np.unique(_keys(forms), return_counts=True)
        hashes = keys & np.uint64((1 << _HASH_BITS) - 1)
        places = np.minimum(np.searchsorted(terms, hashes), max(len(terms) - 1, 0))
        known = terms[places] == hashes if len(terms) else np.zeros(len(keys), dtype=bool)
        weights = counts * np.where(known, idf[places] if len(terms) else unseen, unseen)
        return keys, (keys >> np.uint64(_HASH_BITS)).astype(np.int64), weights

    similarities: list[float] = []
    for found, expected in _chunks(predictions, references):
        left, left_rows, left_weights = weighted(found)
        right, right_rows, right_weights = weighted(expected)
        _, in_left, in_right = np.intersect1d(left, right, assume_unique=True, return_indices=True)
        products = left_weights[in_left] * right_weights[in_right]
        dots = np.bincount(left_rows[in_left], products, len(found))
        norms = np.bincount(left_rows, left_weights**2, len(found)) * np.bincount(
            right_rows, right_weights**2, len(found)
        )
        cosines = np.divide(dots, np.sqrt(norms), out=np.zeros(len(found)), where=norms > 0)
        similarities.extend(np.minimum(cosines, 1.0).tolist())
    return similarities


def _document_frequencies(references: Sequence[str]) -> "tuple[np.ndarray, np.ndarray]":
    """Hashes of all terms, ascending, uint64, and in how many references each occurs."""
    import numpy as np

    terms, df = np.empty(0, np.uint64), np.empty(0, np.int64)
    pending: list[np.ndarray] = []
    waiting = 0

    def merge() -> "tuple[np.ndarray, np.ndarray]":
        hashes, counts = np.unique(np.concatenate(pending), return_counts=True)
        together, places = np.unique(np.concatenate([terms, hashes]), return_inverse=True)
        return together, np.bincount(
            places, np.concatenate([df, counts]), minlength=len(together)
        ).astype(np.int64)

    for (forms,) in _chunks(references):
        # with counts, np.unique sorts, which here is several times faster than its hash table
        keys, _ = np.unique(_keys(forms), return_counts=True)
        pending.append(keys & np.uint64((1 << _HASH_BITS) - 1))
        waiting += len(pending[-1])
        if waiting > max(
            len(terms), 1_000_000
        ):  # seldom enough to cost little, soon enough to stay small
            terms, df = merge()
            pending, waiting = [], 0
    return merge() if pending else (terms, df)


def _chunks(*lists: Sequence[str]) -> Iterator[list[list[str]]]:
    """Some rows at a time of each list, in `jamo_form`."""
    chunk: list[list[str]] = [[] for _ in lists]
    size = 0
    for row in zip(*lists, strict=True):
        for forms, text in zip(chunk, row, strict=True):
            forms.append(jamo_form(text))
            size += len(forms[-1])
        if len(chunk[0]) == _ROWS_AT_ONCE or size > _CODE_POINTS_AT_ONCE:
            yield chunk
            chunk, size = [[] for _ in lists], 0
    if chunk[0]:
        yield chunk


def _keys(forms: Sequence[str]) -> "np.ndarray":
    """Row and hash of every term of up to 256 texts, uint64, as often as it occurs."""
    import numpy as np

    points = np.frombuffer("".join(forms).encode("utf-32-le"), np.uint32).astype(np.uint64)
    lengths = np.array([len(form) for form in forms])
    rows = np.repeat(np.arange(len(forms), dtype=np.uint64), lengths) << np.uint64(_HASH_BITS)
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(points))  # to the row's end
    scrambled = _scramble(points)
    keys = []
    hashes = scrambled
    for size in range(2, NGRAM_SIZES[-1] + 1):
        # each size has its own polynomial of the code points: h * odd + next, modulo 2 ** 64
        hashes = hashes[:-1] * np.uint64(0x9E3779B97F4A7C15) + scrambled[size - 1 :]
        if size in NGRAM_SIZES:
            whole = left[: len(hashes)] >= size
            mixed = _scramble(hashes[whole]) >> np.uint64(64 - _HASH_BITS)
            keys.append(rows[: len(hashes)][whole] | mixed)
    return np.concatenate(keys)


def _scramble(values: "np.ndarray") -> "np.ndarray":
    """A 64-bit number that looks random, different for different values (SplitMix64's last steps)."""
    import numpy as np

    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
