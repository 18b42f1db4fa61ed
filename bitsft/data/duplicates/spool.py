"""`Spool`: rows put aside in a temporary file, to be gone through again and looked up by place.

A row is a line of JSON: about as many bytes as its texts have in UTF-8, on disk instead of three to ten times
as many in memory. A row that JSON would not give back as it is (a tuple, a date, bytes, NaN) stays in
memory. The file has no name where the system allows that, and is gone when the spool is closed.
"""

import json
import tempfile
from array import array
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from bitsft.data.records import Record


class Spool:
    """Records in the order in which they were appended; use it in a `with` statement."""

    def __init__(self) -> None:
        # Kept open between calls: __exit__ closes it.
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        self._starts = array("q")
        self._end = 0
        self._in_memory: dict[int, Record] = {}

    def __enter__(self) -> "Spool":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._starts)

    def append(self, record: Record) -> None:
        """Put a record at the end. Append all of them before reading any."""
        line = _as_line(record)
        if line is None:
            self._in_memory[len(self._starts)] = record
            line = b"\n"
        self._starts.append(self._end)
        self._end += self._file.write(line)

    def __getitem__(self, place: int) -> Record:
        self._file.seek(self._starts[place])
        return self._read(place)

    def __iter__(self) -> Iterator[Record]:
        """Yield the records in order. Do not look others up meanwhile."""
        self._file.seek(0)
        for place in range(len(self._starts)):
            yield self._read(place)

    def _read(self, place: int) -> Record:
        line = self._file.readline()
        if place in self._in_memory:
            return self._in_memory[place]
        source, number, values = json.loads(line)
        return Record(values, source, number)


def _as_line(record: Record) -> bytes | None:
    """Return the record as a line, or None where it would not come back as it is."""
    whole = [record.source, record.number, record.values]
    try:
        line = json.dumps(whole)
    except (TypeError, ValueError, RecursionError):
        return None
    return line.encode("ascii") + b"\n" if _same(json.loads(line), whole) else None


def _same(back: Any, value: Any) -> bool:
    """Whether two values are equal, types included (True == 1, and 1.0 == 1)."""
    if type(back) is not type(value):
        return False
    if isinstance(value, dict):
        return list(back) == list(value) and all(_same(back[name], value[name]) for name in value)
    if isinstance(value, list):
        return len(back) == len(value) and all(map(_same, back, value))
    return bool(back == value)
