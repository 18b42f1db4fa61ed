"""From the command line's files to checked records, and to the file they are written to.

Every verb reads with the same options and checks the rows against their task first: a verb that comes
later trusts nothing that an editor may have changed in between. Rows that an earlier verb wrote name
their task themselves, so `--task` and `--map` are needed once.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bitsft.cli.data.arguments import character, length_bounds, merged, names, pairs
from bitsft.cli.data.paths import refuse_shared_files
from bitsft.cli.parser import WrongUse
from bitsft.data.ledger import Ledger
from bitsft.data.records import Record
from bitsft.data.tasks import TASKS


def add_reading(parser: argparse.ArgumentParser, *, many: bool = True) -> None:
    """Add the source and how to read it.

    Args:
        parser: The verb's parser.
        many: Whether there may be several sources.
    """
    parser.add_argument(
        "source",
        nargs="+" if many else None,
        help="a .csv, .tsv, .json, .jsonl, .parquet or .txt file, a folder of them, or a data set on the Hub "
        "(owner/name), the only one that uses the network",
    )
    reading = parser.add_argument_group("reading")
    reading.add_argument(
        "--task",
        choices=sorted(TASKS),
        help="the task of the rows (default: each row names its own, as files that bitsft wrote do)",
    )
    add_files(reading)
    reading.add_argument("--hub-split", metavar="SPLIT", help="of a Hub data set (default: train)")
    reading.add_argument(
        "--keep",
        type=names,
        default=(),
        metavar="A,B",
        help="columns to keep besides the task's own",
    )
    reading.add_argument(
        "--labels", type=pairs, metavar="RAW=NAME", help="names of class labels, e.g. 0=부정,1=긍정"
    )
    reading.add_argument(
        "--languages",
        type=names,
        metavar="FROM,TO",
        help="translation: the direction of rows that hold a text by language, e.g. ko,en",
    )
    reading.add_argument(
        "--no-answer",
        metavar="TEXT",
        help="qa: what questions without an answer are answered (default: rejected)",
    )
    reading.add_argument(
        "--lengths",
        type=length_bounds,
        metavar="COLUMN=LEAST:MOST",
        help="characters that a column of the task may have, e.g. instruction=:300,output=1:2000",
    )
    parser.add_argument(
        "--strict", action="store_true", help="make the first rejected row an error"
    )


def add_files(group: argparse._ArgumentGroup) -> None:
    """Add how the rows stand in their files, or in a Hub data set.

    Args:
        group: The verb's group of options about rows.
    """
    group.add_argument(
        "--map",
        type=pairs,
        action="append",
        metavar="FILE=TASK",
        help="columns: each by its name in the file, then by the task's name for it, e.g. q=question,doc=context,a=answer",
    )
    group.add_argument(
        "--header", type=names, metavar="A,B", help="columns of a CSV/TSV without a header line"
    )
    group.add_argument("--encoding", help="of text files (default: UTF-8, then CP949)")
    group.add_argument(
        "--delimiter", type=character, help=r"of CSV/TSV, e.g. ';' or '\t' (default: recognised)"
    )
    group.add_argument(
        "--quoted",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="whether CSV/TSV fields may be quoted (default: recognised)",
    )
    group.add_argument(
        "--rows-under",
        metavar="NAME",
        help="the member of a JSON object that holds the rows, e.g. data.items",
    )
    group.add_argument(
        "--hub-config", metavar="CONFIG", help="of a Hub data set (default: its own)"
    )


def add_writing(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add the file to write, and the one for rejected rows."""
    parser.add_argument(
        "--out",
        type=Path,
        required=required,
        metavar="FILE",
        help="the .jsonl or .parquet file to write",
    )
    add_rejected(parser)


def add_rejected(parser: argparse.ArgumentParser) -> None:
    """Add the file for rejected rows."""
    parser.add_argument(
        "--rejected",
        type=Path,
        metavar="FILE",
        help="where rejected rows are written (default: beside --out, its name with .rejected.jsonl)",
    )


def checked(parsed: argparse.Namespace, ledger: Ledger, source: Any = None) -> Iterator[Record]:
    """Read and check what the command line names.

    Args:
        parsed: With the arguments of `add_reading`.
        ledger: Where rows are counted.
        source: In place of the command line's source.
    """
    from bitsft.data.check import check_records

    return check_records(
        with_progress(read(parsed, ledger, source)),
        parsed.task,
        ledger=ledger,
        **checking_from(parsed),
    )


