"""`bitsft data prepare | split | report | verify`: folders that hold a whole data set."""

import argparse
import os
from pathlib import Path

from bitsft.cli.data.settings import (
    add_cleaning,
    add_rendering,
    add_splitting,
    add_tokenizer,
    cleaning_from,
    rendering_from,
    splitting_from,
    tokenizer_from,
)
from bitsft.cli.data.stream import (
    add_reading,
    checked,
    checking_from,
    ledger_for,
    reading_from,
    say,
    source_from,
)

CHANGED = 3  # exit status of `bitsft data verify` when a file is not as the manifest says


def add_prepare(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bitsft data prepare`."""
    add_reading(parser)
    add_cleaning(parser)
    group = parser.add_argument_group("duplicates")
    group.add_argument(
        "--by",
        choices=("row", "question"),
        default="row",
        help="what has to be equal (default: %(default)s)",
    )
    group.add_argument(
        "--near",
        type=float,
        metavar="SIMILARITY",
        help="leave out near duplicates, too, e.g. 0.85 (needs bitsft[data])",
    )
    group.add_argument(
        "--processes",
        type=int,
        default=os.cpu_count() or 1,
        help="for near duplicates (default: %(default)s)",
    )
    add_splitting(parser)
    add_tokenizer(parser, required=False)
    parser.add_argument(
        "--max-length",
        type=int,
        default=1024,
        help="of the trainer, for the token budget (default: %(default)s)",
    )
    add_rendering(parser)
    parser.add_argument(
        "--no-report", action="store_true", help="write no report.html (it needs bitsft[report])"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="the folder to write"
    )
    parser.set_defaults(run=_prepare)


def _prepare(parsed: argparse.Namespace) -> int:
    from bitsft.data.pipeline import prepare

    done = prepare(
        source_from(parsed),
        parsed.out,
        task=parsed.task,
        reading=reading_from(parsed),
        checking=checking_from(parsed),
        cleaning=cleaning_from(parsed),
        duplicates_by=parsed.by,
        near=parsed.near,
        processes=parsed.processes,
        tokenizer=tokenizer_from(parsed),
        max_length=parsed.max_length,
        formatter=rendering_from(parsed),
        format=parsed.format,
        name=parsed.name,
        licence=parsed.licence,
        report=not parsed.no_report,
        language=parsed.language,
        strict=parsed.strict,
        overwrite=parsed.overwrite,
        **splitting_from(parsed),
    )
    say(done.ledger, done.folder / "rejected.jsonl")
    print(done.duplicates)
    if done.labels.counts:
        print(done.labels)
    if done.quality is not None:
        print(done.quality)
    print(done.split)
    print(
        f"written to {done.folder}"
        + ("" if parsed.no_report else f"; look at {done.folder / 'report.html'}")
    )
    return 0


def add_split(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bitsft data split`."""
    add_reading(parser)
    add_splitting(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="the folder to write"
    )
    parser.add_argument(
        "--rejected",
        type=Path,
        metavar="FILE",
        help="where rejected rows are written (default: FOLDER.rejected.jsonl)",
    )
    parser.set_defaults(run=_split)


def _split(parsed: argparse.Namespace) -> int:
    from bitsft.data.split import split_records, write_split

    with ledger_for(parsed) as ledger:
        split = split_records(checked(parsed, ledger), ledger=ledger, **splitting_from(parsed))
        write_split(
            split,
            parsed.out,
            ledger=ledger,
            format=parsed.format,
            name=parsed.name or parsed.out.resolve().name,
            licence=parsed.licence,
            overwrite=parsed.overwrite,
        )
    print(split)
    print(f"written to {parsed.out}")
    return 0


def add_report(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bitsft data report`."""
    parser.add_argument("folder", type=Path, help="a folder that prepare or split wrote")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="the page (default: report.html in the folder)"
    )
    parser.add_argument(
        "--samples",
        type=int,
        default=3,
        metavar="N",
        help="rows of each task to show (default: %(default)s)",
    )
    add_tokenizer(parser, required=False)
    add_rendering(parser)
    parser.set_defaults(run=_report)


def _report(parsed: argparse.Namespace) -> int:
    from bitsft.data.report import report_from_folder, write_report

    page = report_from_folder(
        parsed.folder,
        tokenizer=tokenizer_from(parsed),
        formatter=rendering_from(parsed),
        samples=parsed.samples,
        language=parsed.language,
    )
    path = parsed.out or parsed.folder / "report.html"
    write_report(page, path)
    print(f"look at {path}")
    return 0


def add_verify(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bitsft data verify`."""
    parser.add_argument("folder", type=Path, help="a folder that prepare or split wrote")
    parser.set_defaults(run=_verify)


def _verify(parsed: argparse.Namespace) -> int:
    from bitsft.data.split import verify_manifest

    changed = verify_manifest(parsed.folder)
    print("\n".join(changed) if changed else f"{parsed.folder}: every file is as its manifest says")
    return CHANGED if changed else 0
