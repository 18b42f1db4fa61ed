"""Evaluations with scores worked out by hand, for the tests of the comparison."""

from collections.abc import Sequence
from typing import Any

from bitsft.evaluation.answers import Answer
from bitsft.evaluation.evaluation import Evaluation
from bitsft.metrics.score import Goal, Score, mean_score


def answer(row: int, prediction: str = "", **values: Any) -> Answer:
    """An answer to `질문 ROW`."""
    given: dict[str, Any] = {
        "prompt": f"질문 {row}",
        "reference": f"정답 {row}",
        "tokens": 3,
        "finished": True,
        **values,
    }
    return Answer(row=row, prediction=prediction, **given)


def scored(name: str, rows: Sequence[float], signature: str = "s", goal: Goal = "higher") -> Score:
    """A mean of the rows."""
    return mean_score(name, rows, signature, goal=goal)


def evaluation(
    answers: Sequence[Answer],
    *scores: Score,
    model: str = "m",
    decoding: str = "greedy",
    **parts: Any,
) -> Evaluation:
    """An evaluation with scores over all rows, and over tasks as `task=[Score, ...]`."""
    return Evaluation(
        model,
        tuple(answers),
        {"all": {one.name: one for one in scores}}
        | {key: {one.name: one for one in part} for key, part in parts.items()},
        decoding,
        {"name": "rows.jsonl", "sha256": "ab" * 32, "rows": len(answers)},
        {"max_new_tokens": 8},
    )


def simple(
    rows: Sequence[float], *, model: str = "m", metric: str = "rougeL", **more: Any
) -> Evaluation:
    """An evaluation with one metric over all rows."""
    answers = [answer(row, f"{model} {row}") for row in range(len(rows))]
    return evaluation(answers, scored(metric, rows, **more), model=model)
