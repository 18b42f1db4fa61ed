"""`Summary`: what the rows of a split are: tasks, labels, lengths. For the card and the manifest."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bitsft.data.budget.lengths import quantile
from bitsft.data.fields import is_missing
from bitsft.data.records import Record
from bitsft.data.tasks import TASKS, texts_of

_PARTS = ("question", "document", "answer")
_LABELS_LISTED = 100


@dataclass
class Summary:
    """Counts of one split.

    Attributes:
        rows: Its rows.
        tasks: Rows of each task; "" for rows that name none.
        labels: Rows of each label, by task.
        lengths: Characters of each row's question, documents (all of them) and answer.
    """

    rows: int = 0
    tasks: Counter[str] = field(default_factory=Counter)
    labels: dict[str, Counter[str]] = field(default_factory=dict)
    lengths: dict[str, "array[int]"] = field(
        default_factory=lambda: {part: array("I") for part in _PARTS}
    )

    def observe(self, records: Iterable[Record]) -> Iterator[Record]:
        """Pass records on and count them."""
        for record in records:
            yield record  # whoever asks for the next one has checked this one
            self.add(record)

    def add(self, record: Record) -> None:
        """Count a record."""
        self.rows += 1
        name = record.values.get("task")
        task = TASKS.get(name) if isinstance(name, str) else None
        self.tasks[task.name if task else ""] += 1
        if task is None:
            return
        if task.label is not None and not is_missing(record.values.get(task.label)):
            labels = self.labels.setdefault(task.name, Counter())
            labels[str(record.values[task.label])] += 1
        documents = [
            text for column in task.documents for text in texts_of(record.values.get(column))
        ]
        if "document" not in task.question:
            self.lengths["question"].append(len(task.question_text(record.values)))
        if documents:
            self.lengths["document"].append(sum(map(len, documents)))
        self.lengths["answer"].append(len(task.answer_text(record.values)))

    def percentiles(self) -> dict[str, dict[str, int]]:
        """Characters of each part that rows have: p50, p95 (`quantile`) and max."""
        shown = {}
        for part, lengths in self.lengths.items():
            if lengths:
                ordered = sorted(lengths)
                shown[part] = {
                    "p50": quantile(ordered, 0.5),
                    "p95": quantile(ordered, 0.95),
                    "max": ordered[-1],
                }
        return shown

    def as_dict(self) -> dict[str, Any]:
        """The counts, for a manifest; of each task the 100 most frequent labels."""
        return {
            "rows": self.rows,
            "tasks": dict(sorted(self.tasks.items())),
            "labels": {name: labels_listed(labels) for name, labels in sorted(self.labels.items())},
            "characters": self.percentiles(),
        }


def labels_listed(labels: Counter[str]) -> dict[str, int]:
    """The 100 most frequent labels in a fixed order, the rest as one."""
    ordered = sorted(labels.items(), key=lambda pair: (-pair[1], pair[0]))
    listed = dict(sorted(ordered[:_LABELS_LISTED]))
    rest = sum(rows for _, rows in ordered[_LABELS_LISTED:])
    return {**listed, f"({len(ordered) - _LABELS_LISTED} others)": rest} if rest else listed
