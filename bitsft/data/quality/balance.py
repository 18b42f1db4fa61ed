"""`balance_records`: evening out how often each label or task occurs.

With `ratio=r` no class has more than r times the rows of the smallest, 1 makes all equal.

- "undersample": a class larger than that loses rows, rejected under the stage "balance".
- "oversample": a class that is too small has rows repeated, counted as added. Do it *after* the split, on
  the training part alone: repeated before it, a row lands on both sides. So `split="train"` must
  be given, and each repetition has the column `repeat` (1, 2, ...) by which a later split can refuse it.

Which rows are left out or repeated follows from a hash of seed and row, not from its place: rows added
to the file leave the choice among the others as it was, as far as the counts allow.

Limits: all rows are held in memory, since the counts are known only after the last one.
"""

import logging
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bitsft.data.common.choices import check_choice
from bitsft.data.common.hashing import row_hash
from bitsft.data.fields import is_missing
from bitsft.data.ledger import Ledger
from bitsft.data.quality.class_counts import BalanceReport, label_name, label_of
from bitsft.data.records import Record, as_records
from bitsft.data.tasks import REPEAT

logger = logging.getLogger(__name__)

STAGE = "balance"


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
    check_choice("how", how, ("undersample", "oversample"))
    if not ratio >= 1 or math.isinf(ratio):
        raise ValueError(f"ratio={ratio} must be at least 1 and finite; 1 makes all classes equal")
    if how == "oversample" and split != "train":
        raise ValueError(
            f"oversampling repeats rows, with split={split!r}: rows repeated before the split land on both "
            "of its sides, and repeated in an evaluation set they count twice. Split first, then "
            "oversample the training part with split='train'"
        )
    return _balanced(as_records(rows, ledger), by, how, ratio, seed, ledger)


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
    if held and not classes:
        columns = sorted({name for record in held for name in record.values})
        raise ValueError(
            f"by={by!r}: no row has such a class. The columns are {columns}; name one of them, or 'task'"
        )
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
