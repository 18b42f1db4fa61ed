"""Which columns of a row are read as which columns of its task, which are missing and which are left out.

This is found once for each set of columns that rows have (JSON rows need not all have the same), not
once for each row.
"""

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from bitsft.data.check.aliases import ALIASES
from bitsft.data.check.schema import RowSchema
from bitsft.data.check.translation import TranslationRow, language_columns
from bitsft.data.fields import RowError, shorten
from bitsft.data.tasks import CARRIED


@dataclass(frozen=True)
class Columns:
    """How the rows with one set of columns are read.

    Attributes:
        task: The task's name.
        present: The columns that the rows have.
        renamed: The column that stands for a column of the task, by the latter.
        missing: Columns of the task that the rows have not, each with its alternatives.
        ambiguous: Columns of the task that several columns could be, with those.
        left_out: Columns that nothing reads.
    """

    task: str
    present: tuple[Any, ...]
    renamed: dict[str, str]
    missing: tuple[tuple[str, ...], ...]
    ambiguous: dict[str, tuple[str, ...]]
    left_out: tuple[Any, ...]

    @property
    def are_complete(self) -> bool:
        """Whether there is one column for each that the task needs."""
        return not self.missing and not self.ambiguous

    def raise_ambiguity(self, row_number: int) -> NoReturn:
        """Refuse a row in which several columns could be one that the task needs.

        Raises:
            RowError: Always, for the first such column of the task.
        """
        column, candidates = next(iter(self.ambiguous.items()))
        raise RowError(
            column,
            "is missing, and more than one column could be it",
            f"Name one when reading: columns={{{column!r}: {candidates[0]!r}}}",
            list(candidates),
            row_number,
        )

    def what_is_missing(self) -> str:
        """Return two sentences: the columns that the task lacks, and how to name them."""
        lacks = [*(" or ".join(need) for need in self.missing), *self.ambiguous]
        first = self.missing[0][0] if self.missing else next(iter(self.ambiguous))
        without_document = self.task == "qa" and first == "context"
        other = (
            ". Questions and answers without a document are rows of the task koalpaca"
            if without_document
            else ""
        )
        return (
            f"The task {self.task} lacks {', '.join(lacks)}, and {self._what_is_there()}. If a column "
            f"only has another name, name it when reading: columns={{{first!r}: '...'}}{other}"
        )

    def what_is_renamed(self) -> Iterator[str]:
        """Yield a sentence for each column that is known by another name."""
        for column, name in self.renamed.items():
            yield f"the column {name!r} is read as {column!r} of the task {self.task}"

    def where(self, field: str) -> str | None:
        """Return what helps to find a field at fault: its other name, or the columns there are."""
        column = re.split(r"[.\[]", field, maxsplit=1)[0]
        if column in self.renamed:
            return f"column {self.renamed[column]!r}"
        if column in self.ambiguous or any(column in need for need in self.missing):
            return self._what_is_there()
        return None

    def _what_is_there(self) -> str:
        shown = ", ".join(shorten(name) for name in self.present[:20])
        more = len(self.present) - 20
        return f"the columns are {shown or 'none'}" + (f" and {more} more" if more > 0 else "")


def find_columns(
    schema: type[RowSchema], present: Sequence[Any], keep: Collection[str] = ()
) -> Columns:
    """Say which of the columns that a row has are columns of its task.

    Args:
        schema: The row type of the task.
        present: The row's columns.
        keep: Columns that are kept besides those of the task.
    """
    has = set(present)
    known = {*schema.reads, "id", "task", *(CARRIED if "task" in has else ())}
    if schema is TranslationRow and not has & {"source", "target", "translation"}:
        languages = language_columns(present)
        if len(languages) >= 2:
            known.update(languages.values())
            has |= {"source", "target"}

    plain = {name: _plain(name) for name in present if isinstance(name, str) and name not in known}
    aliases = ALIASES[schema.task]
    renamed: dict[str, str] = {}
    ambiguous: dict[str, tuple[str, ...]] = {}
    for column in (*aliases, *sorted(known - aliases.keys() - {"task"})):
        needs = [need for need in schema.needs if column in need]
        if column in has or any(has & set(need) for need in needs):
            continue
        found = [name for name in plain if plain[name] == column]
        found = found or [name for name in plain if plain[name] in aliases.get(column, ())]
        if len(found) == 1:
            renamed[column] = found[0]
        elif found and needs:
            ambiguous[column] = tuple(found)

    has.update(renamed, ambiguous)
    missing = tuple(need for need in schema.needs if not has & set(need))
    known.update(renamed.values(), keep)
    left_out = tuple(name for name in present if name not in known)
    return Columns(schema.task, tuple(present), renamed, missing, ambiguous, left_out)


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip().casefold()
