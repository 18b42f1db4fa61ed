"""`Spool`: rows put aside, to be read again as often as needed, in bounded memory.

A split needs all rows before it can place the first one, and a Parquet file needs all types before its
first row. The rows wait as lines of JSON, `SOURCE NUMBER {...}`: in memory up to 256 MiB, beyond it in
an unnamed temporary file, which the system removes even when the process is killed.
"""

import json
import os
import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass

from bitsft.data.records import Record
from bitsft.data.write.lines import json_line

_IN_MEMORY = 256 * 2**20
_BLOCK = 2**20


@dataclass(slots=True)
class SpooledLine:
    """A row as it waits: where it came from, and its line of JSON."""

    source: str
    number: int
    line: bytes

    def record(self) -> Record:
        """The row as a record."""
        return Record(json.loads(self.line.decode()), self.source, self.number)


class Spool:
    """Rows put aside.

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
        self._rows = 0
        self._index: dict[str, int] = {}
        self._file = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - it lives as long as the rows
            in_memory, dir=None if folder is None else str(folder)
        )
        self.close = weakref.finalize(self, self._file.close)

    def __len__(self) -> int:
        return self._rows

    def add(self, record: Record) -> None:
        """Put a row aside. Raises ValueError for values without a form in JSON (`json_line`)."""
        line = json_line(record)
        source = self._index.setdefault(record.source, len(self._names))
        if source == len(self._names):
            self._names.append(record.source)
        self.sources[record.source] = self.sources.get(record.source, 0) + 1
        self._file.write(b"%d %d %b\n" % (source, record.number, line))
        self._rows += 1

    def __iter__(self) -> Iterator[SpooledLine]:
        """All rows, in their order. Several loops may run side by side; no row may be added then."""
        position, rest = 0, b""
        while True:
            self._file.seek(position)
            block = self._file.read(_BLOCK)
            if not block:
                return
            position += len(block)
            lines = (rest + block).split(b"\n")
            rest = lines.pop()
            for spooled in lines:
                source, number, line = spooled.split(b" ", 2)
                yield SpooledLine(self._names[int(source)], int(number), line)
