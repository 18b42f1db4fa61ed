"""`draw_distractors`: the documents that do not help, and the rules that they must keep.

A distractor

- is not the oracle, does not contain it and is not contained in it;
- is not another document of the row, does not contain it and is not contained in it;
- is not a near copy of the oracle: of the character trigrams of the shorter of the two, less than a share
  `near_copy` (0.7) is in the other;
- is not an oracle of another row that asks the same question;
- does not hold an answer of the row (`answers.py`), unless that is allowed;

all of it in normal form (`normal_form.py`). The rule about near copies matters for hard distractors: of those that
BM25 finds for KoBEST's BoolQ some are the oracle in an older wording, which answers the question as well.
Texts that are all made from one form (records of a catalogue) are near copies of each other; for those set
`near_copy=1`, which leaves only the other rules.

Candidates are gone through in their order, the best by BM25 or
the row's own random order, until enough of them keep the rules.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from bitsft.data.common.answers import Answers
from bitsft.data.common.normal_form import normal_form
from bitsft.data.common.seeded import generator
from bitsft.data.raft_builder.bm25 import Bm25Ranking
from bitsft.data.raft_builder.pool import ChunkPool


@dataclass
class Drawn:
    """The distractors of one row.

    Attributes:
        texts: The distractors: the hard ones first, then the random ones.
        hard: How many of them BM25 found.
        hard_wanted: How many it was to find.
        near_copies: Candidates left out as near copies of the oracle.
        with_answer: Candidates left out for holding the answer.
    """

    texts: list[str] = field(default_factory=list)
    hard: int = 0
    hard_wanted: int = 0
    near_copies: int = 0
    with_answer: int = 0


def draw_distractors(
    pool: ChunkPool,
    count: int,
    *,
    question: str,
    beside: Sequence[str],
    row_key: int,
    answers: Answers | None = None,
    avoid: Collection[str] = (),
    ranking: Bm25Ranking | None = None,
    hard: float = 0.0,
    near_copy: float = 0.7,
) -> Drawn:
    """Draw up to `count` distractors for a row.

    Args:
        pool: The chunks to draw from.
        count: How many to draw; fewer come back where the rules leave fewer.
        question: The question, for BM25.
        beside: Texts that must not be repeated, the oracle first.
        row_key: 64 bits of hash for the row, which decide the random choices.
        answers: What a distractor must not hold; None allows everything.
        avoid: Normal forms of further chunks that are not to be drawn.
        ranking: The ranking of the pool's chunks; needed where `hard` is above 0.
        hard: The share of hard distractors, 0 to 1. Where `hard * count` is no whole number, the row's
            hash decides between the two next to it, so that the share is right on average. What BM25
            cannot find is drawn at random.
        near_copy: The share of common trigrams from which on a chunk is a near copy of the oracle; 1 or
            more for no such rule.
    """
    drawn = Drawn()
    taken = [normal_form(text) for text in beside]
    oracle = _trigrams(taken[0])
    # A chunk can come up twice, among the best and in the random order.
    seen: set[int] = set()

    def take(candidates: Iterable[int], most: int) -> None:
        for index in candidates:
            if len(drawn.texts) >= most:
                return
            text, normal = pool.texts[index], pool.normals[index]
            if index in seen or normal in avoid:
                continue
            seen.add(index)
            if any(normal in other or other in normal for other in taken):
                continue
            if answers is not None and answers.within(text, normal):
                drawn.with_answer += 1
                continue
            if near_copy < 1 and _overlap(oracle, _trigrams(normal)) >= near_copy:
                drawn.near_copies += 1
                continue
            drawn.texts.append(text)
            taken.append(normal)

    if hard > 0 and ranking is not None:
        exact = hard * count
        drawn.hard_wanted = int(exact) + (generator("hard", row_key).random() < exact % 1)
        take(ranking.best(question, 8 * drawn.hard_wanted), drawn.hard_wanted)
        drawn.hard = len(drawn.texts)
    if len(drawn.texts) < count:
        take(pool.random_order(row_key, count), count)
    return drawn


def _trigrams(normal: str) -> set[str]:
    return {normal[start : start + 3] for start in range(max(1, len(normal) - 2))}


def _overlap(one: set[str], other: set[str]) -> float:
    """Return the overlap coefficient: the common part of the smaller set."""
    return len(one & other) / min(len(one), len(other))
