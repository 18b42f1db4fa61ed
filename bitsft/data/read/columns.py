"""New names for columns, row by row: `columns={"question": "q", "answer": "a"}`, new name first.

Columns that are not named keep their own. Two columns never become one: a new name that another column has
already is an error. So is a name that the data do not have, which is known with the first row of a table,
but only at the end of a JSON file, whose rows may lack columns. Names match in NFC: a file from macOS may
spell 질문 in NFD, which looks the same.
"""

import unicodedata
from collections.abc import Mapping

from bitsft.data.read.faults import Row


class Columns:
    """Renames the columns of one source, and remembers which it has.

    Args:
        new_names: `{new: old}`.
        source: The file or data set, for messages.
    """

    def __init__(self, new_names: Mapping[str, str], source: str) -> None:
        self._old_of = dict(new_names)
        self._taken = frozenset(self._old_of.values())
        self._source = source
        self._found: dict[str, None] = {}

    def rename(self, row: Row) -> Row:
        """Return the row under its new names; a column that the row lacks stays missing.

        Raises:
            ValueError: When a new name is that of another column of the source.
        """
        if not row.keys() <= self._found.keys():
            self._found.update(dict.fromkeys(row))
            self._match_spelling()
            self._refuse_collisions()
        renamed = {name: value for name, value in row.items() if name not in self._taken}
        for new, old in self._old_of.items():
            if old in row:
                renamed[new] = row[old]
        return renamed

    def missing(self) -> list[str]:
        """The old names that no row so far has had."""
        return [old for old in self._old_of.values() if old not in self._found]

    def refuse_missing(self) -> None:
        """Raise ValueError when a named column has not been found."""
        for old in self.missing():
            raise ValueError(
                f"{self._source}: columns names {old!r}, but the file has {list(self._found)}"
            )

    def _match_spelling(self) -> None:
        """Take a name as the source spells it, where only its Unicode form differs."""
        spelled = {_nfc(name): name for name in self._found if isinstance(name, str)}
        self._old_of = {
            new: old if old in self._found else spelled.get(_nfc(old), old)
            for new, old in self._old_of.items()
        }
        self._taken = frozenset(self._old_of.values())

    def _refuse_collisions(self) -> None:
        for new, old in self._old_of.items():
            if old in self._found and new in self._found and new not in self._taken:
                raise ValueError(
                    f"{self._source}: {old!r} cannot be renamed to {new!r}, which is a column already. "
                    f"Rename that one too, e.g. columns={{..., {'old_' + new!r}: {new!r}}}"
                )


def _nfc(name: str) -> str:
    return unicodedata.normalize("NFC", name)
