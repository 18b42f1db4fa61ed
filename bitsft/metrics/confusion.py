"""The confusion matrix: how often each label was taken for which.

Generated texts are read as labels by `labels.py`; what is no known label has a column of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bitsft.metrics.labels import read_labels

if TYPE_CHECKING:
    import numpy as np

OTHER = "(other)"
"""The confusion matrix's last column: answers that are no known label."""


@dataclass(frozen=True)
class ConfusionMatrix:
    """How often each label was taken for which.

    Attributes:
        labels: L labels, the rows of `counts`.
        counts: int64 [L, L + 1]: [true, predicted], the last column for answers that are no known label.

    Example:
        >>> print(confusion_matrix(["긍정", "부정", "글쎄요"], ["긍정", "긍정", "부정"]))
        true/predicted   긍정   부정   (other)
        긍정   1   1   0
        부정   0   0   1
    """

    labels: tuple[str, ...]
    counts: "np.ndarray"

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the L + 1 columns."""
        return (*self.labels, OTHER)

    def as_dict(self) -> dict[str, Any]:
        """Labels, columns and counts as plain lists, for JSON."""
        return {
            "labels": list(self.labels),
            "columns": list(self.columns),
            "counts": self.counts.tolist(),
        }

    def __str__(self) -> str:
        lines = [["true/predicted", *self.columns]]
        for label, counts in zip(self.labels, self.counts.tolist(), strict=True):
            lines.append([label, *map(str, counts)])
        return "\n".join("   ".join(line) for line in lines)


def confusion_matrix(
    predictions: Sequence[str], references: Sequence[str], labels: Sequence[str] | None = None
) -> ConfusionMatrix:
    """Count how often each label was taken for which; arguments and errors as in `bitsft.metrics.classification`."""
    import numpy as np

    names, true, predicted = read_labels(predictions, references, labels)
    counts = np.zeros((len(names), len(names) + 1), dtype=np.int64)
    np.add.at(counts, (true, predicted), 1)
    return ConfusionMatrix(names, counts)
