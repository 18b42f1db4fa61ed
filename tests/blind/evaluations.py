"""Two evaluations of the same rows, and ratings of them."""

from bitsft.blind.pairs import AnswerPair, ShownPair, pair_answers
from bitsft.blind.rating import Rating
from bitsft.evaluation.answers import Answer
from bitsft.evaluation.evaluation import Evaluation

BASE, TUNED = "models/alpha-plain", "models/omega-taught"


def evaluation(model: str, predictions: list[str]) -> Evaluation:
    answers = tuple(
        Answer(row, f"질문 {row}", f"참고 {row}", text, 3, True)
        for row, text in enumerate(predictions)
    )
    return Evaluation(model, answers, {}, "greedy", {"name": "rows.jsonl"})


def evaluations(rows: int) -> tuple[Evaluation, Evaluation]:
    return (
        evaluation(BASE, [f"가 {row}" for row in range(rows)]),
        evaluation(TUNED, [f"나 {row}" for row in range(rows)]),
    )


def pairs_of(rows: int) -> list[AnswerPair]:
    return pair_answers(*evaluations(rows))


def scores(relevance: int, accuracy: int, fluency: int) -> dict[str, int]:
    return {"relevance": relevance, "accuracy": accuracy, "fluency": fluency}


def rating(
    pair: AnswerPair,
    rater: str,
    choice: str,
    left: tuple[int, int, int] = (3, 3, 3),
    right: tuple[int, int, int] = (3, 3, 3),
    *,
    base_on_left: bool = True,
) -> Rating:
    when = "2026-01-31T09:15:00+00:00"
    return Rating(
        rater, pair.row, pair.key, base_on_left, choice, scores(*left), scores(*right), when
    )


def shown(pair: AnswerPair, *, base_on_left: bool = True) -> ShownPair:
    return ShownPair(pair, base_on_left)
