"""Predictions and references in, `Score(name, value, signature)` out.

Pure functions: `rouge`, `bleu`, `chrf`, `cosine_similarity`, `exact_match`, `char_f1`. The same for
`evaluate`: `Rouge`, `Bleu`, `Chrf`, `CosineSimilarity`. During training:
`GenerationMetricsCallback`; by hand: `generate_completions`.

Importing this package imports none of the libraries that the metrics use; what needs transformers
or evaluate is resolved on first access.
"""

import importlib
from typing import TYPE_CHECKING, Any

from bitsft.metrics.cosine import cosine_similarity
from bitsft.metrics.generation import generate_completions
from bitsft.metrics.korquad import char_f1, exact_match
from bitsft.metrics.rouge_scores import rouge
from bitsft.metrics.sacrebleu_scores import bleu, chrf
from bitsft.metrics.score import Score

if TYPE_CHECKING:
    from bitsft.metrics.callback import GenerationMetricsCallback
    from bitsft.metrics.evaluate_metrics import Bleu, Chrf, CosineSimilarity, Rouge

_LAZY = {
    "GenerationMetricsCallback": "bitsft.metrics.callback",
    "Rouge": "bitsft.metrics.evaluate_metrics",
    "Bleu": "bitsft.metrics.evaluate_metrics",
    "Chrf": "bitsft.metrics.evaluate_metrics",
    "CosineSimilarity": "bitsft.metrics.evaluate_metrics",
}

__all__ = [
    "Bleu",
    "Chrf",
    "CosineSimilarity",
    "GenerationMetricsCallback",
    "Rouge",
    "Score",
    "bleu",
    "char_f1",
    "chrf",
    "cosine_similarity",
    "exact_match",
    "generate_completions",
    "rouge",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
