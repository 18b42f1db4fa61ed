"""What separates the fields of a table, and whether they may be quoted: recognised from its start.

The delimiter is the one that the file's name promises (comma for .csv, tab for .tsv), unless that does
not fit the rows and another one fits all of them: comma, tab, semicolon or bar. It fits a row that has as
many fields as the header, and more than one.

Fields may be quoted in CSV. In TSV they may not, as its media type has it (IANA
text/tab-separated-values), because Korean sets such as KoBEST and KorSTS hold stray quotes; unless the
quotes are certain: read with them, each row is whole and no quote is stray; and read without them, rows do
not fit the header (fields with line breaks), or quotes within quotes are doubled. That is how
spreadsheets export.
"""

import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from bitsft.data.read.quotes import QuoteError, split_quoted

SAMPLE = 1 << 20  # characters of the file to look at

_DELIMITERS = (",", "\t", ";", "|")
_ROWS = 1000


@dataclass(frozen=True)
class Dialect:
    """How a table is written.

    Attributes:
        delimiter: The character between fields.
        quoted: Whether fields may be quoted.
    """

    delimiter: str
    quoted: bool


def recognise(
    sample: str,
    whole: bool,
    is_tsv: bool,
    columns: int | None = None,
    delimiter: str | None = None,
    quoted: bool | None = None,
) -> Dialect:
    """Find out how a table is written.

    Args:
        sample: The start of the file, read with `newline=""`.
        whole: Whether that is all of it.
        is_tsv: Whether its name promises tabs.
        columns: How many columns the caller names; None when the file has a header line.
        delimiter: The caller's word; None to recognise it.
        quoted: The caller's word; None to recognise it.
    """
    lines = io.StringIO(sample, newline="").readlines()
    if not whole and len(lines) > 1:
        lines.pop()  # cut off
    if delimiter is None:
        delimiter = _delimiter(lines, is_tsv, columns, (not is_tsv) if quoted is None else quoted)
    if quoted is None:
        quoted = not is_tsv or _is_certainly_quoted(lines, delimiter, columns)
    return Dialect(delimiter, quoted)


def _delimiter(lines: list[str], is_tsv: bool, columns: int | None, quoted: bool) -> str:
    promised = "\t" if is_tsv else ","
    best, most = promised, 1
    for delimiter in (promised, *_DELIMITERS):
        rows = [len(fields) for fields, _ in _rows(lines, delimiter, quoted)]
        width = columns or (rows[0] if rows else 0)
        fitting = rows.count(width)
        if width > 1 and delimiter == promised and fitting * 2 > len(rows):
            return promised
        if width > most and fitting == len(rows):
            best, most = delimiter, width
    return best


def _is_certainly_quoted(lines: list[str], delimiter: str, columns: int | None) -> bool:
    doubled = False
    width = columns
    for fields, stray in _rows(lines, delimiter, quoted=True):
        width = width or len(fields)
        if stray or len(fields) != width:
            return False
        # Two stray quotes in different rows look like one field of several lines, so that proves nothing.
        doubled = doubled or any(
            '"' in field and not any(end in field for end in ("\n", "\r")) for field in fields
        )
    return doubled or any(len(fields) != width for fields, _ in _rows(lines, delimiter, False))


def _rows(lines: list[str], delimiter: str, quoted: bool) -> Iterator[tuple[list[str], bool]]:
    """The fields of the first rows, with whether they hold a stray quote; a broken one has no fields."""
    rest = iter(lines)
    for line in itertools.islice(rest, _ROWS):
        if not line.rstrip("\r\n"):
            continue
        if not quoted:
            yield line.rstrip("\r\n").split(delimiter), False
            continue
        try:
            yield split_quoted(line, delimiter, lambda: next(rest, ""))
        except QuoteError:
            yield [], True
