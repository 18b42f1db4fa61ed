"""Predictions and references in, `Score(name, value, signature)` out.

Pure functions: `rouge`, `bleu`, `chrf`, `meteor`, `cosine_similarity`, `exact_match`, `char_f1`; of a
task `classification`, `confusion_matrix`, `raft_scores`, `answer_shape`. The same for `evaluate`:
`Rouge`, `Bleu`, `Chrf`, `Meteor`, `CosineSimilarity`, `ExactMatch`, `CharF1`, `Classification`,
`AnswerShape`, `Raft`. With a model: `log_likelihoods`, `label_likelihoods` (scored by
`classification_by_likelihood`), `bits_per_byte`. During training: `GenerationMetricsCallback`; by
hand: `generate_completions`.

Importing this package imports none of the libraries that the metrics use; what needs transformers
or evaluate is resolved on first access.
"""

import importlib
from typing import TYPE_CHECKING, Any

from bitsft.metrics.answer_shape import answer_shape
from bitsft.metrics.bits_per_byte import bits_per_byte
from bitsft.metrics.classification import classification, classification_by_likelihood
from bitsft.metrics.confusion import ConfusionMatrix, confusion_matrix
from bitsft.metrics.cosine import cosine_similarity
from bitsft.metrics.generation import generate_completions
from bitsft.metrics.korquad import char_f1, exact_match
from bitsft.metrics.label_likelihoods import label_likelihoods
from bitsft.metrics.likelihood import log_likelihoods
from bitsft.metrics.meteor import meteor
from bitsft.metrics.raft_scores import raft_scores
from bitsft.metrics.rouge_scores import rouge
from bitsft.metrics.sacrebleu_scores import bleu, chrf
from bitsft.metrics.score import Score

if TYPE_CHECKING:
    from bitsft.metrics.callback import GenerationMetricsCallback
    from bitsft.metrics.evaluate_metrics import (
        AnswerShape,
        Bleu,
        CharF1,
        Chrf,
        Classification,
        CosineSimilarity,
        ExactMatch,
        Meteor,
        Raft,
        Rouge,
    )

_LAZY = {
    "GenerationMetricsCallback": "bitsft.metrics.callback",
    "Rouge": "bitsft.metrics.evaluate_metrics",
    "Bleu": "bitsft.metrics.evaluate_metrics",
    "Chrf": "bitsft.metrics.evaluate_metrics",
    "CosineSimilarity": "bitsft.metrics.evaluate_metrics",
    "Meteor": "bitsft.metrics.evaluate_metrics",
    "ExactMatch": "bitsft.metrics.evaluate_metrics",
    "CharF1": "bitsft.metrics.evaluate_metrics",
    "Classification": "bitsft.metrics.evaluate_metrics",
    "AnswerShape": "bitsft.metrics.evaluate_metrics",
    "Raft": "bitsft.metrics.evaluate_metrics",
}

__all__ = [
    "AnswerShape",
    "Bleu",
    "CharF1",
    "Chrf",
    "Classification",
    "ConfusionMatrix",
    "CosineSimilarity",
    "ExactMatch",
    "GenerationMetricsCallback",
    "Meteor",
    "Raft",
    "Rouge",
    "Score",
    "answer_shape",
    "bits_per_byte",
    "bleu",
    "char_f1",
    "chrf",
    "classification",
    "classification_by_likelihood",
    "confusion_matrix",
    "cosine_similarity",
    "exact_match",
    "generate_completions",
    "label_likelihoods",
    "log_likelihoods",
    "meteor",
    "raft_scores",
    "rouge",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
