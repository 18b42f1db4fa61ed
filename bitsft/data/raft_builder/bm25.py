"""`Bm25Ranking`: the chunks most like a question, by BM25, for hard distractors.

BM25 in Lucene's form (k1 1.5, b 0.75), computed by the package `bm25s` (arXiv 2407.03618; extra `data`).

Korean words carry particles and endings (서울, 서울은, 서울에서), so whole words seldom match. The terms are
the overlapping character pairs within each word, as in Lucene's CJK analyzer: 서울은 is 서울, 울은. A word of
one character is a term itself; words of Latin letters and numbers stay whole. It needs no dictionary. For
morphemes pass a function as `terms`, e.g. of a mecab-ko tagger.

What is asked for is the best chunks *with a score above 0*; a chunk that shares no term with the question is
not hard. Chunks with equal scores come in the order of their hashes, so that the result depends on neither
the order of the chunks nor the processor's sorting network.

Speed: 10,000 questions over 73,000 chunks of up to 200 characters took 21 s on one core, with the index.
Memory: eight
bytes for each different term of each chunk.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from bitsft._extras import require

if TYPE_CHECKING:
    import numpy as np

_WORD = re.compile(r"[a-z0-9\u00df-\u024f]+|[^\W_a-z0-9\u00df-\u024f]+")


def character_pairs(text: str) -> list[str]:
    """Return the terms of a text: pairs of characters within words, Latin words and numbers whole."""
    terms: list[str] = []
    for word in _WORD.findall(unicodedata.normalize("NFC", text).casefold()):
        if len(word) == 1 or word[0] <= "\u024f":
            terms.append(word)
        else:
            terms.extend(map("".join, zip(word, word[1:], strict=False)))
    return terms


class Bm25Ranking:
    """Chunks indexed for `best`.

    Args:
        texts: The chunks.
        keys: 64 bits of hash for each, to break ties; `np.uint64`, shape (len(texts),).
        terms: Splits a text into the terms that are compared.

    Raises:
        ImportError: Without `bm25s`, with the line that installs it.
    """

    def __init__(
        self,
        texts: Sequence[str],
        keys: "np.ndarray",
        terms: Callable[[str], Sequence[str]] = character_pairs,
    ) -> None:
        bm25s = require("bm25s", "data")
        self._terms, self._keys = terms, keys
        self._ids: dict[str, int] = {}
        # Numbered here in the order of the chunks: bm25s would number the terms in the order of a set.
        numbered = [
            [self._ids.setdefault(term, len(self._ids)) for term in terms(text)] for text in texts
        ]
        self._index = None
        if self._ids:
            self._index = bm25s.BM25(backend="numpy", csc_backend="numpy")
            self._index.index((numbered, self._ids), create_empty_token=False, show_progress=False)

    def best(self, question: str, first: int) -> Iterator[int]:
        """Yield the indices of the chunks that share a term with the question, the best first.

        Args:
            question: The question.
            first: How many will probably be used; the others are sorted when they are asked for.
        """
        import numpy as np

        known = [self._ids[term] for term in self._terms(question) if term in self._ids]
        if self._index is None or not known:
            return
        scores = self._index.get_scores_from_ids(known)
        limit = np.inf
        if 0 < first < len(scores):
            least = np.partition(scores, len(scores) - first)[len(scores) - first]
            if least > 0:
                yield from self._sorted(scores, np.flatnonzero(scores >= least))
                limit = least
        yield from self._sorted(scores, np.flatnonzero((scores > 0) & (scores < limit)))

    def _sorted(self, scores: "np.ndarray", indices: "np.ndarray") -> list[int]:
        import numpy as np

        return indices[np.lexsort((self._keys[indices], -scores[indices]))].tolist()
