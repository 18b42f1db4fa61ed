"""`Ledger`: what became of every row.

    rows in + rows added = rows out + rows rejected

Rows come in once, where they are read, and go out once, where they are written. In between each stage
reports the rows that it rejects, one object a line in `rejected.jsonl` (`rejected.py`), the rows that it
adds (oversampling, augmentation), and the values that it changes (cleaning), with a few examples of each
kind. Memory does not grow with the number of rows when the rejected rows go to a file.
"""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from bitsft.data.fields import RowError
from bitsft.data.records import Record
from bitsft.data.rejected import RejectedRow

_NO_FAULT = frozenset({"duplicates", "balance", "mix"})  # stages that leave sound rows out


@dataclass
class Change:
    """One kind of change that a stage made to values.

    Attributes:
        times: How often, over all rows.
        rows: In how many rows.
        examples: The first few: `(record, field, before, after)` as texts.
    """

    times: int = 0
    rows: int = 0
    examples: list[tuple[str, str, str, str]] = field(default_factory=list)


class Ledger:
    """Counts rows in, added, rejected, changed and out.

    Args:
        rejected_path: The JSONL file to write rejected rows to, used in a `with` statement; it replaces
            an older one, and is empty when no row was rejected. None keeps them in `rejected_rows`.
        strict: Make the first rejected row an error (`RowError`, or ValueError). Duplicates and rows that
            balancing or mixing leaves out are no fault of theirs, and stay rejects.
        examples: How many changes of each kind to keep, and with a `rejected_path`, how many rejected
            rows of each stage, field and reason.

    Attributes:
        rows_in: Rows read.
        rows_added: Rows that a stage made, by the name of the stage.
        rows_out: Rows written, or handed to the caller at the end.
        rejections: How often each (stage, field or "", reason) refused a row.
        rejected_rows: The rejected rows: all of them without a `rejected_path`, else examples.
        changes: Changed values by (stage, kind of change).
        columns_left_out: How many rows had a column that no stage uses, by its name.
        not_read: Sources of which nothing, or nothing from some row on, could be read. Each counts as one
            rejected row, as nobody knows how many rows it has.
    """

    def __init__(
        self,
        rejected_path: str | os.PathLike[str] | None = None,
        *,
        strict: bool = False,
        examples: int = 3,
    ) -> None:
        self.rejected_path = None if rejected_path is None else Path(rejected_path)
        self.strict = strict
        self.examples = examples
        self.rows_in = 0
        self.rows_out = 0
        self.rows_added: Counter[str] = Counter()
        self.rejections: Counter[tuple[str, str, str]] = Counter()
        self.rejected_rows: list[RejectedRow] = []
        self.changes: dict[tuple[str, str], Change] = {}
        self.columns_left_out: Counter[str] = Counter()
        self.not_read: list[str] = []
        self._file: TextIO | None = None
        self._entered = False

    @property
    def rows_rejected(self) -> int:
        """Rows rejected by all stages."""
        return self.rejections.total()

    def __enter__(self) -> "Ledger":
        self._entered = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self._open()  # empty where no row was rejected
        if self._file is not None:
            self._file.close()
            self._file = None
        self._entered = False

    def _open(self) -> None:
        """Open the file at the first rejected row, so that a run that fails before leaves none behind."""
        if self._file is None and self.rejected_path is not None and self._entered:
            self.rejected_path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.rejected_path.open("w", encoding="utf-8", newline="\n")

    def count_in(self, rows: int = 1) -> None:
        """Count rows that were read."""
        self.rows_in += rows

    def count_added(self, stage: str, rows: int = 1) -> None:
        """Count rows that a stage made from others."""
        self.rows_added[stage] += rows

    def count_out(self, rows: int = 1) -> None:
        """Count rows that leave the last stage."""
        self.rows_out += rows

    def reject(
        self,
        record: Record,
        *,
        stage: str,
        field: str | None,
        value: Any,
        reason: str,
        remedy: str | None = None,
        detail: str | None = None,
    ) -> None:
        """Account for a row that goes no further.

        Args:
            record: The row; its source and number are written down.
            stage: The stage's name, e.g. `"check"`.
            field: The field at fault, or None for the row as a whole.
            value: What was found there. Never put personal data here.
            reason: What is wrong, the same words for all rows with this fault; they are counted.
            remedy: What the user can do about it, a sentence without the full stop.
            detail: What is particular to this row.

        Raises:
            RowError: When `strict`, the row is at fault, and a field is named.
            ValueError: When `strict`, the row is at fault, and none is named.
        """
        row = RejectedRow(record.number, field, value, reason, remedy, stage, record.source, detail)
        key = (stage, field or "", reason)
        self.rejections[key] += 1
        self._open()
        if self._file is not None:
            self._file.write(row.as_json() + "\n")
        if self._file is None or self.rejections[key] <= self.examples:
            self.rejected_rows.append(row)
        if self.strict and stage not in _NO_FAULT:
            if field is None:
                raise ValueError(str(row))
            error = RowError(
                field, reason, remedy or "Repair the row", value, record.number, detail
            )
            if record.source:
                raise ValueError(str(row)) from error
            raise error

    def reject_error(self, record: Record, error: ValueError, stage: str) -> None:
        """Account for a row that a formatter or a schema refused with an exception."""
        if isinstance(error, RowError):
            self.reject(
                record,
                stage=stage,
                field=error.field,
                value=error.value,
                reason=error.reason,
                remedy=error.remedy,
                detail=error.detail,
            )
        else:
            self.reject(record, stage=stage, field=None, value=None, reason=str(error))

    def changed(
        self,
        record: Record,
        *,
        stage: str,
        kind: str,
        field: str,
        before: str,
        after: str,
        times: int = 1,
        new_row: bool = True,
    ) -> None:
        """Count a change to a value.

        Args:
            record: The row.
            stage: The stage's name, e.g. `"clean"`.
            kind: What was changed, e.g. `"Unicode NFC"`.
            field: The field that was changed.
            before: The value before.
            after: The value after.
            times: How often within the value.
            new_row: Whether this is the first change of this kind in this row.
        """
        change = self.changes.setdefault((stage, kind), Change())
        change.times += times
        change.rows += new_row
        if len(change.examples) < self.examples:
            change.examples.append((str(record), field, before, after))

    def check_balance(self) -> None:
        """Make sure that no row was lost or counted twice.

        Raises:
            ValueError: When rows in + rows added is not rows out + rows rejected.
        """
        if self.rows_in + self.rows_added.total() != self.rows_out + self.rows_rejected:
            raise ValueError(
                f"the rows do not add up: {self}. A stage lost or doubled rows, or not all of them were used"
            )

    def as_dict(self) -> Mapping[str, Any]:
        """The counts, for a manifest."""
        return {
            "rows_in": self.rows_in,
            "rows_added": dict(sorted(self.rows_added.items())),
            "rows_out": self.rows_out,
            "rows_rejected": self.rows_rejected,
            "rejections": [
                {"stage": stage, "field": field or None, "reason": reason, "rows": rows}
                for (stage, field, reason), rows in sorted(self.rejections.items())
            ],
            "changes": [
                {"stage": stage, "kind": kind, "rows": change.rows, "times": change.times}
                for (stage, kind), change in sorted(self.changes.items())
            ],
            "columns_left_out": dict(sorted(self.columns_left_out.items())),
            "not_read": list(self.not_read),
        }

    def __str__(self) -> str:
        added = self.rows_added.total()
        line = f"{self.rows_in:,} rows in, " + (f"{added:,} added, " if added else "")
        line += f"{self.rows_out:,} out, {self.rows_rejected:,} rejected"
        if self.not_read:
            line += f", {len(self.not_read):,} of the sources NOT READ TO THE END"
        if not self.rejections:
            return line
        reasons: Counter[str] = Counter()
        for (stage, name, reason), rows in self.rejections.items():
            reasons[" ".join(filter(None, (f"{stage}:", name, reason)))] += rows
        return f"{line} ({counts(reasons)})"


def counts(counter: Counter[str]) -> str:
    """Return the five most frequent, e.g. "answer: 3, context: 1"."""
    shown = ", ".join(f"{name}: {count:,}" for name, count in counter.most_common(5))
    return shown + (", ..." if len(counter) > 5 else "")
