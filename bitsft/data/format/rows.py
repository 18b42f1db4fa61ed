"""`format_rows`: apply a formatter to every row, and account for every row.

    rows in = rows out + rows rejected

A formatter refuses a row by raising ValueError (`RowError` says most). The row is then left out,
counted, and written to `rejected.jsonl` (`ledger.py`). `datasets.map` cannot do this: it stops at the
first such row. Any other exception is a mistake in the formatter, and is passed on as it is.
"""

import logging
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bitsft.data.ledger import Ledger, counts
from bitsft.data.records import Record
from bitsft.data.rejected import RejectedRow

if TYPE_CHECKING:
    from datasets import Dataset

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Formatted:
    """What `format_rows` returns: the rows that passed, those that did not, and the count of both.

    Attributes:
        dataset: The formatted rows, in the input's order.
        rejected: The rows that the formatter refused, in the input's order.
        rows_in: Rows in the input; always `len(dataset) + len(rejected)`.
    """

    dataset: "Dataset"
    rejected: tuple[RejectedRow, ...]
    rows_in: int

    def __str__(self) -> str:
        line = f"{self.rows_in} rows in, {len(self.dataset)} out, {len(self.rejected)} rejected"
        fields = Counter(row.field or "no field named" for row in self.rejected)
        return line + (f" ({counts(fields)})" if fields else "")


def format_rows(
    rows: Iterable[Mapping[str, Any]],
    formatter: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    *,
    rejected_path: str | os.PathLike[str] | None = None,
    strict: bool = False,
) -> Formatted:
    """Format all rows, leave out those that the formatter refuses, and account for each.

    Args:
        rows: Raw rows: a list of dicts, a `datasets.Dataset`, any iterable of mappings.
        formatter: Takes a row, returns a row; `functools.partial` binds options, e.g.
            `partial(format_raft, language="en")`. It must return the same fields for every row.
        rejected_path: The JSONL file to write the rejected rows to. It replaces an older one, and
            is empty when no row was rejected. None writes no file.
        strict: Make the first rejected row an error.

    Returns:
        The formatted `datasets.Dataset`, the rejected rows and the count, also logged: as a warning
        when there are rejected rows.

    Raises:
        RowError: (a ValueError) for the first rejected row, when `strict`.
        ValueError: When there are no rows, when all are rejected, or when the formatter returns
            different fields for different rows.
    """
    from datasets import Dataset

    formatted: list[dict[str, Any]] = []
    with Ledger(rejected_path, strict=strict, examples=sys.maxsize) as ledger:
        for row_number, row in enumerate(rows):
            ledger.count_in()
            try:
                result = dict(formatter(row))
            except ValueError as error:
                ledger.reject_error(Record({}, number=row_number), error, "format")
                continue
            if formatted and result.keys() != formatted[0].keys():
                raise ValueError(
                    f"row {row_number}: the formatter returned the fields {sorted(result)}, but "
                    f"{sorted(formatted[0])} for the first row. Return the same fields for every row"
                )
            formatted.append(result)

    rows_in, rejected = ledger.rows_in, ledger.rejected_rows
    if not rows_in:
        raise ValueError("there are no rows to format")
    if not formatted:
        reasons = Counter(f"{row.field or ''} {row.reason}".strip() for row in rejected)
        raise ValueError(
            f"all {rows_in} rows were rejected: {counts(reasons)}. The first: {rejected[0]} "
            "If the columns only have other names, use read_rows(columns={...})"
        )
    done = Formatted(Dataset.from_list(formatted), tuple(rejected), rows_in)
    if rejected:
        where = "" if rejected_path is None else f"; see {rejected_path}"
        logger.warning("%s%s. The first: %s", done, where, rejected[0])
    else:
        logger.info("%s", done)
    return done
