import numpy as np
import pytest

from bitsft.data.quality.content_words import ContentWords
from bitsft.data.quality.groundedness import Judged
from bitsft.data.quality.relevance import (
    NO_QUESTION_WORDS,
    SHORT_ANSWER,
    answer_relevance,
    embedding_similarity,
    relevance,
)


def test_question_and_context() -> None:
    question = "서울의 인구는 몇 명인가요?"
    assert relevance(question, "서울 인구는 천만이다") == Judged(2 / 3, "", ("명인가요",))
    assert relevance("서울의 인구는?", ["서울", "인구"]) == Judged(1.0)
    assert relevance("서울의 인구는?", "양파는 줄기이다").value == 0.0
    assert relevance(ContentWords("서울"), ContentWords("서울은")).value == 1.0
    assert relevance("그것은 무엇인가요?", "서울") == Judged(None, NO_QUESTION_WORDS)


def test_question_and_answer() -> None:
    assert answer_relevance("서울의 인구는?", "서울의 인구는 천만입니다") == Judged(1.0)
    assert answer_relevance("서울의 인구는?", "양파는 줄기 식물입니다").value == 0.0
    assert answer_relevance("서울의 인구는?", "천만 명") == Judged(None, SHORT_ANSWER)


def embed(texts: list[str]) -> np.ndarray:
    vectors = {"동": [1, 0], "서": [-1, 0], "북": [0, 2], "무": [0, 0]}
    return np.array([vectors[text[0]] for text in texts])


def test_embedding_similarity() -> None:
    values = embedding_similarity(["동", "동", "동", "동"], ["동", "서", "북", "무"], embed)
    assert values == [1.0, -1.0, 0.0, 0.0]
    assert embedding_similarity([], [], embed) == []


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda texts: np.zeros(2), r"shape \(2,\) for 2 texts"),
        (lambda texts: np.zeros((3, 4)), r"shape \(3, 4\) for 2 texts"),
        (lambda texts: np.full((2, 4), np.nan), "NaN or infinite"),
    ],
)
def test_embedders_that_are_none(bad: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        embedding_similarity(["동"], ["서"], bad)  # type: ignore[arg-type]


def test_one_text_for_each_question() -> None:
    with pytest.raises(ValueError, match="1 questions for 0 texts"):
        embedding_similarity(["동"], [], embed)
