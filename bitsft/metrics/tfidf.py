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

Limits: it sees spelling, not meaning. A wrong number in a right sentence costs little.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

NGRAM_SIZES = (3, 4, 5)
_SPACES = re.compile(r"\s+")


def jamo_ngrams(text: str) -> Counter[str]:
    """Count the jamo 3- to 5-grams of one text; blank text has none.

    Example:
        >>> sorted(unicodedata.normalize("NFC", term) for term in jamo_ngrams("네"))
        [' 네', ' 네 ', '네 ']
    """
    stripped = _SPACES.sub(" ", unicodedata.normalize("NFD", text.lower())).strip()
    if not stripped:
        return Counter()
    padded = f" {stripped} "
    return Counter(
        padded[start : start + size]
        for size in NGRAM_SIZES
        for start in range(len(padded) - size + 1)
    )


def tfidf_similarities(predictions: Sequence[str], references: Sequence[str]) -> list[float]:
    """Cosine of the TF-IDF vectors of each pair.

    Args:
        predictions: n texts.
        references: n texts; the idf is fitted on them.

    Returns:
        n numbers from 0 to 1; 0 where one of the texts is blank.
    """
    expected = [jamo_ngrams(text) for text in references]
    df = Counter(term for counts in expected for term in counts)
    n = len(expected)
    unseen = math.log(1 + n) + 1
    idf = {term: math.log((1 + n) / (1 + count)) + 1 for term, count in df.items()}

    similarities = []
    for text, reference_counts in zip(predictions, expected, strict=True):
        left = {t: count * idf.get(t, unseen) for t, count in jamo_ngrams(text).items()}
        right = {t: count * idf[t] for t, count in reference_counts.items()}
        norms = sum(w * w for w in left.values()) * sum(w * w for w in right.values())
        dot = sum(weight * right[t] for t, weight in left.items() if t in right)
        similarities.append(min(dot / math.sqrt(norms), 1.0) if norms else 0.0)
    return similarities
