"""Accuracy, precision, recall and F1 of classification.

With TP rows of class c predicted as c, P rows predicted as c, and T rows of class c:

    precision[c] = TP / P,   recall[c] = TP / T,   f1[c] = 2·TP / (P + T),   0 where the divisor is 0,

`macro_*` is the plain mean over the classes, `weighted_f1` the mean of f1 weighted by T. All equal
scikit-learn's `precision_recall_fscore_support(labels=labels, zero_division=0)` and `accuracy_score`.

Predictions are generated texts, read as labels by `labels.py`. A text that names no known label counts as
wrong: it takes from its class's recall and from nobody's precision. `no_label` says how many there are; when
it is high, the scores tell how well the model keeps to the form, not what it knows. By likelihood
(`classification_by_likelihood`) there are none: the most likely label is the answer, and the names of the
scores start with `likelihood_`.

The classes are those of the references, or `labels`. The mean of a part of the rows (`Score.subset`, and each
draw of the interval) is over all of them still, with 0 for a class that the part has nothing of.
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from bitsft.metrics.labels import READING, read_labels
from bitsft.metrics.score import Score, Statistics, mean_score

if TYPE_CHECKING:
    import numpy as np

Of = Callable[["np.ndarray"], "np.ndarray"]
"""Column sums [..., k] -> values [...]."""

_LONGEST_NAMES = 60  # characters of labels in a signature; above that their hash


def classification(
    predictions: Sequence[str],
    references: Sequence[str],
    *,
    labels: Sequence[str] | None = None,
    per_class: bool = True,
) -> dict[str, Score]:
    """Score generated labels.

    Args:
        predictions: n generated texts; how they are read: `bitsft.metrics.labels`.
        references: n labels.
        labels: The classes. None takes those that occur among the references, sorted; labels that
            differ in case, white space or Unicode form only are one class.
        per_class: Also return precision, recall and F1 of each class.

    Returns:
        `accuracy`, `macro_precision`, `macro_recall`, `macro_f1`, `weighted_f1`, 0 to 1; `no_label`, the share of
        answers that are no known label; and `precision[c]`, `recall[c]`, `f1[c]` for each class c.

    Raises:
        ValueError: When the lists are empty or differ in length, a reference is blank or not among
            `labels`, or two of `labels` are the same in their normal form.

    Example:
        >>> scores = classification(["긍정입니다", "긍정", "모름"], ["긍정", "부정", "부정"])
        >>> [round(scores[name].value, 3) for name in ("accuracy", "f1[긍정]", "f1[부정]", "no_label")]
        [0.333, 0.667, 0.0, 0.333]
    """
    names, true, predicted = read_labels(predictions, references, labels)
    scores = _scores(names, true, predicted, READING, "", per_class)
    signature = scores["accuracy"].signature
    scores["no_label"] = mean_score("no_label", predicted == len(names), signature, goal="lower")
    return scores


def classification_by_likelihood(
    likelihoods: Sequence[Mapping[str, float]],
    references: Sequence[str],
    *,
    settings: str = "",
    per_class: bool = True,
) -> dict[str, Score]:
    """Score the most likely labels.

    Args:
        likelihoods: For each of n rows the log-likelihood of each label, as `label_likelihoods` returns
            them; the same labels in all rows. Of equal ones the first counts.
        references: n labels.
        settings: How they were measured, for the signature: `likelihood_signature(...)`.
        per_class: Also return precision, recall and F1 of each class.

    Returns:
        As `classification`, without `no_label`, each name with `likelihood_` before it.

    Raises:
        ValueError: As `classification`; and when a row lacks a label, or a likelihood is NaN.
    """
    names, true, predicted = read_labels(
        most_likely(likelihoods), references, _labels_of(likelihoods)
    )
    how = "read:likelihood" + (f"|{settings}" if settings else "")
    return _scores(names, true, predicted, how, "likelihood_", per_class)


def most_likely(likelihoods: Sequence[Mapping[str, float]]) -> list[str]:
    """The most likely label of each row; of equal ones the first.

    Raises:
        ValueError: When a row has other labels than the first, or a likelihood is NaN.
    """
    labels = _labels_of(likelihoods)
    for row, one in enumerate(likelihoods):
        if set(one) != set(labels):
            raise ValueError(
                f"likelihoods[{row}] has the labels {sorted(one)}, but the first row has "
                f"{sorted(labels)}: all rows need the same"
            )
        if any(math.isnan(value) for value in one.values()):
            raise ValueError(f"likelihoods[{row}] holds NaN: {dict(one)}")
    return [max(labels, key=one.__getitem__) for one in likelihoods]


def _labels_of(likelihoods: Sequence[Mapping[str, float]]) -> list[str]:
    if not likelihoods or not likelihoods[0]:
        raise ValueError("no likelihoods to score: there are no rows, or the first has no labels")
    return list(likelihoods[0])


def _scores(
    labels: tuple[str, ...],
    true: "np.ndarray",
    predicted: "np.ndarray",
    how: str,
    prefix: str,
    per_class: bool,
) -> dict[str, Score]:
    import numpy as np

    classes = np.arange(len(labels))
    is_true = true[:, None] == classes  # [n, L]
    is_predicted = predicted[:, None] == classes
    # a row's line: for each class, whether it is a hit, is predicted, is true; the cell of the confusion matrix
    # that the row falls into, in 3·L numbers instead of L·(L + 1)
    cells = np.stack([is_true & is_predicted, is_predicted, is_true], axis=1).astype(np.float64)
    lines = cells.reshape(len(true), -1)  # one table, which the scores over all classes share
    signature = f"labels:{_named(labels)}|{how}"
    scores: dict[str, Score] = {}

    def add(name: str, table: "np.ndarray", of_sums: Of, rows: "np.ndarray", how: str) -> None:
        statistics = Statistics(table, of_sums)
        scores[prefix + name] = Score(prefix + name, statistics.value(), how, rows, statistics)

    scores[prefix + "accuracy"] = mean_score(prefix + "accuracy", true == predicted, signature)
    nothing = np.full(len(true), np.nan)  # a mean over classes says nothing of a single row
    signature += "|zero_division:0"
    for name, of_cells in _MEASURES.items():
        add(
            f"macro_{name}",
            lines,
            _over_classes(of_cells, _mean),
            nothing,
            f"{signature}|avg:macro",
        )
    weighted = _over_classes(_f1, _weighted_mean)
    add("weighted_f1", lines, weighted, nothing, f"{signature}|avg:weighted")
    if per_class:
        for number, label in enumerate(labels):
            table = cells[:, :, number]
            for name, of_cells in _MEASURES.items():
                concerned = _BELOW[name](table) > 0
                rows = np.where(concerned, table[:, 0], np.nan)
                add(f"{name}[{label}]", table, of_cells, rows, signature)
    return scores


def _precision(sums: "np.ndarray") -> "np.ndarray":
    """Of [..., 3]: hits, predicted, true."""
    return _divided(sums[..., 0], _BELOW["precision"](sums))


def _recall(sums: "np.ndarray") -> "np.ndarray":
    return _divided(sums[..., 0], _BELOW["recall"](sums))


def _f1(sums: "np.ndarray") -> "np.ndarray":
    return _divided(2 * sums[..., 0], _BELOW["f1"](sums))


_MEASURES: dict[str, Of] = {"precision": _precision, "recall": _recall, "f1": _f1}
_BELOW: dict[str, Of] = {
    "precision": lambda sums: sums[..., 1],
    "recall": lambda sums: sums[..., 2],
    "f1": lambda sums: sums[..., 1] + sums[..., 2],
}


def _divided(above: "np.ndarray", below: "np.ndarray") -> "np.ndarray":
    import numpy as np

    return np.divide(above, below, out=np.zeros_like(above), where=below != 0)


def _over_classes(of_cells: Of, average: "Callable[[np.ndarray, np.ndarray], np.ndarray]") -> Of:
    """The average over L classes, of column sums [..., 3·L]."""

    def of_sums(sums: "np.ndarray") -> "np.ndarray":
        by_class = sums.reshape(*sums.shape[:-1], 3, -1).swapaxes(-1, -2)  # [..., L, 3]
        return average(of_cells(by_class), by_class[..., 2])

    return of_sums


def _mean(values: "np.ndarray", support: "np.ndarray") -> "np.ndarray":
    return values.mean(axis=-1)


def _weighted_mean(values: "np.ndarray", support: "np.ndarray") -> "np.ndarray":
    return _divided((values * support).sum(axis=-1), support.sum(axis=-1))


def _named(labels: tuple[str, ...]) -> str:
    names = ",".join(labels)
    if len(names) <= _LONGEST_NAMES and "|" not in names:
        return names
    return f"{len(labels)}-{hashlib.sha256(names.encode()).hexdigest()[:8]}"