def read(parsed: argparse.Namespace, ledger: Ledger, source: Any = None) -> Iterator[Record]:
    """Read what the command line names, unchecked."""
    from bitsft.data.read import read_records

    source = source_from(parsed) if source is None else source
    return read_records(source, ledger=ledger, **reading_from(parsed))


def source_from(parsed: argparse.Namespace) -> Any:
    """The source, or the list of them."""
    source = parsed.source
    return source[0] if isinstance(source, list) and len(source) == 1 else source


def reading_from(parsed: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `read_records` that the command line names."""
    split = {} if parsed.hub_split is None else {"split": parsed.hub_split}
    return {**files_from(parsed), **split}


def files_from(parsed: argparse.Namespace) -> dict[str, Any]:
    """Those of them that `add_files` asked for."""
    columns = {new: old for old, new in merged(parsed.map, "--map").items()}
    given = {
        "columns": columns or None,
        "header": parsed.header,
        "encoding": parsed.encoding,
        "delimiter": parsed.delimiter,
        "quoted": parsed.quoted,
        "rows_under": parsed.rows_under,
        "config": parsed.hub_config,
    }
    return {name: value for name, value in given.items() if value is not None}


@contextmanager
def ledger_for(
    parsed: argparse.Namespace,
    *,
    examples: int = 3,
    beside: Mapping[str, Path | None] | None = None,
) -> Iterator[Ledger]:
    """Open the ledger beside `--out`, and print its counts at the end.

    Args:
        parsed: The command line.
        examples: How many changes of each kind to keep.
        beside: The other files that the verb writes, by option.
    """
    path = parsed.rejected
    if path is None and parsed.out is not None:
        path = parsed.out.with_name(f"{parsed.out.stem}.rejected.jsonl")
    refuse_shared_files(
        parsed.source, {"--rejected": path, **(beside or {})}, {"--out": parsed.out}
    )
    with Ledger(path, strict=parsed.strict, examples=examples) as ledger:
        try:
            yield ledger
        except ValueError as error:
            if parsed.task is None and ("check", "task", "is missing") in ledger.rejections:
                raise ValueError(f"{error}. Name the task of the rows with --task") from error
            raise
    ledger.check_balance()
    say(ledger)


def write(records: Iterable[Record], parsed: argparse.Namespace, ledger: Ledger) -> None:
    """Write the records to `--out`."""
    from bitsft.data.write import write_records

    write_records(records, parsed.out, ledger=ledger)


def checking_from(parsed: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `check_records` that the command line names."""
    from bitsft.data.check import Bounds

    bounds = {
        column: Bounds(min=least or 0, max=most)
        for column, (least, most) in (parsed.lengths or {}).items()
    }
    if parsed.languages is not None and len(parsed.languages) != 2:
        raise WrongUse(f"--languages {','.join(parsed.languages)}: give two, e.g. ko,en")
    return {
        "bounds": bounds or None,
        "keep": parsed.keep,
        "label_names": parsed.labels,
        "languages": parsed.languages and tuple(parsed.languages),
        "no_answer": parsed.no_answer,
    }


def say(ledger: Ledger, rejected_path: Path | None = None) -> None:
    """Print the counts, and where the rejected rows are.

    Args:
        ledger: The counts.
        rejected_path: Where the rejected rows are now, when not where the ledger wrote them.
    """
    print(ledger)
    for (stage, kind), change in sorted(ledger.changes.items()):
        print(f"  {stage}: {kind}: {change.times:,} times in {change.rows:,} rows")
    if ledger.columns_left_out:
        left_out = ", ".join(f"{name} ({rows:,})" for name, rows in ledger.columns_left_out.items())
        print(f"  columns not used: {left_out}; --keep keeps them")
    for source in ledger.not_read:
        print(f"  not read to the end: {source}; its rows are missing, and count as one above")
    path = rejected_path or ledger.rejected_path
    if ledger.rows_rejected and path is not None:
        print(f"  rejected rows: {path}. The first: {ledger.rejected_rows[0]}")


def with_progress(records: Iterable[Record]) -> Iterator[Record]:
    """Show the rows read while they pass; nothing where the output is no terminal."""
    from tqdm import tqdm

    yield from tqdm(
        records, unit=" rows", unit_scale=True, disable=None, file=sys.stderr, mininterval=0.5
    )
