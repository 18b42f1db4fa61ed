"""`Spool`: rows put aside, to be gone through and looked up as often as needed, in bounded memory.

A split needs all rows before it can place the first one, a Parquet file needs all types before its first
row, and near duplicates are known when the last row has been seen. The rows wait as lines of JSON, in
memory up to 32 MiB, beyond it in an unnamed temporary file, which the system removes even when the
process is killed. 8 bytes a row stay in memory, where its line begins.

*A row comes back as it went in.* One that JSON would change (a tuple, a date, bytes, half of a surrogate
pair, a name that is no text) stays in memory as it is; how such a row is written down, or that it
cannot be, is up to `json_line`, by which `SpooledRow.line` gives it.
"""

import json
import os
import tempfile
import weakref
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

from bitsft.data.common.json_line import json_line, same_json_line
from bitsft.data.records import Record

_IN_MEMORY = 32 * 2**20
_BLOCK = 2**20
_NOT_JSON = b" "  # how `same_json_line` begins a line with NaN or an infinity


@dataclass(slots=True)
class SpooledRow:
    """A row as it waits.

    Attributes:
        source: Where it came from.
        number: Its index there.
    """

    source: str
    number: int
    _line: bytes
    _kept: Record | None

    @property
    def line(self) -> bytes:
        """The row as `json_line` writes it. Raises ValueError for what has no form in JSON."""
        if self._kept is not None or self._line.startswith(_NOT_JSON):
            return json_line(self.record())
        return self._line

    def record(self) -> Record:
        """The row as a record."""
        if self._kept is not None:
            return self._kept
        return Record(json.loads(self._line.decode()), self.source, self.number)


class Spool:
    """Rows put aside. The file is closed with the `with` statement, by `close`, or with the object.

    Args:
        folder: Where the temporary file goes; None for the system's folder (`TMPDIR`).
        in_memory: How many bytes may stay in memory.

    Attributes:
        sources: Where the rows came from, and how many from each.
    """

    def __init__(
        self, folder: str | os.PathLike[str] | None = None, *, in_memory: int = _IN_MEMORY
    ) -> None:
        self.sources: dict[str, int] = {}
        self._names: list[str] = []
        self._place_of_name: dict[str, int] = {}
        self._starts = array("q")
        self._end = 0
        self._kept: dict[int, Record] = {}  # what JSON would change, by place
        self._waiting: list[bytes] = []  # lines on their way to the file
        self._flushed = 0
        self._file = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - it lives as long as the rows
            in_memory, dir=None if folder is None else str(folder)
        )
        self.close = weakref.finalize(self, self._file.close)

    def __enter__(self) -> "Spool":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._starts)

    def add(self, record: Record, *, to_write: bool = False) -> None:
        """Put a row aside.

        Args:
            record: The row.
            to_write: Whether its line will be written: what has no form in JSON is refused now.

        Raises:
            ValueError: With `to_write`, for values that JSON has no form for (`json_line`).
        """
        line = same_json_line(record)
        if line is None or line.startswith(_NOT_JSON):
            if to_write:
                json_line(record)
            if line is None:
                self._kept[len(self._starts)] = record
                line = b""
        source = record.source
        place = self._place_of_name.get(source)
        if place is None:
            place = self._place_of_name[source] = len(self._names)
            self._names.append(source)
            self.sources[source] = 0
        self.sources[source] += 1
        entry = b"%d %d %b\n" % (place, record.number, line)
        self._waiting.append(entry)
        self._starts.append(self._end)
        self._end += len(entry)
        if self._end - self._flushed >= _BLOCK:
            self._flush()

    def __getitem__(self, place: int) -> Record:
        """The row that was put aside at a place, counted from 0."""
        if place in self._kept:
            return self._kept[place]
        self._flush()
        start = self._starts[place]
        end = self._starts[place + 1] if place + 1 < len(self._starts) else self._end
        self._file.seek(start)
        source, number, line = self._file.read(end - start).split(b" ", 2)
        return Record(json.loads(line.decode()), self._names[int(source)], int(number))

    def __iter__(self) -> Iterator[SpooledRow]:
        """All rows, in their order; several loops and look-ups may go on side by side."""
        self._flush()
        names, kept = self._names, self._kept
        place, position, rest = 0, 0, b""
        while True:
            self._file.seek(position)
            block = self._file.read(_BLOCK)
            if not block:
                return
            position += len(block)
            entries = (rest + block).split(b"\n")
            rest = entries.pop()
            for entry in entries:
                source, number, line = entry.split(b" ", 2)
                yield SpooledRow(
                    names[int(source)], int(number), line, None if line else kept[place]
                )
                place += 1

    def _flush(self) -> None:
        if self._waiting:
            self._file.seek(0, os.SEEK_END)
            self._file.write(b"".join(self._waiting))
            self._waiting.clear()
            self._flushed = self._end
