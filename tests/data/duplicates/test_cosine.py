import zlib
from typing import Any

import numpy as np
import pytest

from bitsft.data.duplicates import cosine
from bitsft.data.duplicates.cosine import CosineOpinion, cosine_duplicates, differences
from bitsft.data.duplicates.near import near_duplicates


def embed(texts: list[str]) -> np.ndarray:
    """Hashed character bigrams, counted: deterministic, and no model."""
    found = np.zeros((len(texts), 512))
    for row, text in enumerate(texts):
        for start in range(len(text) - 1):
            found[row, zlib.crc32(text[start : start + 2].encode()) % 512] += 1
    return found


OPINION = CosineOpinion(embed, "bigrams|512", threshold=0.9, batch=3)

TEXTS = [
    "오늘 저녁에 비가 온다",
    "내일 만나요 우리",
    "오늘 저녁에 비가 온대",
    "우리 내일 만나요",
    "오늘 저녁에 비가 온다",
]


def test_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    for block in (1, 2, 256):
        monkeypatch.setattr(cosine, "_BLOCK", block)
        found = cosine_duplicates(TEXTS, OPINION)
        assert found.labels.tolist() == [0, 1, 0, 3, 0]
        assert found.pairs.tolist() == [[0, 2], [0, 4]]
        assert found.similarity.tolist() == pytest.approx([12 / 13, 1.0])


def test_a_chain_is_one_cluster_whatever_the_order() -> None:
    angles = {"가": 0.0, "나": 0.4, "다": 0.8, "라": 2.0}

    def on_a_circle(texts: list[str]) -> list[list[float]]:
        return [[np.cos(angles[text]), np.sin(angles[text])] for text in texts]

    opinion = CosineOpinion(on_a_circle, "circle", threshold=0.9)
    assert cosine_duplicates(["가", "다", "라", "나"], opinion).labels.tolist() == [0, 0, 2, 0]
    assert cosine_duplicates(["가", "나", "다", "라"], opinion).labels.tolist() == [0, 0, 0, 3]


def test_where_the_opinions_differ() -> None:
    texts = ["우리 내일 만나요", "우리 내일 만나요!", "내일 우리 만나요", "다른 말입니다"]
    by_characters = near_duplicates(texts, threshold=0.9)
    by_cosine = cosine_duplicates(
        texts, CosineOpinion(lambda t: [[1, 0] if "우리 내" in x else [0, 1] for x in t], "toy")
    )
    found = differences(by_characters, by_cosine)
    assert [(d.first, d.second, d.found_by, d.similarity) for d in found] == [(2, 3, "cosine", 1.0)]
    found = differences(by_characters, cosine_duplicates(texts, CosineOpinion(np_eye, "none")))
    assert [(d.first, d.second, d.found_by) for d in found] == [(0, 1, "minhash")]


def np_eye(texts: list[str]) -> np.ndarray:
    return np.eye(len(texts))


def test_opinions_on_different_texts_are_not_compared() -> None:
    with pytest.raises(ValueError, match="2 and 1 texts"):
        differences(near_duplicates(["가", "나"]), near_duplicates(["가"]))


def test_similarities_of_pairs_in_small_batches() -> None:
    pairs = [("가나다", "가나다"), ("가나다", "라마바"), ("가나다라", "가나다"), ("", "가나")]
    found = list(OPINION.similarities(iter(pairs)))
    assert found == pytest.approx([1, 0, 2 / np.sqrt(6), 0], abs=1e-6)


def test_few_texts() -> None:
    assert cosine_duplicates([], OPINION).labels.tolist() == []
    assert cosine_duplicates(["가나"], OPINION).labels.tolist() == [0]


def test_too_many_texts() -> None:
    with pytest.raises(ValueError, match="3 different texts are more than max_texts=2"):
        cosine_duplicates(["가", "나", "가", "다"], OPINION, max_texts=2)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (np.zeros(2), "shape \\(2,\\) for 2 texts"),
        (np.zeros((3, 4)), "shape \\(3, 4\\) for 2 texts"),
        (np.full((2, 4), np.nan), "not finite"),
    ],
)
def test_what_an_embedder_must_return(returned: Any, message: str) -> None:
    opinion = CosineOpinion(lambda texts: returned, "broken")
    with pytest.raises(ValueError, match=message):
        cosine_duplicates(["가", "나"], opinion)


def test_embeddings_of_one_width() -> None:
    opinion = CosineOpinion(lambda texts: np.ones((1, len(texts[0]))), "broken", batch=1)
    with pytest.raises(ValueError, match=r"\[1, 2\] dimensions"):
        cosine_duplicates(["가", "나나"], opinion)


@pytest.mark.parametrize("options", [{"threshold": 1.5}, {"batch": 0}, {"signature": ""}])
def test_settings(options: dict[str, Any]) -> None:
    name = next(iter(options))
    with pytest.raises(ValueError, match=name):
        CosineOpinion(**{"embed": embed, "signature": "x", **options})
