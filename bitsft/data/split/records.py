"""`split_records`: records -> a `Split`, whose parts can be read as often as needed.

A group is complete only when the last row has been seen, so the rows are put aside (`Spool`: as JSON,
32 MiB of it in memory, the rest in a temporary file) while their keys are collected. Memory is bounded
but for about 200 bytes a row.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bitsft.data.common.spool import Spool
from bitsft.data.fields import RowError
from bitsft.data.ledger import Ledger
from bitsft.data.records import Record, as_records
from bitsft.data.split.assign import Assigner, Assignment, ClusterOf, Method
from bitsft.data.split.ratios import RATIOS
from bitsft.data.split.report import SplitReport


@dataclass(frozen=True)
class Split:
    """Rows and the split that each of them belongs to.

    Attributes:
        assignment: The split of each row.
        spool: The rows.
        cluster_of: The clusters that were kept together, for the check for leaks.
    """

    assignment: Assignment
    spool: Spool
    cluster_of: ClusterOf | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the splits, in the order of the ratios."""
        return self.assignment.names

    @property
    def report(self) -> SplitReport:
        """The counts, wanted and got."""
        return self.assignment.report

    def records(self, name: str) -> Iterator[Record]:
        """Read the records of a split, in the order in which they came.

        Raises:
            ValueError: When there is no split of this name.
        """
        side = self._side(name)
        for own, row in zip(self.assignment.sides, self.spool, strict=True):
            if own == side:
                yield row.record()

    def lines(self, name: str) -> Iterator[bytes]:
        """Read the rows of a split as lines of JSON, without line breaks."""
        side = self._side(name)
        for own, row in zip(self.assignment.sides, self.spool, strict=True):
            if own == side:
                yield row.line

    def _side(self, name: str) -> int:
        if name not in self.names:
            raise ValueError(f"there is no split {name!r}; there are {', '.join(self.names)}")
        return self.names.index(name)

    def __str__(self) -> str:
        return str(self.report)


def split_records(
    records: Iterable[Record | Mapping[str, Any]],
    ratios: Mapping[str, float] = RATIOS,
    *,
    group_by: str | None = "auto",
    stratify_by: str | None = "auto",
    seed: int = 0,
    method: Method = "hash",
    cluster_of: ClusterOf | None = None,
    ledger: Ledger,
) -> Split:
    """Split records so that nothing leaks from one split into another.

    Args:
        records: Checked records, or plain rows, which are counted in.
        ratios: As in `assign_splits`, like all further arguments.
        group_by: See `assign_splits`. A row that has no value in the column is rejected.
        stratify_by: See `assign_splits`.
        seed: See `assign_splits`.
        method: See `assign_splits`.
        cluster_of: See `assign_splits`.
        ledger: Where rows are rejected. They are counted out by what the split is handed to:
            `write_split`, `write_records`, `collect` or `as_dataset`.

    Returns:
        The rows and their splits: `split.records("train")` reads a part, as often as needed, and
        `split.report` has the counts. `write_split(split, folder, ledger=ledger)` writes it.

    Raises:
        ValueError: As `assign_splits` does, and for values that JSON has no form for.
    """
    assigner = Assigner(
        ratios,
        group_by=group_by,
        stratify_by=stratify_by,
        seed=seed,
        method=method,
        cluster_of=cluster_of,
    )
    spool = Spool()
    for record in as_records(records, ledger):
        try:
            assigner.add(record)
        except RowError as error:
            ledger.reject_error(record, error, "split")
            continue
        spool.add(record, to_write=True)
    try:
        assignment = assigner.done()
    except ValueError as error:
        if len(spool):
            raise
        raise ValueError(f"{error} ({ledger})") from error
    return Split(assignment, spool, cluster_of)
