"""`check_records`: raw rows -> rows in the one shape of their task, or rejects.

    records = check_records(read_records("a.csv", ledger=ledger), "koalpaca", ledger=ledger)

A row that passes has the columns of `tasks.py` in that order, the optional ones only where they are
filled; then its `id`, if it has one that is a text or a whole number; in rows that name their task, what
stages added (`tasks.CARRIED`); then the columns to keep; and its task's name last. Checking it again changes nothing. Columns that nothing reads are left out and counted
(`Ledger.columns_left_out`, rows in which they held a value).

When none of the first 100 rows has the columns that the task needs, the columns are not what the user
thinks, and the check ends with an error that says so. The rows read until then have been rejected
one by one, as any others, so the ledger's counts add up.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from bitsft.data.check.bounds import Bounds, check_bounds, check_bounds_columns
from bitsft.data.check.classification import ClassificationRow, read_label_names
from bitsft.data.check.dialogue import DialogueRow
from bitsft.data.check.koalpaca import KoAlpacaRow
from bitsft.data.check.layout import Columns, find_columns
from bitsft.data.check.preference import PreferenceRow
from bitsft.data.check.qa import QARow
from bitsft.data.check.raft import RaftRow
from bitsft.data.check.schema import RowSchema
from bitsft.data.check.summarization import SummarizationRow
from bitsft.data.check.translation import TranslationRow
from bitsft.data.fields import RowError, check_text, is_missing, shorten
from bitsft.data.ledger import Ledger
from bitsft.data.records import Record, as_records
from bitsft.data.tasks import CARRIED, task_named

logger = logging.getLogger(__name__)

SCHEMAS: dict[str, type[RowSchema]] = {
    schema.task: schema
    for schema in (
        RaftRow,
        KoAlpacaRow,
        QARow,
        SummarizationRow,
        TranslationRow,
        ClassificationRow,
        DialogueRow,
        PreferenceRow,
    )
}
_STAGE = "check"
_TRIAL = 100  # rows without the needed columns before the check gives up
_MOST_LAYOUTS = 1_000  # sets of columns remembered; JSON rows may each have their own


def check_records(
    rows: Iterable[Record | Mapping[str, Any]],
    task: str | None,
    *,
    ledger: Ledger,
    bounds: Mapping[str, Bounds] | None = None,
    keep: Sequence[str] = (),
    label_names: Mapping[Any, str] | Sequence[str] | None = None,
    languages: tuple[str, str] | None = None,
    no_answer: str | None = None,
) -> Iterator[Record]:
    """Check each row against the schema of its task, and yield those that pass in its one shape.

    Args:
        rows: Records, or raw rows of any iterable.
        task: A name in `tasks.TASKS`; or None for rows that name their task in a column `task`, as
            those do that an earlier check wrote.
        ledger: Where the rejected rows and the columns left out are counted.
        bounds: The lengths allowed, in characters, by column of the task.
        keep: Names of columns to keep, as they are, besides those of the task.
        label_names: Classification: the names of the labels, `{"0": "부정", "1": "긍정"}`, or a list of
            them for labels from 0 on. None keeps the labels as they are.
        languages: Translation: the codes of the source and the target language, `("ko", "en")`, for
            rows that hold a text by language and do not say which is which.
        no_answer: QA: the answer to questions without one. None rejects such rows.

    Returns:
        An iterator over the rows that pass, as new records; the given rows are not changed.

    Raises:
        ValueError: At once for an unknown task, bounds of an unknown column or wrong `label_names`,
            `languages` or `no_answer`; while reading, when none of the first 100 rows has the needed
            columns.
        RowError: (a ValueError) while reading, for the first rejected row, when the ledger is strict.
    """
    if task is not None:
        task_named(task)
    bounds = dict(bounds or {})
    check_bounds_columns(bounds, task)
    if isinstance(keep, str):
        raise ValueError(f"keep={keep!r} is one text; give a list of columns, e.g. [{keep!r}]")
    options = _options(label_names, languages, no_answer)
    checker = _Checker(task, ledger, bounds, tuple(keep), options)
    return _check(checker, as_records(rows, ledger), ledger)


def _options(
    label_names: Mapping[Any, str] | Sequence[str] | None,
    languages: tuple[str, str] | None,
    no_answer: str | None,
) -> dict[str, dict[str, Any]]:
    """Return the options of each task that has any given."""
    options: dict[str, dict[str, Any]] = {}
    if label_names is not None:
        options["classification"] = {"label_names": read_label_names(label_names)}
    if languages is not None:
        if isinstance(languages, str) or len(languages) != 2 or languages[0] == languages[1]:
            raise ValueError(f"languages={languages!r} must be a source and a target: ('ko', 'en')")
        options["translation"] = {"languages": tuple(languages)}
    if no_answer is not None:
        if not isinstance(no_answer, str) or is_missing(no_answer):
            raise ValueError(f"no_answer={no_answer!r} must be a text; None rejects such rows")
        options["qa"] = {"no_answer": no_answer}
    return options


def _check(checker: "_Checker", records: Iterator[Record], ledger: Ledger) -> Iterator[Record]:
    without = 0  # rows without the needed columns
    last = ""
    others = False  # whether any row had them
    for record in records:
        fault: RowError | None = None
        columns: Columns | None = None
        try:
            columns = checker.columns_of(record)
            values = checker.values_of(record, columns)
        except RowError as error:
            fault = error
        if fault is None:
            others = True
            yield Record(values, record.source, record.number)
            continue
        ledger.reject(
            record,
            stage=_STAGE,
            field=fault.field,
            value=fault.value,
            reason=fault.reason,
            remedy=fault.remedy,
            detail=None if columns is None else columns.where(fault.field),
        )
        if others or columns is None or columns.are_complete:
            others = True
            continue
        without += 1
        last = f"{record}: {columns.what_is_missing()}"
        if without == _TRIAL:
            raise ValueError(f"none of the first {_TRIAL} rows has the needed columns. {last}")
    if without and not others:
        logger.warning("no row has the needed columns. %s", last)


class _Checker:
    """Reads rows of one task, or of the task that each names, and remembers their columns."""

    def __init__(
        self,
        task: str | None,
        ledger: Ledger,
        bounds: Mapping[str, Bounds],
        keep: tuple[str, ...],
        options: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self.task = task
        self.left_out = ledger.columns_left_out
        self.bounds = bounds
        self.keep = keep
        self.read: dict[str, Callable[..., RowSchema]] = {
            name: partial(schema.from_raw, **options.get(name, {}))
            for name, schema in SCHEMAS.items()
        }
        self.layouts: dict[tuple[Any, ...], Columns] = {}
        self.said: set[str] = set()

    def columns_of(self, record: Record) -> Columns:
        """Return how rows with these columns are read; RowError for a row of no known task."""
        raw = record.values
        task = self.task or raw.get("task")
        if not isinstance(task, str) or task not in SCHEMAS:
            name = check_text(task, "task", record.number)
            raise RowError(
                "task", "is not known", f"Use one of {', '.join(SCHEMAS)}", name, record.number
            )
        layout = (task, *raw)
        columns = self.layouts.get(layout)
        if columns is None:
            if len(self.layouts) >= _MOST_LAYOUTS:
                self.layouts.clear()
            columns = self.layouts[layout] = find_columns(SCHEMAS[task], tuple(raw), self.keep)
            for line in columns.what_is_renamed():
                if line not in self.said:
                    self.said.add(line)
                    logger.warning("%s: %s", record.source or "rows", line)
        return columns

    def values_of(self, record: Record, columns: Columns) -> dict[str, Any]:
        """Return the row in its task's one shape, or raise a RowError."""
        raw: Mapping[str, Any] = record.values
        number = record.number
        if columns.ambiguous:
            columns.raise_ambiguity(number)
        if columns.renamed:
            raw = {**raw, **{column: raw[name] for column, name in columns.renamed.items()}}
        values = self.read[columns.task](raw, number).columns()
        if self.bounds:
            check_bounds(values, self.bounds, number)
        if "id" in raw:
            self._add_id(raw["id"], values, number)
        if (
            raw.get("task") == columns.task
        ):  # a row that was checked before, and went through stages
            for name in CARRIED:
                if isinstance(raw.get(name), str | int):
                    values.setdefault(name, raw[name])
        for name in self.keep:
            if name in raw:
                values.setdefault(name, raw[name])
        for name in columns.left_out:
            if raw[name] is not None:
                self.left_out[_printable(name)] += 1
        if "task" in raw and raw["task"] != columns.task and raw["task"] is not None:
            self.left_out["task"] += 1
        values["task"] = columns.task
        return values

    def _add_id(self, identity: Any, values: dict[str, Any], row_number: int) -> None:
        if isinstance(identity, str):
            if not is_missing(identity):
                values["id"] = check_text(identity, "id", row_number)
        elif isinstance(identity, int) and not isinstance(identity, bool):
            values["id"] = identity
        elif not is_missing(identity):
            self.left_out["id"] += 1


def _printable(name: Any) -> str:
    """Return a column's name as a text that can be written down."""
    shown = name if isinstance(name, str) else shorten(name)
    return shown.encode("utf-8", "backslashreplace").decode("utf-8")
