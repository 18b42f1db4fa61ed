"""CSV and TSV: a header line with the columns' names, then a row a line.

Values are texts, as they stand in the file. Blank lines are skipped. A row with the wrong number of
fields, or with a broken quote (quotes.py), is a fault with its line's number, and reading goes on.
Columns without a name at the right end, which spreadsheets add, are left out where they are empty. So is a
first line `sep=;`, by which Excel is told the delimiter; it is taken from there.

Limits: a row holds at most 16,777,216 characters if it has quoted fields.
"""

import logging
import re
from collections.abc import Iterator, Sequence

from bitsft.data.fields import shorten
from bitsft.data.read.charset import TextFile
from bitsft.data.read.dialect import SAMPLE, Dialect, recognise
from bitsft.data.read.faults import Fault, Row, UnreadableFileError, excerpt
from bitsft.data.read.quotes import Lines, QuoteError, find_next_row, split_quoted

logger = logging.getLogger(__name__)

_SEPARATOR = re.compile(r'"?sep=([^\s"])"?\r?\n', re.IGNORECASE)


def read_table(
    file: TextFile,
    *,
    is_tsv: bool,
    header: Sequence[str] | None = None,
    delimiter: str | None = None,
    quoted: bool | None = None,
) -> Iterator[Row | Fault]:
    """Yield the rows of a table, and faults in the place of those that cannot be read.

    Args:
        file: The file.
        is_tsv: Whether its name promises tabs and no quotes.
        header: The columns' names; None when the first line has them.
        delimiter: The character between fields; None to recognise it.
        quoted: Whether fields may be quoted; None to recognise it.

    Raises:
        UnreadableFileError: When there is no row behind the header, or two columns have one name.
    """
    with file.open("") as stream:
        sample = stream.read(SAMPLE)
        said = _SEPARATOR.match(sample)
        if said:
            sample, delimiter = sample[said.end() :], delimiter or said[1]
        columns = None if header is None else len(header)
        whole = len(sample) < SAMPLE
        dialect = recognise(sample, whole, is_tsv, columns, delimiter, quoted)
    if dialect != Dialect("\t" if is_tsv else ",", not is_tsv):
        may = "may" if dialect.quoted else "may not"
        logger.info(
            "%s: fields lie between %r and %s be quoted", file.source, dialect.delimiter, may
        )
    with file.open("") as stream:
        lines = Lines(stream)
        if said:
            lines.next()
        yield from _read(lines, file.source, dialect, header)


def _read(
    lines: Lines, source: str, dialect: Dialect, header: Sequence[str] | None
) -> Iterator[Row | Fault]:
    delimiter, quoted = dialect.delimiter, dialect.quoted
    names = None if header is None else _checked(source, header)
    width = len(names or ())
    rows = 0
    for line in lines:
        number = lines.number
        if quoted and '"' in line:
            lines.mark()
            try:
                fields, _ = split_quoted(line, delimiter, lines.next)
            except QuoteError as error:
                lines.go_back()
                if names is None:
                    raise UnreadableFileError(
                        source,
                        "the header line holds a broken quote",
                        f"line {number}: {error}",
                        "Repair it, or pass quoted=False if quotes are plain characters there",
                    ) from error
                find_next_row(lines, delimiter, width)
                rows += 1
                yield _broken_quote(line, number, lines.number, str(error))
                continue
        else:
            fields = line.rstrip("\r\n").split(delimiter)
            if fields == [""]:
                continue
        if names is None:
            names = _checked(source, fields)
            width = len(fields)
            continue
        rows += 1
        if len(fields) != width:
            yield _wrong_number(fields, width, number, quoted)
        elif width == len(names):
            yield dict(zip(names, fields, strict=True))
        elif any(fields[len(names) :]):
            yield _wrong_number(fields, len(names), number, quoted)
        else:
            yield dict(zip(names, fields, strict=False))
    if not rows:
        found = "there is only a header line" if names else "there are only blank lines"
        raise UnreadableFileError(
            source, "holds no rows", found, "Leave the file out, or write it again"
        )


def _checked(source: str, names: Sequence[str]) -> list[str]:
    """The columns' names, without the nameless ones at the right end."""
    names = [name.strip() for name in names]
    while len(names) > 1 and not names[-1]:
        names.pop()
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UnreadableFileError(
            source,
            "has two columns of one name",
            f"the header line names {twice} more than once",
            "Rename one of them in the file, or leave it out",
        )
    return names


def _wrong_number(fields: list[str], width: int, number: int, quoted: bool) -> Fault:
    found = f"{len(fields)} fields where the header has {width}"
    return Fault(
        reason="has the wrong number of fields",
        place=f"line {number}",
        said=f"{found}, in {shorten(fields)}",
        remedy="Check its quotes" if quoted else "Pass quoted=True if fields are quoted",
        value=shorten(fields),
        detail=found,
    )


def _broken_quote(line: str, number: int, last: int, message: str) -> Fault:
    given_up = f"; lines {number} to {last} are not read" if last > number else ""
    return Fault(
        reason="holds a broken quote",
        place=f"line {number}",
        said=f"{message}{given_up}",
        remedy="Pass quoted=False if quotes are plain characters there",
        value=excerpt(line),
        detail=f"{message}{given_up}",
    )
