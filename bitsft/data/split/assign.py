"""`assign_splits`: the split of each row, so that nothing leaks from one into another.

1. Rows that share a document or a question form a group (`keys.py`, `groups.py`).
2. A group goes to one split as a whole (`places.py`), by its key and the seed alone (`method="hash"`) or
   so that ratios are met in every stratum (`method="exact"`).
3. The report tells wanted and got for each split and stratum.

`method="hash"` is the default because data sets grow: a row that was held out last month must not be
trained on next month, or the scores of the two models do not compare. Its price is that the ratios are
met in expectation only, which matters below a few hundred groups; the report says so then.

Stable under `method="hash"` means: rows that are added move no row that was there before, with one
exception. A new row that joins two groups, e.g. by a document of the one and the question of the other,
makes them one group, and one of the two may move.

Memory: about 200 bytes a row. The rows themselves are not kept.
"""

import logging
from array import array
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from bitsft.data.common.choices import check_choice
from bitsft.data.fields import RowError, is_missing
from bitsft.data.records import Record
from bitsft.data.split.groups import BY_CLUSTER, BY_DOCUMENT, BY_QUESTION, BY_ROW, Groups
from bitsft.data.split.keys import (
    checked_task,
    cluster_key,
    column_key,
    document_keys,
    question_key,
    row_key,
)
from bitsft.data.split.places import by_hash, exactly, point
from bitsft.data.split.ratios import RATIOS, check_ratios
from bitsft.data.split.report import SplitReport, warnings_of
from bitsft.data.tasks import TASKS

logger = logging.getLogger(__name__)

Method: TypeAlias = Literal["hash", "exact"]
ClusterOf: TypeAlias = Callable[[Record], Hashable | None]
NO_STRATUM = "(none)"
_MOST_STRATA = 10_000


@dataclass(frozen=True)
class Assignment:
    """The split of each row.

    Attributes:
        names: The names of the splits.
        sides: For each row, the place of its split in `names`.
        report: The counts.
    """

    names: tuple[str, ...]
    sides: "array[int]"
    report: SplitReport

    def __len__(self) -> int:
        return len(self.sides)

    def __iter__(self) -> Iterator[str]:
        """The name of each row's split, in the order of the rows."""
        return (self.names[side] for side in self.sides)


def assign_splits(
    rows: Iterable[Record | Mapping[str, Any]],
    ratios: Mapping[str, float] = RATIOS,
    *,
    group_by: str | None = "auto",
    stratify_by: str | None = "auto",
    seed: int = 0,
    method: Method = "hash",
    cluster_of: ClusterOf | None = None,
) -> Assignment:
    """Say for each row to which split it belongs; the rows are read once and not kept.

    Args:
        rows: Checked rows or records; with a column for `group_by`, rows of any kind.
        ratios: The share of each split, in their order; they add up to 1.
        group_by: `"auto"`: rows stay together that share a document or a question. `"document"`:
            that share a document, or where they have none, a question. `"question"`: that share a
            question. Any other text: that have the same value in this column. None: only identical
            rows stay together (apart from `id`). Texts are compared in NFC, without case and
            white space.
        stratify_by: What should be spread evenly. `"auto"`: the label for tasks that have one, else
            the task. Any other text: the values of this column. None: nothing. `method="hash"`
            spreads in expectation only. In `"exact"`, a group counts as its most frequent stratum.
        seed: Another seed gives another split.
        method: `"hash"`: a row keeps its split when rows are added; the ratios are met in
            expectation. `"exact"`: the ratios are met to one group; added rows move a few others.
        cluster_of: Gives the label of the cluster that a row belongs to (None for none), e.g. of near
            duplicates; a cluster stays together as well.

    Raises:
        ValueError: For ratios that do not add up to 1, an unknown method or column, a row that names
            no task or lacks the column (`RowError`), and when a split would stay empty.
    """
    assigner = Assigner(
        ratios,
        group_by=group_by,
        stratify_by=stratify_by,
        seed=seed,
        method=method,
        cluster_of=cluster_of,
    )
    for number, row in enumerate(rows):
        assigner.add(row if isinstance(row, Record) else Record(dict(row), "", number))
    return assigner.done()


