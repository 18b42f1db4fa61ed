"""The section of confusion matrices: which label each model took for which, side by side.

A matrix is a table of the page and not a chart: it can be read without colours and aloud, and searched.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bitsft.comparison.comparison import Comparison
from bitsft.evaluation.answers import Answer
from bitsft.metrics.classification import most_likely
from bitsft.metrics.confusion import ConfusionMatrix, confusion_matrix
from bitsft.pages.blocks import Note, Section
from bitsft.pages.numbers import number

TASK = "classification"
_MOST_LABELS = 20


@dataclass(frozen=True)
class Cell:
    """How many, as a share of the line, and whether that is right."""

    count: int
    share: float
    is_right: bool


@dataclass(frozen=True)
class Matrix:
    """Counts with a heading for their lines and one for their columns."""

    heading: str
    side: str
    top: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


@dataclass(frozen=True)
class Matrices:
    """Matrices side by side; `report.html` draws them."""

    matrices: tuple[Matrix, ...]
    heading: str = ""
    kind: ClassVar[str] = "matrices"


def confusion_section(
    comparison: Comparison, models: tuple[str, str], text: dict[str, str]
) -> Section | None:
    """Both models' matrices, of generated and of most likely labels; None without classification."""
    section = Section("confusion", text["confusion"])
    sides = [
        [answer for answer in one.answers if answer.task == TASK]
        for one in (comparison.base, comparison.tuned)
    ]
    if not sides[0]:
        return None
    references = [_label(answer) for answer in sides[0]]
    if all(any(answer.prediction.strip() for answer in side) for side in sides):
        labels = comparison.base.settings.get("labels")
        found = [
            confusion_matrix([answer.prediction for answer in side], references, labels)
            for side in sides
        ]
        section.blocks.append(_side_by_side(found, text["by_generation"], models, text))
    measured = [[answer.likelihoods for answer in side] for side in sides]
    if all(all(side) for side in measured):
        labels = list(measured[0][0])
        found = [confusion_matrix(most_likely(side), references, labels) for side in measured]
        section.blocks.append(_side_by_side(found, text["by_likelihood"], models, text))
    if not section.blocks:
        return None
    section.blocks.insert(0, Note(text["confusion_caption"]))
    return section


def _label(answer: Answer) -> str:
    return str(answer.source.get("label", answer.reference))


def _side_by_side(
    found: Sequence[ConfusionMatrix],
    heading: str,
    models: tuple[str, str],
    text: dict[str, str],
) -> Matrices:
    support = found[0].counts.sum(axis=1)
    order = np.argsort(-support, kind="stable")
    # In the order of the labels, unless some have to be left out.
    kept = sorted(order[:_MOST_LABELS].tolist())
    others = sorted(order[_MOST_LABELS:].tolist())
    matrices = tuple(
        _matrix(one, model, kept, others, text) for one, model in zip(found, models, strict=True)
    )
    return Matrices(matrices, heading)


def _matrix(
    found: ConfusionMatrix, model: str, kept: list[int], others: list[int], text: dict[str, str]
) -> Matrix:
    last = len(found.labels)
    groups = [[place] for place in kept] + ([others] if others else [])
    names = [found.labels[place] for place in kept]
    if others:
        names.append(text["others"].format(count=number(len(others))))
    columns = [*groups, [last]]
    rows = []
    for place, group in enumerate(groups):
        counts = [int(found.counts[np.ix_(group, column)].sum()) for column in columns]
        total = max(sum(counts), 1)
        cells = tuple(
            Cell(count, count / total, is_right=at == place) for at, count in enumerate(counts)
        )
        rows.append((names[place], cells))
    # The column of answers that are no label is left out where there are none.
    shown = len(columns) if found.counts[:, last].any() else len(columns) - 1
    return Matrix(
        model,
        text["true_label"],
        text["predicted"],
        tuple([*names, text["no_label"]][:shown]),
        tuple((name, cells[:shown]) for name, cells in rows),
    )
