"""The rows of a file as a sequence that needs the memory of the file, and not of a million dicts.

Rows are turned into Python objects when they are asked for: one at a time (JSONL) or, in a loop, a
thousand at a time (Parquet).
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

from bitsft.data.report.pairs import Row

_BATCH = 1000


class JsonLinesRows(Sequence[Row]):
    """The rows of a JSONL file, each parsed when it is asked for.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # By "\n" alone: str.splitlines would break a row at U+2028.
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
        self._lines = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]

    def __len__(self) -> int:
        return len(self._lines)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return [parsed(self._path, number, line) for number, line in self._lines[index]]
        return parsed(self._path, *self._lines[index])


class ParquetRows(Sequence[Row]):
    """The rows of a Parquet file, turned into Python objects when they are asked for.

    Args:
        path: The file.

    Raises:
        ValueError: When it is no Parquet file.
    """

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet

        try:
            self._table: pyarrow.Table = pyarrow.parquet.read_table(path)
        except (pyarrow.ArrowException, OSError) as error:
            raise ValueError(f"{path} cannot be read as Parquet: {error}") from error

    def __len__(self) -> int:
        return self._table.num_rows

    def __iter__(self) -> Iterator[Row]:
        for batch in self._table.to_batches(max_chunksize=_BATCH):
            yield from batch.to_pylist()

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        return self._table.slice(index % len(self), 1).to_pylist()[0]


def parsed(path: Path, number: int, line: bytes) -> Any:
    """Return what a line of a file holds.

    Raises:
        ValueError: When it is no JSON; with the file and the line's number, from 1.
    """
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path}, line {number} is no JSON: {error}. Write the file anew"
        ) from error
