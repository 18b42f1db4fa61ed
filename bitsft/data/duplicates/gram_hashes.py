"""Texts -> sets of character n-grams, as sorted 64-bit hashes, for many rows at once.

A text's n-grams are those of its normal form with a mark at each end (for "먹고싶다" and n = 3: ⟨먹고,
먹고싶, 고싶다, 싶다⟩). The marks make a change at either end weigh nearly as much as one in the middle:
"일월에 온 메일 모두 검색해줘" and "십일월에 온 메일 모두 검색해줘" have a Jaccard similarity of 0.79, and 0.91 without
marks, where they differ in one gram.

A row may have several texts (question, answer). Their grams are tagged with the text's place, so that a
row's set is the union of disjoint ones; therefore, where each pair of texts has a Jaccard similarity of
at least t, the rows have too: (a + b)/(c + d) is never below the lesser of a/c and b/d.

For n <= 3 a gram's code points (21 bits each) fit into 64 bits, and for a row with one text the hash is
one-to-one. Otherwise two grams share a hash with a probability of about 2^-64. The mixing function is
the finalizer of MurmurHash3 (Austin Appleby, public domain), a bijection.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from bitsft.data.common.normal_form import normal_form

UInt64s = npt.NDArray[np.uint64]
Int64s = npt.NDArray[np.int64]

MARK = "\U0010ffff"  # a noncharacter: no text may hold it (Unicode Standard, section 23.7)

_CODE_POINT = np.uint64(1 << 21)
_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio


@dataclass(frozen=True)
class GramSets:
    """The gram sets of some rows, one after the other.

    Attributes:
        hashes: All rows' grams, sorted and each once within a row.
        counts: How many grams each row has.
        digests: 16 bytes for each row: rows with equal sets have equal digests.
    """

    hashes: UInt64s
    counts: Int64s
    digests: list[bytes]


def marked(text: str, ngram: int) -> str:
    """Return a normal form with its end marks; a short one gets more, so that it has one gram."""
    return MARK + text + MARK * max(1, ngram - 1 - len(text))


def gram_set(form: str, ngram: int) -> frozenset[str]:
    """Return the n-grams of one normal form, as texts."""
    text = marked(form, ngram)
    return frozenset([text[start : start + ngram] for start in range(len(text) - ngram + 1)])


def gram_sets(rows: Sequence[Sequence[str]], ngram: int, punctuation: bool) -> GramSets:
    """Return the gram sets of rows.

    Args:
        rows: For each row its texts.
        ngram: Characters in a gram.
        punctuation: Whether punctuation counts.
    """
    texts = [
        marked(normal_form(text, punctuation=punctuation), ngram) for row in rows for text in row
    ]
    data = "".join(texts).encode("utf-32-le", "surrogatepass")
    codes = np.frombuffer(data, dtype="<u4").astype(np.uint64)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    place_in_row = [place for row in rows for place in range(len(row))]
    tags = np.array(place_in_row, np.uint64)
    row_of_text = np.repeat(np.arange(len(rows)), np.fromiter(map(len, rows), np.int64, len(rows)))

    ends = np.repeat(np.cumsum(lengths), lengths)
    starts = np.flatnonzero(np.arange(len(codes)) + ngram <= ends)
    base = _CODE_POINT if ngram <= 3 else _ODD
    grams = np.zeros(len(starts), np.uint64)
    for offset in range(ngram):
        grams = grams * base + codes[starts + offset]
    text_of_gram = np.repeat(np.arange(len(texts)), lengths)[starts]
    hashes = mix(grams + tags[text_of_gram] * _ODD)
    row_of_gram = row_of_text[text_of_gram]

    order = np.lexsort((hashes, row_of_gram))
    hashes, row_of_gram = hashes[order], row_of_gram[order]
    is_new = np.ones(len(hashes), bool)
    is_new[1:] = (hashes[1:] != hashes[:-1]) | (row_of_gram[1:] != row_of_gram[:-1])
    hashes, row_of_gram = hashes[is_new], row_of_gram[is_new]
    counts = np.bincount(row_of_gram, minlength=len(rows))
    stops = np.cumsum(counts).tolist()
    data = hashes.astype("<u8", copy=False).tobytes()
    digests = [
        blake2b(data[8 * (stop - count) : 8 * stop], digest_size=16).digest()
        for stop, count in zip(stops, counts.tolist(), strict=True)
    ]
    return GramSets(hashes, counts, digests)


def mix(values: UInt64s) -> UInt64s:
    """Return each value's bits mixed: MurmurHash3's 64-bit finalizer."""
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return values ^ (values >> np.uint64(33))
