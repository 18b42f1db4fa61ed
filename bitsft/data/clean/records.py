"""`clean_records`: all texts of every row, cleaned.

Cleaned are the columns that the row's task names (`tasks.py`), whatever their shape; labels, names of
languages, roles, `id` and columns of no task are left alone. What is masked in one text of a row is masked in
all of them, so that an answer that quotes its document goes on quoting it, and a number whose name stands only
in the question is not left in the answer.

A row is refused
- when a required text is empty after cleaning (an optional one is left out instead), or
- when it holds personal data of a kind that is to be rejected. `rejected.jsonl` gets the masked text.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bitsft.data.clean.examples import example
from bitsft.data.clean.settings import PERSONAL_KINDS, Cleaning
from bitsft.data.clean.text import TextChange, TextCleaner
from bitsft.data.ledger import Ledger
from bitsft.data.records import Record, as_records
from bitsft.data.tasks import Task, map_texts, task_of, texts_of

STAGE = "clean"

_NOT_TEXT = frozenset({"source_language", "target_language"})
_NAMES = {
    "email": "an e-mail address",
    "resident_number": "a resident registration number",
    "foreigner_number": "a foreigner's registration number",
    "card": "a card number",
    "drivers_licence": "a driving licence's number",
    "phone": "a telephone number",
    "account": "an account number",
    "passport": "a passport number",
}


def clean_records(
    rows: Iterable[Record | Mapping[str, Any]],
    settings: Cleaning = Cleaning(),  # noqa: B008
    *,
    ledger: Ledger,
    show_personal: bool = False,
) -> Iterator[Record]:
    """Yield the rows with their texts cleaned.

    Args:
        rows: Checked rows, i.e. with a `task` column.
        settings: What to change and what to leave alone.
        ledger: Where changes are counted, and rows that are refused.
        show_personal: Whether the ledger's examples of changes show personal data as it was. By default they show
            its first and last character.

    Yields:
        The same record where nothing changed, else one with new values; the caller's rows are not touched.

    Raises:
        ValueError: When a row names no task: it has not passed `check_records`.
        ImportError: When the settings ask for mojibake repair and `ftfy` is not installed.
    """
    cleaner = TextCleaner(settings)
    needs_cleaning = cleaner.needs_cleaning
    columns: dict[Any, tuple[str, ...]] = {}
    for record in as_records(rows, ledger):
        values = record.values
        name = values.get("task")
        if not isinstance(name, str) or name not in columns:
            columns[name] = _text_columns(task_of(values))
        for column in columns[name]:
            value = values.get(column)
            if value is None:
                continue
            if isinstance(value, str):
                if not needs_cleaning(value):
                    continue
            elif not any(map(needs_cleaning, texts_of(value))):
                continue
            cleaned = _CleanedRow(record, columns[name], cleaner)
            if cleaned.accepted(ledger):
                cleaned.report(ledger, show_personal)
                yield cleaned.record()
            break
        else:
            yield record


def _text_columns(task: Task) -> tuple[str, ...]:
    return tuple(
        column for column in task.columns if column != task.label and column not in _NOT_TEXT
    )


class _CleanedRow:
    """A row of which at least one text may change."""

    def __init__(self, record: Record, columns: tuple[str, ...], cleaner: TextCleaner) -> None:
        self.old = record
        self.values = dict(record.values)
        self.task = task_of(record.values)
        self.settings = cleaner.settings
        self.changes: list[tuple[str, TextChange]] = []
        self.personal: dict[str, str] = {}  # what was written -> its kind
        self.holds: dict[str, str] = {}  # kind -> the first column with it
        self.emptied: str | None = None
        for column in columns:
            self._clean_column(column, cleaner)
        if self.personal:
            self._mask_everywhere(columns)
        for column in columns:
            self._check_empty(column)

    def _clean_column(self, column: str, cleaner: TextCleaner) -> None:
        def clean(text: str) -> str:
            cleaned = cleaner.clean(text)
            self.changes += ((column, change) for change in cleaned.changes)
            for kind, value in cleaned.personal:
                self.personal.setdefault(value, kind)
                self.holds.setdefault(kind, column)
            return cleaned.text

        if self.values.get(column) is not None:
            self.values[column] = map_texts(self.values[column], clean)

    def _mask_everywhere(self, columns: tuple[str, ...]) -> None:
        """Mask what was found in one text in the others too, where the words around it did not give it away."""
        longest_first = sorted(self.personal, key=lambda value: (-len(value), value))
        pattern = re.compile(
            "(?<![0-9A-Za-z])(?:" + "|".join(map(re.escape, longest_first)) + ")(?![0-9A-Za-z])"
        )
        tokens = self.settings.tokens
        for column in columns:

            def clean(text: str, column: str = column) -> str:
                found = pattern.findall(text)
                if not found:
                    return text
                new = pattern.sub(lambda match: tokens[self.personal[match[0]]], text)
                for kind, times in Counter(self.personal[value] for value in found).items():
                    change = TextChange(f"{kind} masked", times, text, new)
                    self.changes.append((column, change))
                return new

            if self.values.get(column) is not None:
                self.values[column] = map_texts(self.values[column], clean)

    def _check_empty(self, column: str) -> None:
        value = self.values.get(column)
        if value is None or all(texts_of(value)):
            return
        if column in self.task.optional and isinstance(value, str):
            del self.values[column]
        elif self.emptied is None:
            self.emptied = column

    def accepted(self, ledger: Ledger) -> bool:
        """Whether the row goes on; if not, the ledger is told."""
        for kind in PERSONAL_KINDS:
            if kind in self.holds and self.settings.action(kind) == "reject":
                column = self.holds[kind]
                ledger.reject(
                    self.old,
                    stage=STAGE,
                    field=column,
                    value=self.values.get(column),
                    reason=f"holds {_NAMES[kind]}",
                    remedy=f"Take it out, or mask it with {kind}='mask'",
                )
                return False
        if self.emptied is not None:
            ledger.reject(
                self.old,
                stage=STAGE,
                field=self.emptied,
                value=self.values[self.emptied],
                reason="is empty after cleaning",
                remedy="Nothing in it can be seen; leave the row out",
            )
            return False
        return True

    def report(self, ledger: Ledger, show_personal: bool) -> None:
        """Tell the ledger what changed."""
        seen: set[str] = set()
        for column, change in self.changes:
            known = ledger.changes.get((STAGE, change.kind))
            wanted = known is None or len(known.examples) < ledger.examples
            before, after = example(change, self.personal, show_personal) if wanted else ("", "")
            ledger.changed(
                self.old,
                stage=STAGE,
                kind=change.kind,
                field=column,
                before=before,
                after=after,
                times=change.times,
                new_row=change.kind not in seen,
            )
            seen.add(change.kind)

    def record(self) -> Record:
        """The record to hand on: a new one if anything changed."""
        if self.values == self.old.values:
            return self.old
        return Record(self.values, self.old.source, self.old.number)
