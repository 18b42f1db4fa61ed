"""`BalanceReport`: how often each label or task occurs.

    imbalance ratio       largest count / smallest count
    entropy               -Σ p·log2(p), in bits; log2(classes) when all are as frequent
    evenness              entropy / log2(classes), from 0 to 1 (Pielou 1966, doi 10.1016/0022-5193(66)90013-0)

Labels that differ only in case, white space, Unicode form or as text and value ("True", "TRUE", " true",
True) are counted apart and listed as near-identical: they would be trained as different classes.
"""

import math
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from bitsft.data.fields import is_missing, shorten
from bitsft.data.records import Record
from bitsft.data.tasks import TASKS, Row


@dataclass
class BalanceReport:
    """How often each class occurs.

    Attributes:
        by: What was counted: `"label"`, `"task"` or a column's name.
        counts: Rows by class. A class that is no text is shown as Python writes it (True, 1).
        missing: Rows without one.
    """

    by: str = "label"
    counts: Counter[str] = field(default_factory=Counter)
    missing: int = 0

    @property
    def imbalance(self) -> float | None:
        """The largest count divided by the smallest; None without classes."""
        return max(self.counts.values()) / min(self.counts.values()) if self.counts else None

    @property
    def entropy(self) -> float:
        """The entropy of the classes in bits; 0.0 for one class or none."""
        total = self.counts.total()
        parts = (count / total for count in self.counts.values())
        return max(-math.fsum(part * math.log2(part) for part in parts), 0.0)

    @property
    def evenness(self) -> float | None:
        """The entropy as a share of the largest possible; None for fewer than two classes."""
        return self.entropy / math.log2(len(self.counts)) if len(self.counts) > 1 else None

    @property
    def near_identical(self) -> tuple[tuple[str, ...], ...]:
        """Groups of classes that probably mean the same, the most frequent one first."""
        groups: dict[str, list[str]] = {}
        for name in sorted(self.counts, key=lambda name: (-self.counts[name], name)):
            groups.setdefault(_normal_label(name), []).append(name)
        return tuple(tuple(group) for group in groups.values() if len(group) > 1)

    def add(self, row: Row) -> None:
        """Count a row."""
        value = label_of(row, self.by)
        if is_missing(value):
            self.missing += 1
        else:
            self.counts[label_name(value)] += 1

    def as_dict(self) -> dict[str, Any]:
        """All numbers, for a manifest or a report; classes by count."""
        order = sorted(self.counts, key=lambda name: (-self.counts[name], name))
        return {
            "by": self.by,
            "counts": {name: self.counts[name] for name in order},
            "missing": self.missing,
            "imbalance": self.imbalance,
            "entropy": self.entropy,
            "evenness": self.evenness,
            "near_identical": [list(group) for group in self.near_identical],
        }

    def __str__(self) -> str:
        numbers = self.as_dict()
        shown = list(numbers["counts"].items())
        line = ", ".join(f"{shorten(name)}: {count:,}" for name, count in shown[:10])
        line = f"{self.by}: {line or 'none'}" + (", ..." if len(shown) > 10 else "")
        if self.missing:
            line += f"; {self.missing:,} rows without one"
        if self.evenness is not None:
            line += f"; imbalance {self.imbalance:.2f}, entropy {self.entropy:.3f} bits ({self.evenness:.1%})"
        for group in numbers["near_identical"]:
            line += f"; nearly the same: {', '.join(map(shorten, group))}"
        return line


def balance_report(rows: Iterable[Record | Row], *, by: str = "label") -> BalanceReport:
    """Count rows by class.

    Args:
        rows: Checked rows, or any mappings.
        by: `"label"` for the label column of each row's task, or a column's name, e.g. `"task"`.
    """
    report = BalanceReport(by)
    for row in rows:
        report.add(row.values if isinstance(row, Record) else row)
    return report


def label_of(row: Row, by: str) -> Any:
    """Return a row's class: of the label column of its task for `by="label"`, else of that column."""
    if by == "label" and row.get("task") in TASKS:
        column = TASKS[row["task"]].label
        return None if column is None else row.get(column)
    return row.get(by)


def label_name(value: Any) -> str:
    """Return the text that a class is counted under; texts stay as they are."""
    return value if isinstance(value, str) else repr(value)


def _normal_label(name: str) -> str:
    normal = " ".join(unicodedata.normalize("NFC", name).casefold().split()).rstrip(".")
    try:
        number = float(normal)
    except ValueError:
        return normal
    return repr(number)  # "1", "1.0" and 1 are one
