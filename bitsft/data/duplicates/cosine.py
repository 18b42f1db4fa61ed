"""A second opinion on duplicates: the cosine of sentence embeddings.

MinHash sees characters. An embedder sees words and, if it is a good one, meaning: it can refuse "여자친구가
…" / "남자친구가 …", and find two wordings of one question. Which of the two is right is for the reader to say,
so `differences` lists where they disagree.

What an embedder is, and which ones are worse than none: `embeddings.py`.

    opinion = CosineOpinion(model.encode, "jhgan/ko-sroberta-multitask", threshold=0.95)
    drop_near_duplicates(rows, ledger=ledger, second_opinion=opinion)

Limits: `cosine_duplicates` compares all pairs, in blocks of 256 rows: 50,000 texts of 768 dimensions are
10^12 multiplications, and four times as many for twice as many texts. It holds the embeddings, at 4 bytes
for each number, and a block of cosines (50 MB there).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bitsft.data.common.embeddings import Embed, unit_vectors
from bitsft.data.duplicates.gram_hashes import Int64s
from bitsft.data.duplicates.linking import Components
from bitsft.data.duplicates.near import Clusters

Floats = npt.NDArray[np.float32]

_BLOCK = 256


@dataclass(frozen=True)
class CosineOpinion:
    """An embedder, and from which cosine on it calls two texts duplicates.

    Attributes:
        embed: Texts to an array of shape (texts, dimensions); the rows need not have length 1.
        signature: The embedder's name and settings, for reports.
        threshold: The least cosine of duplicates, -1 to 1. It depends on the embedder.
        batch: Texts for one call of `embed`.
    """

    embed: Embed
    signature: str
    threshold: float = 0.95
    batch: int = 256

    def __post_init__(self) -> None:
        if not -1 <= self.threshold <= 1:
            raise ValueError(f"threshold={self.threshold!r} is no cosine; give one from -1 to 1")
        if self.batch < 1:
            raise ValueError(f"batch={self.batch!r} must be at least 1")
        if not self.signature:
            raise ValueError("signature must name the embedder: reports say whose opinion it is")

    def embeddings(self, texts: Sequence[str]) -> Floats:
        """Return the embeddings of length 1 (or 0, where the embedder gives nothing but zeros).

        Raises:
            ValueError: When the embedder returns another shape, or numbers that are not finite.
        """
        parts = [
            unit_vectors(self.embed, texts[start : start + self.batch], self.signature)
            for start in range(0, len(texts), self.batch)
        ]
        widths = {part.shape[1] for part in parts}
        if len(widths) > 1:
            raise ValueError(f"{self.signature}: embeddings of {sorted(widths)} dimensions")
        return np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)

    def similarities(self, pairs: Iterable[tuple[str, str]]) -> Iterator[float]:
        """Yield the cosine of each pair of texts."""
        waiting: list[tuple[str, str]] = []
        for pair in pairs:
            waiting.append(pair)
            if 2 * len(waiting) >= self.batch:
                yield from self._cosines(waiting)
                waiting = []
        yield from self._cosines(waiting)

    def _cosines(self, pairs: list[tuple[str, str]]) -> list[float]:
        different = list(dict.fromkeys(text for pair in pairs for text in pair))
        place = {text: at for at, text in enumerate(different)}
        found = self.embeddings(different)
        first = found[[place[pair[0]] for pair in pairs]]
        second = found[[place[pair[1]] for pair in pairs]]
        cosines: list[float] = np.sum(first * second, axis=1).tolist()
        return cosines


def cosine_duplicates(
    texts: Iterable[str], opinion: CosineOpinion, *, max_texts: int = 50_000
) -> Clusters:
    """Find the texts whose embeddings have a cosine of at least the opinion's threshold.

    Args:
        texts: The texts. Equal ones are embedded once.
        opinion: The embedder and the threshold.
        max_texts: How many different texts are accepted; the time grows with their square.

    Raises:
        ValueError: For more texts, or an embedder that returns something else than embeddings.
    """
    place_of: dict[str, int] = {}
    entry_of = np.array([place_of.setdefault(text, len(place_of)) for text in texts], np.int64)
    if len(place_of) > max_texts:
        raise ValueError(
            f"{len(place_of):,} different texts are more than max_texts={max_texts:,}, and each is "
            "compared with all others. Use near_duplicates, or raise max_texts"
        )
    first_text = np.full(len(place_of), len(entry_of))
    np.minimum.at(first_text, entry_of, np.arange(len(entry_of)))

    embeddings = opinion.embeddings(list(place_of))
    components = Components(len(place_of))
    pairs: list[tuple[int, int]] = []
    similarity: list[float] = []
    for start in range(0, len(place_of), _BLOCK):
        block = embeddings[start : start + _BLOCK]
        names = components.names().copy()
        cosines = block @ embeddings[: start + len(block)].T
        for row, values in enumerate(cosines, start):
            similar = np.flatnonzero(values[:row] >= opinion.threshold)
            for other in _best_of_each(similar, names[similar], values[similar]):
                if components.link(other, row):
                    pairs.append((int(first_text[other]), int(first_text[row])))
                    similarity.append(min(1.0, float(values[other])))
    for index in np.flatnonzero(first_text[entry_of] != np.arange(len(entry_of))).tolist():
        pairs.append((int(first_text[entry_of[index]]), index))
        similarity.append(1.0)
    # An entry's first text comes in the order of entries, so a component's least entry has its first.
    labels = first_text[components.names()][entry_of]
    found = np.array(pairs, np.int64).reshape(-1, 2)
    order = np.lexsort((found[:, 1], found[:, 0]))
    return Clusters(labels, found[order], np.array(similarity)[order])


def _best_of_each(members: Int64s, names: Int64s, values: Floats) -> list[int]:
    """Return of each component that occurs in `names` the member with the greatest value."""
    if len(members) and (names == names[0]).all():  # the usual case, without sorting
        return [int(members[np.argmax(values)])]
    best = np.argsort(-values, kind="stable")
    found: list[int] = members[best[np.unique(names[best], return_index=True)[1]]].tolist()
    return found


@dataclass(frozen=True)
class Difference:
    """A pair that one opinion links, and the other does not have in one cluster.

    Attributes:
        first: The index of the first text.
        second: The index of the second.
        found_by: `"minhash"` or `"cosine"`.
        similarity: In the opinion that links it.
    """

    first: int
    second: int
    found_by: str
    similarity: float


def differences(minhash: Clusters, cosine: Clusters) -> list[Difference]:
    """Return where two opinions on the same texts differ, the most similar pairs first.

    Raises:
        ValueError: When they are about different numbers of texts.
    """
    if len(minhash.labels) != len(cosine.labels):
        raise ValueError(
            f"the opinions are about {len(minhash.labels):,} and {len(cosine.labels):,} texts; give "
            "two about the same ones"
        )
    found = []
    for name, one, other in (("minhash", minhash, cosine), ("cosine", cosine, minhash)):
        pairs = zip(one.pairs.tolist(), one.similarity.tolist(), strict=True)
        found += [
            Difference(first, second, name, similarity)
            for (first, second), similarity in pairs
            if other.labels[first] != other.labels[second]
        ]
    return sorted(
        found, key=lambda pair: (-pair.similarity, pair.found_by, pair.first, pair.second)
    )