class Assigner:
    """`assign_splits`, a row at a time; the arguments are the same."""

    def __init__(
        self,
        ratios: Mapping[str, float],
        *,
        group_by: str | None,
        stratify_by: str | None,
        seed: int,
        method: Method,
        cluster_of: ClusterOf | None,
    ) -> None:
        self._ratios = check_ratios(ratios)
        check_choice("method", method, get_args(Method))
        if not isinstance(seed, int) or isinstance(seed, bool):
            raise ValueError(f"seed={seed!r} must be an integer")
        self._group_by, self._stratify_by = group_by, stratify_by
        self._seed, self._method, self._cluster_of = seed, method, cluster_of
        self._groups = Groups()
        self._strata: dict[str, int] = {}
        self._stratum_of_row = array("I")
        self._columns: dict[str, None] = {}  # those seen while no row had the column asked for

    def add(self, record: Record) -> None:
        """Take note of a row.

        Raises:
            RowError: When it has no value in the column to group by.
            ValueError: When it names no task, or lacks the columns of its task.
        """
        keys = self._keys(record)
        if self._cluster_of is not None:
            label = self._cluster_of(record)
            if label is not None:
                keys.append((BY_CLUSTER, cluster_key(label)))
        stratum = self._stratum(record.values)
        if len(self._strata) == _MOST_STRATA and stratum not in self._strata:
            raise ValueError(
                f"stratify_by={self._stratify_by!r}: {record} has the {_MOST_STRATA + 1:,}th value; "
                "these are no classes. Name another column, or None"
            )
        self._stratum_of_row.append(self._strata.setdefault(stratum, len(self._strata)))
        self._groups.add(keys)

    def done(self) -> Assignment:
        """Join the groups and place them. Raises ValueError when a split stays empty."""
        import numpy

        self._check_columns()
        names = tuple(self._ratios)
        shares = list(self._ratios.values())
        group_of_row, keys = self._groups.joined()
        rows, splits = len(group_of_row), len(names)
        if len(keys) < splits:
            raise ValueError(
                f"{rows:,} rows that form {len(keys):,} groups cannot fill {splits} splits "
                f"({', '.join(names)}); use fewer splits, more rows, or another group_by"
            )
        points = [point(key, self._seed) for key in keys]
        sizes = numpy.bincount(group_of_row, minlength=len(keys))
        order = sorted(self._strata)
        rank_of = {name: rank for rank, name in enumerate(order)}
        rank = numpy.array([rank_of[name] for name in self._strata], dtype=numpy.int64)
        stratum_of_row = rank[numpy.frombuffer(self._stratum_of_row, dtype=numpy.uint32)]
        if self._method == "hash":
            sides = by_hash(points, shares)
        else:
            strata = _most_frequent(group_of_row, stratum_of_row, len(order))
            sides = exactly(points, sizes.tolist(), strata.tolist(), shares)
        side_of_group = numpy.array(sides, dtype=numpy.int64)
        side_of_row = side_of_group[group_of_row]

        rows_of = numpy.bincount(side_of_row, minlength=splits).tolist()
        groups_of = numpy.bincount(side_of_group, minlength=splits).tolist()
        table = numpy.bincount(stratum_of_row * splits + side_of_row, minlength=len(order) * splits)
        settings = {
            "ratios": dict(self._ratios),
            "group_by": self._group_by,
            "stratify_by": self._stratify_by,
            "seed": self._seed,
            "method": self._method,
            "clusters": self._cluster_of is not None,
        }
        counts = dict(zip(names, rows_of, strict=True))
        by_stratum = {
            name: dict(zip(names, got, strict=True))
            for name, got in zip(order, table.reshape(-1, splits).tolist(), strict=True)
        }
        largest = int(sizes.max())
        warnings = warnings_of(settings, counts, largest, by_stratum)
        groups = dict(zip(names, groups_of, strict=True))
        report = SplitReport(settings, counts, groups, largest, by_stratum, warnings)
        empty = [name for name, got in counts.items() if not got]
        if empty:
            raise ValueError(
                f"{', '.join(empty)} would be empty: {rows:,} rows in {len(keys):,} groups are too "
                "few to meet the ratios by chance. Use method='exact', or more rows"
            )
        for warning in warnings:
            logger.warning("split: %s", warning)
        return Assignment(names, array("B", side_of_row.astype(numpy.uint8).tobytes()), report)

    def _keys(self, record: Record) -> list[tuple[int, bytes]]:
        group_by = self._group_by
        if group_by is None:
            return [(BY_ROW, row_key(record.values))]
        if group_by not in ("auto", "document", "question"):
            key = column_key(record.values, group_by)
            if key is None:
                if not len(self._groups):
                    self._columns.update(dict.fromkeys(record.values))
                raise RowError(
                    group_by, "is missing, and rows are grouped by it", "Fill it in", None, None
                )
            return [(BY_QUESTION, key)]
        task = checked_task(record)
        keys: list[tuple[int, bytes]] = []
        if group_by != "question":
            keys += [(BY_DOCUMENT, key) for key in document_keys(record, task)]
        if group_by != "document" or not keys:
            question = question_key(record, task)
            if question is not None:
                keys.append((BY_QUESTION, question))
        return keys or [(BY_ROW, row_key(record.values))]

    def _stratum(self, values: Mapping[str, Any]) -> str:
        stratify_by = self._stratify_by
        if stratify_by is None:
            return "all rows"
        if stratify_by != "auto":
            value = values.get(stratify_by)
            if not is_missing(value):
                self._columns[stratify_by] = None
                return str(value)
            return NO_STRATUM
        name = values.get("task")
        task = TASKS.get(name) if isinstance(name, str) else None
        if task is None:
            return "all rows"
        label = None if task.label is None else values.get(task.label)
        return task.name if label is None else f"{task.name}: {label}"

    def _check_columns(self) -> None:
        column = self._stratify_by
        if column not in (None, "auto") and len(self._groups) and column not in self._columns:
            raise ValueError(
                f"stratify_by={column!r}: no row has a value in this column; name another, or None"
            )
        if not len(self._groups):
            if self._columns:
                raise ValueError(
                    f"group_by={self._group_by!r}: no row has a value in this column; the rows have "
                    f"{sorted(self._columns)}"
                )
            raise ValueError("there are no rows to split")


def _most_frequent(group_of_row: Any, stratum_of_row: Any, strata: int) -> Any:
    """Each group's most frequent stratum; the first one where several are."""
    import numpy

    pairs, counts = numpy.unique(group_of_row * strata + stratum_of_row, return_counts=True)
    groups, strata_of_pair = numpy.divmod(pairs, strata)
    order = numpy.lexsort((strata_of_pair, -counts, groups))
    is_first = numpy.ones(len(order), dtype=bool)
    is_first[1:] = groups[order][1:] != groups[order][:-1]
    return strata_of_pair[order][is_first]
