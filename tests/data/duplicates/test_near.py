import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsft.data.common.normal_form import normal_form
from bitsft.data.duplicates.gram_hashes import gram_set
from bitsft.data.duplicates.near import near_duplicates

TEXTS = [
    "어제 온 메일 모두 보여 줘",
    "수도는 어디예요?",
    "어제 온 메일 모두 보여줘!",
    "수도는 어디에요",
    "어제 온 메일을 모두 보여 줘",
    "일월에 온 메일 모두 검색해줘",
    "십일월에 온 메일 모두 검색해줘",
]


def jaccard(first: str, second: str) -> float:
    a, b = (gram_set(normal_form(text, punctuation=False), 3) for text in (first, second))
    return len(a & b) / len(a | b)


def test_clusters_and_links() -> None:
    found = near_duplicates(TEXTS, threshold=0.6)
    assert found.labels.tolist() == [0, 1, 0, 3, 0, 5, 5]
    assert (found.count, found.duplicates) == (2, 3)
    assert [members.tolist() for members in found.members()] == [[0, 2, 4], [5, 6]]
    assert found.pairs.tolist() == [[0, 2], [0, 4], [5, 6]]
    assert found.similarity.tolist() == [1, 8 / 13, 11 / 14]
    for (first, second), similarity in zip(found.pairs, found.similarity, strict=True):
        assert similarity == jaccard(TEXTS[first], TEXTS[second])


def test_the_default_leaves_other_months_and_shorter_orders_alone() -> None:
    texts = [*TEXTS[5:], "간장치킨 시켜야지", "치킨 시켜야지"]
    assert near_duplicates(texts).count == 0


def test_rows_of_several_texts_are_compared_place_by_place() -> None:
    rows = [("수도는?", "서울입니다"), ("서울입니다", "수도는?"), ("수도는!", "서울 입니다")]
    assert near_duplicates(rows).labels.tolist() == [0, 1, 0]


@pytest.mark.parametrize("texts", [[], ["하나"], ["", ""], [(), ("가",), ()]])
def test_little_or_nothing(texts: list[Any]) -> None:
    labels = near_duplicates(texts).labels.tolist()
    assert labels == [texts.index(text) for text in texts]


def test_equal_texts_beyond_one_batch_in_two_processes() -> None:
    texts = [f"{i % 4300} 번째 문장은 {i % 4300} 번" for i in range(8600)]
    one, two = (near_duplicates(texts, processes=processes) for processes in (1, 2))
    assert np.array_equal(one.labels, two.labels)
    assert np.array_equal(one.pairs, two.pairs)
    assert np.array_equal(one.similarity, two.similarity)
    assert one.labels[4300:].tolist() == one.labels[:4300].tolist()


_SENTENCES = st.lists(
    st.text(alphabet="가나다라마 !", max_size=14) | st.sampled_from(TEXTS), max_size=14
)


@settings(max_examples=60)
@given(_SENTENCES, st.randoms(use_true_random=False))
def test_clusters_are_a_partition_that_does_not_depend_on_the_order(
    texts: list[str], rng: random.Random
) -> None:
    found = near_duplicates(texts, threshold=0.6)
    labels = found.labels.tolist()
    # Labels name a first member: an equivalence relation with one name for each class.
    assert all(label <= index and labels[label] == label for index, label in enumerate(labels))
    # Equal texts are together.
    for index, text in enumerate(texts):
        assert labels[index] == labels[texts.index(text)]
    # The links are similar pairs, and connect just these clusters.
    connected = list(range(len(texts)))
    for (first, second), similarity in zip(
        found.pairs.tolist(), found.similarity.tolist(), strict=True
    ):
        assert first < second
        assert similarity == jaccard(texts[first], texts[second]) >= 0.6
        old, new = connected[second], connected[first]
        assert old != new
        connected = [new if name == old else name for name in connected]
    assert [[a == b for a in labels] for b in labels] == [
        [a == b for a in connected] for b in connected
    ]
    # A permutation of the texts permutes the clusters.
    order = list(range(len(texts)))
    rng.shuffle(order)
    shuffled = near_duplicates([texts[i] for i in order], threshold=0.6).labels.tolist()
    for i, a in enumerate(order):
        for j, b in enumerate(order):
            assert (shuffled[i] == shuffled[j]) == (labels[a] == labels[b])


def test_recall_against_all_pairs() -> None:
    """1 - (1 - s^r)^b >= 0.99 for each pair: at most a few of the pairs are missed."""
    rng = random.Random(5)
    syllables = [chr(code) for code in range(0xAC00, 0xAC00 + 400)]
    texts = []
    for _ in range(150):
        base = rng.choices(syllables, k=rng.randint(8, 40))
        texts.append("".join(base))
        for _ in range(3):
            changed = list(base)
            for _ in range(rng.randint(1, 2)):
                changed[rng.choice((0, len(base) - 1, rng.randrange(len(base))))] = rng.choice(
                    syllables
                )
            texts.append("".join(changed))
    grams = [gram_set(text, 3) for text in texts]
    all_pairs = [
        (i, j, len(grams[i] & grams[j]) / len(grams[i] | grams[j]))
        for i in range(len(texts))
        for j in range(i)
    ]
    for threshold in (0.5, 0.7, 0.8):
        labels = near_duplicates(texts, threshold=threshold).labels
        similar = [(i, j) for i, j, similarity in all_pairs if similarity >= threshold]
        found = sum(labels[i] == labels[j] for i, j in similar)
        assert len(similar) > 100
        assert found >= 0.99 * len(similar)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 0}, "threshold=0 must be above 0"),
        ({"threshold": 1.1}, "threshold=1.1"),
        ({"num_perm": 0}, "num_perm=0 must be at least 1"),
        ({"ngram": 0}, "ngram=0"),
        ({"seed": -1}, "seed=-1"),
        ({"processes": 0}, "processes=0"),
        ({"num_perm": 2}, "raise num_perm"),
    ],
)
def test_settings_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        near_duplicates(["가"], **options)


@pytest.mark.parametrize("text", [None, 3, ["가", None], b"a"])
def test_what_is_no_text_is_named(text: Any) -> None:
    with pytest.raises(TypeError, match="text 1 is"):
        near_duplicates(["가", text])


def test_in_a_short_text_every_other_character_counts() -> None:
    alphabet = "가나다라마바사아자차카타파하거너더러머버"
    for length, pairs in ((10, 0), (17, 0), (18, 2)):
        text = alphabet[:length]
        others = [f"{text[:place]}히{text[place:]}" for place in range(length + 1)]
        assert len(near_duplicates([text, *others]).pairs) == pairs
    assert near_duplicates(["ㅋㅋㅋㅋ", "ㅋㅋㅋㅋㅋㅋㅋ"]).labels.tolist() == [0, 0]
