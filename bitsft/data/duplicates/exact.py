"""`drop_exact_duplicates`: rows that repeat an earlier one, in one pass.

Rows are equal when the normal forms (`normal_form.py`) of what `by` names are. The first one is kept. Of
each different row 16 bytes of BLAKE2b are held with its origin (about 150 bytes in all, so 150 MB for a
million), whatever its length. Two different rows share a digest with a probability of 2^-128.

`by="question"` drops rows that repeat both a question and one of its answers, and finds *conflicts*:
questions that were asked before and answered differently. Mixed labels are a fault of the data that only
its owner can mend, so conflicts are listed, and dropped only with `on_conflict="drop"`. It holds about
300 bytes more for each different question.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bitsft.data.common.atomic import atomic_path
from bitsft.data.common.choices import check_choice
from bitsft.data.common.hashing import digest
from bitsft.data.common.json_line import any_json_line
from bitsft.data.common.normal_form import normal_form
from bitsft.data.duplicates.compared import By, answer_text, check_by, question_key, row_key
from bitsft.data.duplicates.report import Conflict, DuplicateReport
from bitsft.data.ledger import Ledger
from bitsft.data.records import Record, as_records
from bitsft.data.tasks import task_of

REPEATS = "repeats an earlier row"
CONFLICTS = "answers an earlier question differently"

_SHOWN = 80
_EXAMPLES = 20
_SHIFT = 48  # an origin is one int: the source's place in a list, and the row's number below it


def drop_exact_duplicates(
    rows: Iterable[Record | Mapping[str, Any]],
    *,
    ledger: Ledger,
    by: By = "row",
    punctuation: bool = True,
    on_conflict: str = "list",
    conflicts_path: str | os.PathLike[str] | None = None,
    report: DuplicateReport | None = None,
) -> Iterator[Record]:
    """Yield the rows without those that equal an earlier one.

    Args:
        rows: Records, or plain rows. With `by="question"` they must have passed `check_records`.
        ledger: Where the dropped rows are written down, each with the row that it repeats.
        by: What has to be equal: `"row"` (all columns of the task; all but `id` of unchecked rows),
            `"question"` (see this module's docstring), or a list of columns.
        punctuation: Whether punctuation counts.
        on_conflict: With `by="question"`, what becomes of a row that answers an earlier question
            differently: `"list"` keeps it, `"drop"` rejects it.
        conflicts_path: A JSONL file to list conflicts in, one `Conflict` a line; it is there when all
            rows have gone through.
        report: Counts are added to it, and the first 20 conflicts.

    Raises:
        ValueError: For an unknown `by` or `on_conflict`, or where `by` does not fit a row.
    """
    by = check_by(by)
    check_choice("on_conflict", on_conflict, ("list", "drop"))
    if by != "question" and (on_conflict != "list" or conflicts_path is not None):
        raise ValueError(
            f"on_conflict and conflicts_path need by='question', not by={by!r}: only there is it "
            "known which columns answer the others"
        )
    counted = DuplicateReport() if report is None else report
    records = as_records(rows, ledger)
    if by != "question":
        return _drop_repeats(records, by, punctuation, ledger, counted)
    path = None if conflicts_path is None else Path(conflicts_path)
    return _drop_answered(records, punctuation, on_conflict == "drop", path, ledger, counted)


class _Origins:
    """The sources and numbers of rows, each as one int."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._sources: list[str] = []

    def pack(self, record: Record) -> int:
        place = self._places.get(record.source)
        if place is None:
            place = self._places[record.source] = len(self._sources)
            self._sources.append(record.source)
        return (place << _SHIFT) | record.number

    def unpack(self, origin: int) -> Record:
        return Record({}, self._sources[origin >> _SHIFT], origin & ((1 << _SHIFT) - 1))


def _drop_repeats(
    records: Iterator[Record], by: By, punctuation: bool, ledger: Ledger, report: DuplicateReport
) -> Iterator[Record]:
    seen: dict[bytes, int] = {}
    origins = _Origins()
    for record in records:
        key = digest(row_key(record.values, by, punctuation))
        origin = origins.pack(record)
        first = seen.get(key)
        if first is None:
            seen[key] = origin
            yield record
        else:
            report.exact += 1
            _reject(record, REPEATS, origins.unpack(first), ledger)


def _drop_answered(
    records: Iterator[Record],
    punctuation: bool,
    drops_conflicts: bool,
    conflicts_path: Path | None,
    ledger: Ledger,
    report: DuplicateReport,
) -> Iterator[Record]:
    seen: dict[bytes, int] = {}  # question and answer
    asked: dict[bytes, tuple[int, str]] = {}  # question: the first row that asks it, its answer
    origins = _Origins()
    with ExitStack() as stack:
        file = None
        if conflicts_path is not None:
            part = stack.enter_context(atomic_path(conflicts_path))
            file = stack.enter_context(part.open("w", encoding="utf-8", newline="\n"))
        for record in records:
            task = task_of(record.values)
            question = question_key(record.values, task, punctuation)
            answer = answer_text(record.values, task)
            pair = digest(f"{question}\x1f{normal_form(answer, punctuation=punctuation)}")
            repeated = seen.get(pair)
            if repeated is not None:
                report.exact += 1
                _reject(record, REPEATS, origins.unpack(repeated), ledger)
                continue
            origin = seen[pair] = origins.pack(record)
            asks = digest(question)
            if asks not in asked:
                asked[asks] = origin, answer[:_SHOWN]
            else:
                first, first_answer = asked[asks]
                earlier = origins.unpack(first)
                conflict = Conflict(
                    question=task.question_text(record.values),
                    source=record.source,
                    row_number=record.number,
                    answer=answer,
                    first_source=earlier.source,
                    first_row_number=earlier.number,
                    first_answer=first_answer,
                )
                report.conflicts += 1
                if len(report.examples) < _EXAMPLES:
                    report.examples.append(conflict)
                if file is not None:
                    file.write(any_json_line(asdict(conflict)) + "\n")
                if drops_conflicts:
                    _reject(record, CONFLICTS, earlier, ledger)
                    continue
            yield record


def _reject(record: Record, reason: str, first: Record, ledger: Ledger) -> None:
    ledger.reject(
        record, stage="duplicates", field=None, value=None, reason=reason, detail=str(first)
    )
