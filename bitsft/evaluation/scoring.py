"""`score_answers`: which scores which rows get.

| rows                       | scores                                                                        |
|----------------------------|-------------------------------------------------------------------------------|
| all                        | ROUGE, BLEU, chrF, cosine similarity, exact match, character F1               |

Each task that occurs beside others gets the scores of its part under its own name, taken from those of all
rows (`Score.subset`), so nothing is scored twice.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any

from bitsft.evaluation.answers import Answer
from bitsft.metrics.cosine import cosine_similarity
from bitsft.metrics.korquad import char_f1, exact_match
from bitsft.metrics.rouge_scores import rouge
from bitsft.metrics.sacrebleu_scores import bleu, chrf
from bitsft.metrics.score import Score

Embedder = str | os.PathLike[str] | Callable[[list[str]], Any]
Scores = dict[str, dict[str, Score]]

ALL = "all"
"""The key of the scores over all rows."""


def score_answers(
    answers: Sequence[Answer], *, tokenizer: str = "auto", embedder: Embedder | None = None
) -> Scores:
    """Score answers, all together and task by task.

    Args:
        answers: n answers, one or more.
        tokenizer: How texts are cut for ROUGE and BLEU, see `bitsft.metrics.tokenizers`.
        embedder: Of the cosine similarity, see `cosine_similarity`; None compares jamo n-grams.

    Returns:
        `{"all": {name: Score}, task: {name: Score}, ...}`. The rows of a score follow the order of the answers;
        those of a task's score the order of the answers of that task.

    Raises:
        ValueError: When there are no answers, or a setting is unknown.
        ImportError: When a setting needs an extra that is not installed.
    """
    if not answers:
        raise ValueError("there are no answers to score")
    scores: Scores = {ALL: _text_scores(answers, tokenizer, embedder)}
    for task, rows in rows_by_task(answers).items():
        if len(rows) < len(answers):
            part = [answers[row] for row in rows]
            scores[task] = _text_scores(part, tokenizer, embedder)
    return scores


def rows_by_task(answers: Sequence[Answer]) -> dict[str, list[int]]:
    """The places of each task's answers among all, tasks in the order of their first answer."""
    places: dict[str, list[int]] = {}
    for place, answer in enumerate(answers):
        if answer.task is not None:
            places.setdefault(answer.task, []).append(place)
    return places


def _text_scores(
    answers: Sequence[Answer], tokenizer: str, embedder: Embedder | None
) -> dict[str, Score]:
    predictions = [answer.prediction for answer in answers]
    references = [answer.reference.strip() for answer in answers]
    return {
        **rouge(predictions, references, tokenizer=tokenizer),
        **bleu(predictions, references, tokenizer=tokenizer, unigram_precision=True),
        **chrf(predictions, references),
        **cosine_similarity(predictions, references, embedder=embedder),
        **exact_match(predictions, references),
        **char_f1(predictions, references),
    }
