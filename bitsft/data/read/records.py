"""`read_records`: any source of raw rows -> `Record`s, one at a time, each row accounted for.

Rows come as they stand in the source: checking them is the next stage's work. Memory does not grow with the
number of rows. What cannot be read is never skipped in silence:

- a row: rejected, with its line, and reading goes on; its number is its place in the file, where broken
  rows count too;
- the rest of a file that is broken in the middle: one reject;
- a whole file (empty, no charset, corrupt): an error if it is the only one, else one reject, and the
  other files are read.

With `Ledger(strict=True)` the first of these is an error.
"""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from bitsft.data.ledger import Ledger
from bitsft.data.read.columns import Columns
from bitsft.data.read.faults import Fault, UnreadableFileError
from bitsft.data.read.hub import is_dataset
from bitsft.data.read.options import Options
from bitsft.data.read.sources import Source, find_sources
from bitsft.data.records import Record, as_records

logger = logging.getLogger(__name__)

PathLike: TypeAlias = str | os.PathLike[str]

_STAGE = "read"


def read_records(
    source: PathLike | Iterable[Any],
    *,
    columns: Mapping[str, str] | None = None,
    header: Sequence[str] | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    quoted: bool | None = None,
    rows_under: str | None = None,
    split: str | None = None,
    config: str | None = None,
    streaming: bool = False,
    ledger: Ledger,
) -> Iterator[Record]:
    """Read raw rows, one at a time.

    Args:
        source: A file whose name ends in .csv, .tsv, .json, .jsonl, .ndjson, .parquet or .txt (text also
            as .gz, .bz2, .xz); a folder of such files; a list of files and folders; a Hub data set
            `"owner/name"`, which is the one case that uses the network; an object of `datasets`; or
            an iterable of dicts. What looks like a Hub id is a file when its folder exists.
        columns: New names, `{new: name in the source}`. Columns that are not named keep their own.
        header: The columns' names, for CSV and TSV files that have no header line.
        encoding: Of text files, e.g. `"utf-16"`. None tries UTF-8, then CP949.
        delimiter: Between the fields of CSV and TSV files. None recognises comma, tab, semicolon and bar.
        quoted: Whether fields may be quoted. None means yes for CSV; for TSV, only if that is certain.
        rows_under: The keys that lead to the rows of a .json file, e.g. `"data.items"`. None takes its
            one list of objects.
        split: The part of a Hub data set or `DatasetDict`. None means `"train"`.
        config: The configuration of a Hub data set. None for its default.
        streaming: Read a Hub data set while it is downloaded.
        ledger: Where rows are counted in, and rejected.

    Returns:
        The rows, in the order of the sources. `Record.source` is the file as named, joined to its folder.

    Raises:
        FileNotFoundError: At once, when there is no such file and the name is no Hub id.
        ValueError: At once, for an option that nothing read here has a use for. While reading: when
            no row can be read, when `columns` names what a single source does not have, for any fault if
            the ledger is strict.
        TypeError: When the source is none of the above.
    """
    options = Options(
        header, encoding, delimiter, quoted, rows_under, split, config, streaming or None
    )
    if isinstance(source, Mapping) and not is_dataset(source):
        raise TypeError(
            f"the source is a mapping with {list(source)[:10]}; give a list of rows, each a dict"
        )
    if isinstance(source, str | os.PathLike) or is_dataset(source) or _are_paths(source):
        return _read(find_sources(source, options), columns, ledger)
    if not isinstance(source, Iterable):
        raise TypeError(
            f"the source is of type {type(source).__name__}; give a path, a list of paths, a Hub id, a "
            "data set or rows"
        )
    if options.given():
        names = ", ".join(f"{name}=" for name in options.given())
        raise ValueError(f"{names} does not apply to rows from memory; leave it out")
    return _from_memory(source, columns, ledger)


def _are_paths(source: Any) -> bool:
    return (
        isinstance(source, list | tuple)
        and bool(source)
        and all(isinstance(path, str | os.PathLike) for path in source)
    )


def _from_memory(
    rows: Iterable[Any], columns: Mapping[str, str] | None, ledger: Ledger
) -> Iterator[Record]:
    renamer = Columns(columns, "the rows") if columns else None
    empty = True
    for record in as_records(rows, ledger):
        empty = False
        if renamer is not None:
            record = Record(renamer.rename(record.values), record.source, record.number)
        yield record
    if empty:
        raise ValueError("the source holds no rows that can be read")
    if renamer is not None:
        renamer.refuse_missing()


def _read(
    sources: list[Source], columns: Mapping[str, str] | None, ledger: Ledger
) -> Iterator[Record]:
    several = len(sources) > 1
    first_problem = ""
    anything = False
    rejected = 0
    never_found = set(columns.values()) if columns else set()
    for source in sources:
        name = source.name
        renamer = Columns(columns, name or source.what) if columns else None
        number = -1
        delivered = False
        try:
            for number, row in enumerate(source.read()):
                ledger.count_in()
                if isinstance(row, Fault):
                    rejected += 1
                    first_problem = first_problem or _said(name, row)
                    _reject(name, number, row, ledger)
                    continue
                if renamer is not None:
                    row = renamer.rename(row)
                    if not delivered and source.has_fixed_columns and not several:
                        renamer.refuse_missing()
                delivered = anything = True
                yield Record(row, name, number)
            if number < 0:
                raise UnreadableFileError(
                    name or source.what, "holds no rows", "", "Leave it out, or write it again"
                )
        except UnreadableFileError as error:
            if not several or ledger.strict:
                raise
            first_problem = first_problem or str(error)
            rejected += 1
            ledger.count_in()
            ledger.not_read.append(name)
            ledger.reject(
                Record({}, name, number + 1),
                stage=_STAGE,
                field=None,
                value=None,
                reason=error.reason,
                remedy=error.remedy,
                detail=error.detail,
            )
        if renamer is not None and delivered:
            missing = renamer.missing()
            never_found.intersection_update(missing)
            if missing and several:
                logger.warning("%s has no column %s", name, ", ".join(map(repr, missing)))
            elif missing:
                renamer.refuse_missing()
    if not anything:
        where = f"{sources[0].name or sources[0].what}: " if not several else ""
        raise ValueError(
            f"{where}no row could be read, {rejected:,} rejected; the first: {first_problem}"
        )
    if never_found:
        raise ValueError(f"columns names {sorted(never_found)}, but none of the files has them")


def _said(name: str, fault: Fault) -> str:
    where = f"{name}, {fault.place}" if name else fault.place
    return f"{where}: {fault.said}. {fault.remedy}"


def _reject(name: str, number: int, fault: Fault, ledger: Ledger) -> None:
    if fault.ends:
        ledger.not_read.append(name)
    try:
        ledger.reject(
            Record({}, name, number),
            stage=_STAGE,
            field=None,
            value=fault.value,
            reason=fault.reason,
            remedy=fault.remedy,
            detail=f"{fault.place}: {fault.detail}" if fault.detail else fault.place,
        )
    except ValueError as error:  # strict: say it with the line rather than the row's number
        raise ValueError(_said(name, fault)) from error
