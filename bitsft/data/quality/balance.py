"""`BalanceReport` and `balance_records`: how often each label or task occurs, and evening it out.

    imbalance ratio       largest count / smallest count
    entropy               -Σ p·log2(p), in bits; log2(classes) when all are as frequent
    evenness              entropy / log2(classes), from 0 to 1 (Pielou 1966, doi 10.1016/0022-5193(66)90013-0)

Labels that differ only in case, white space, Unicode form or as text and value ("True", "TRUE", " true",
True) are counted apart and listed as near-identical: they would be trained as different classes.

**Balancing.** With `ratio=r` no class has more than r times the rows of the smallest, 1 makes all equal.

- "undersample": a class larger than that loses rows, rejected under the stage "balance".
- "oversample": a class that is too small has rows repeated, counted as added. Do it *after* the split, on
  the training part alone: repeated before it, a row lands on both sides. So `split="train"` must
  be given, and each repetition has the column `repeat` (1, 2, ...) by which a later split can refuse it.

Which rows are left out or repeated follows from a hash of seed and row, not from its place: rows added
to the file leave the choice among the others as it was, as far as the counts allow.

Limits: all rows are held in memory, since the counts are known only after the last one.
"""

import json
import logging
import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bitsft.data.fields import is_missing, shorten
from bitsft.data.ledger import Ledger
from bitsft.data.records import Record, as_records
from bitsft.data.seeded import stable_hash
from bitsft.data.tasks import TASKS, Row

logger = logging.getLogger(__name__)

STAGE = "balance"
REPEAT = "repeat"


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


def balance_records(
    rows: Iterable[Record | Mapping[str, Any]],
    *,
    by: str = "label",
    how: str = "undersample",
    ratio: float = 1.0,
    split: str | None = None,
    seed: int = 0,
    ledger: Ledger,
) -> Iterator[Record]:
    """Even out how often the classes occur.

    Args:
        rows: Checked rows; all are held in memory.
        by: `"label"` for the label column of each row's task, or a column's name, e.g. `"task"`.
        how: `"undersample"` or `"oversample"`.
        ratio: How many times the smallest class the largest may have at the end, at least 1.
        split: Which part of the data the rows are. Oversampling takes `"train"` only.
        seed: Of the choice of rows.
        ledger: Where rejected and added rows are counted.

    Yields:
        The rows in their order, each followed by its repetitions. Rows without a class pass.

    Raises:
        ValueError: For an unknown `how`, a ratio below 1, or oversampling without `split="train"`.
    """
    if how not in ("undersample", "oversample"):
        raise ValueError(f"how={how!r} is not known; use 'undersample' or 'oversample'")
    if not ratio >= 1 or math.isinf(ratio):
        raise ValueError(f"ratio={ratio} must be at least 1 and finite; 1 makes all classes equal")
    if how == "oversample" and split != "train":
        raise ValueError(
            f"oversampling repeats rows, with split={split!r}: rows repeated before the split land on both "
            "of its sides, and repeated in an evaluation set they count twice. Split first, then "
            "oversample the training part with split='train'"
        )
    return _balanced(as_records(rows, ledger), by, how, ratio, seed, ledger)


def label_of(row: Row, by: str) -> Any:
    """Return a row's class: of the label column of its task for `by="label"`, else of that column."""
    if by == "label" and row.get("task") in TASKS:
        column = TASKS[row["task"]].label
        return None if column is None else row.get(column)
    return row.get(by)


def label_name(value: Any) -> str:
    """Return the text that a class is counted under; texts stay as they are."""
    return value if isinstance(value, str) else repr(value)


def row_hash(row: Row, *parts: str | int) -> int:
    """Return 64 bits that depend on the row's values and `parts`, on nothing else."""
    return stable_hash(*parts, json.dumps(row, sort_keys=True, default=repr))


def _balanced(
    records: Iterator[Record], by: str, how: str, ratio: float, seed: int, ledger: Ledger
) -> Iterator[Record]:
    held = list(records)
    report = BalanceReport(by)
    classes: dict[str, list[int]] = {}
    for index, record in enumerate(held):
        report.add(record.values)
        value = label_of(record.values, by)
        if not is_missing(value):
            classes.setdefault(label_name(value), []).append(index)
    if report.near_identical:
        logger.warning(
            "classes that differ in spelling only are balanced as different ones: %s", report
        )
    copies = [1] * len(held)
    sizes = [len(indices) for indices in classes.values()]
    for name in sorted(classes):
        indices = classes[name]
        order = sorted(
            indices, key=lambda index: (row_hash(held[index].values, "balance", seed), index)
        )
        if how == "undersample":
            allowed = max(math.floor(min(sizes) * ratio), 1)
            for index in order[allowed:]:
                copies[index] = 0
        else:
            wanted = max(math.ceil(max(sizes) / ratio), len(indices))
            rounds, rest = divmod(wanted, len(indices))
            for place, index in enumerate(order):
                copies[index] = rounds + (place < rest)
    for record, count in zip(held, copies, strict=True):
        if not count:
            ledger.reject(
                record,
                stage=STAGE,
                field=None,
                value=None,
                reason=f"is left out to balance the classes of {by!r}",
                remedy="Nothing need be done; a larger ratio keeps more rows",
            )
            continue
        yield record
        for repeat in range(1, count):
            ledger.count_added(STAGE)
            yield Record({**record.values, REPEAT: repeat}, record.source, record.number)


def _normal_label(name: str) -> str:
    normal = " ".join(unicodedata.normalize("NFC", name).casefold().split()).rstrip(".")
    try:
        number = float(normal)
    except ValueError:
        return normal
    return repr(number)  # "1", "1.0" and 1 are one
