"""The same metrics as `evaluate.Metric` classes: `add_batch`, `compute`, `evaluate.combine`.

`evaluate.load("rouge")` downloads a script, and that script cannot read Korean; these classes are
instantiated directly, need no network, and keep their rows in memory instead of a cache file (so:
one process; gather the texts first). Settings of the pure functions go to the constructor, because
`evaluate.combine` hands whatever `compute` gets to every metric alike.

    metric = evaluate.combine([Rouge(), Bleu(tokenizer="char")])
    metric.add_batch(predictions=[...], references=[...])
    metric.compute()   # {"rouge1": 0.875, ..., "bleu": 62.3}

`compute` returns plain floats; the signatures of the last call lie in `.signatures`.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import datasets
import evaluate

from bitsft.metrics.answer_shape import answer_shape
from bitsft.metrics.classification import classification
from bitsft.metrics.cosine import cosine_similarity
from bitsft.metrics.korquad import char_f1, exact_match
from bitsft.metrics.meteor import meteor
from bitsft.metrics.raft_scores import raft_scores
from bitsft.metrics.rouge_scores import rouge
from bitsft.metrics.sacrebleu_scores import bleu, chrf
from bitsft.metrics.score import Score

_FEATURES = datasets.Features(
    {"predictions": datasets.Value("string"), "references": datasets.Value("string")}
)
_SEVERAL = datasets.Features(
    {
        "predictions": datasets.Value("string"),
        "references": datasets.Sequence(datasets.Value("string")),
    }
)
_RAFT = datasets.Features(
    {
        "predictions": datasets.Value("string"),
        "references": {
            "question": datasets.Value("string"),
            "context": datasets.Sequence(datasets.Value("string")),
            "answer": datasets.Value("string"),
            "oracle_context": datasets.Value("string"),
        },
    }
)
_INPUTS = "predictions: list of strings; references: list of strings, one per prediction."


class _FunctionMetric(evaluate.Metric):
    """What the classes share; `function` is the metric, `citation_text` its source.

    Args:
        cache_dir: Where evaluate makes its (empty) folder; None means its own default.
        **settings: The keyword arguments of the function.

    Raises:
        TypeError: When the function has no such keyword argument.
    """

    function: ClassVar[Callable[..., dict[str, Score]]]
    citation_text: ClassVar[str]
    features: ClassVar[list[datasets.Features]] = [_FEATURES]

    def __init__(self, *, cache_dir: str | None = None, **settings: Any) -> None:
        inspect.signature(type(self).function).bind([], [], **settings)
        self.settings = settings
        self.signatures: dict[str, str] = {}
        # seed: None would read NumPy's global state, and nothing here is random
        super().__init__(cache_dir=cache_dir, keep_in_memory=True, seed=0)

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=inspect.getdoc(type(self).function) or "",
            citation=self.citation_text,
            inputs_description=_INPUTS,
            features=list(type(self).features),
        )

    def _compute(self, predictions: list[str], references: list[str]) -> dict[str, float]:
        scores = type(self).function(predictions, references, **self.settings)
        self.signatures = {name: score.signature for name, score in scores.items()}
        return {name: score.value for name, score in scores.items()}


class Rouge(_FunctionMetric):
    """`bitsft.metrics.rouge` for `evaluate`."""

    function = staticmethod(rouge)
    citation_text = "Lin 2004, https://aclanthology.org/W04-1013"


class Bleu(_FunctionMetric):
    """`bitsft.metrics.bleu` for `evaluate`."""

    function = staticmethod(bleu)
    citation_text = "Papineni et al. 2002, https://aclanthology.org/P02-1040"


class Chrf(_FunctionMetric):
    """`bitsft.metrics.chrf` for `evaluate`."""

    function = staticmethod(chrf)
    citation_text = "Popović 2015, https://aclanthology.org/W15-3049"


class CosineSimilarity(_FunctionMetric):
    """`bitsft.metrics.cosine_similarity` for `evaluate`."""

    function = staticmethod(cosine_similarity)
    citation_text = "Reimers and Gurevych 2019, https://aclanthology.org/D19-1410"


class Meteor(_FunctionMetric):
    """`bitsft.metrics.meteor` for `evaluate`."""

    function = staticmethod(meteor)
    citation_text = "Lavie and Agarwal 2007, https://aclanthology.org/W07-0734"


class ExactMatch(_FunctionMetric):
    """`bitsft.metrics.exact_match` for `evaluate`; a reference may be a list of accepted texts."""

    function = staticmethod(exact_match)
    citation_text = "Lim et al. 2019, https://arxiv.org/abs/1909.07005"
    features = [_FEATURES, _SEVERAL]


class CharF1(_FunctionMetric):
    """`bitsft.metrics.char_f1` for `evaluate`; a reference may be a list of accepted texts."""

    function = staticmethod(char_f1)
    citation_text = "Lim et al. 2019, https://arxiv.org/abs/1909.07005"
    features = [_FEATURES, _SEVERAL]


class Classification(_FunctionMetric):
    """`bitsft.metrics.classification` for `evaluate`."""

    function = staticmethod(classification)
    citation_text = "Sokolova and Lapalme 2009, https://doi.org/10.1016/j.ipm.2009.03.002"


class AnswerShape(_FunctionMetric):
    """`bitsft.metrics.answer_shape` for `evaluate`."""

    function = staticmethod(answer_shape)
    citation_text = "Welleck et al. 2020, https://arxiv.org/abs/1908.04319"


class Raft(_FunctionMetric):
    """`bitsft.metrics.raft_scores` for `evaluate`; the references are the rows, in any shape that it reads."""

    function = staticmethod(raft_scores)
    citation_text = "Zhang et al. 2024, https://arxiv.org/abs/2403.10131"
    features = [_RAFT]

    def add_batch(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> None:
        """As in evaluate; the rows are brought into one shape, since a table has one set of columns.

        Raises:
            ValueError: When a row cannot be read (a `RowError` with its number in the batch).
        """
        rows = None if references is None else _raft_rows(references)
        super().add_batch(predictions=predictions, references=rows, **kwargs)

    def add(self, *, prediction: Any = None, reference: Any = None, **kwargs: Any) -> None:
        """As in evaluate, for one answer and its row."""
        rows = None if reference is None else _raft_rows([reference])[0]
        super().add(prediction=prediction, reference=rows, **kwargs)


def _raft_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    from bitsft.data.check.raft import RaftRow  # brings pydantic

    read = [RaftRow.from_raw(row, number) for number, row in enumerate(rows)]
    return [
        {
            "question": row.question,
            "context": list(row.documents),
            "answer": row.answer,
            "oracle_context": row.oracle or "",  # evaluate takes no None for a text
        }
        for row in read
    ]
