"""`bitsft data check | clean | dedupe | format`: rows in, rows out, the rest in a file of rejects."""

import argparse

from bitsft.cli.data.settings import (
    add_cleaning,
    add_duplicates,
    add_rendering,
    cleaning_from,
    rendering_from,
    without_duplicates,
)
from bitsft.cli.data.stream import add_reading, add_writing, checked, ledger_for, write
from bitsft.cli.parser import WrongUse

_EXAMPLES = 5  # of each kind of change, in a dry run


def add_check(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bitsft data check`."""
    add_reading(parser)
    add_writing(parser)
    parser.set_defaults(run=_check)


def _check(parsed: argparse.Namespace) -> int:
    with ledger_for(parsed) as ledger:
        write(checked(parsed, ledger), parsed, ledger)
    return 0


def add_clean(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bitsft data clean`."""
    add_reading(parser)
    add_cleaning(parser)
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="write nothing; show what would change, with examples of each kind",
    )
    parser.add_argument(
        "--show-personal",
        action="store_true",
        help="show personal data in the examples as it is, not its first and last character",
    )
    add_writing(parser, required=False)
    parser.set_defaults(run=_clean)


def _clean(parsed: argparse.Namespace) -> int:
    from bitsft.data.clean import clean_records, show_changes

    if not parsed.dry_run and parsed.out is None:
        raise WrongUse("give --out FILE, or --dry-run to see what would change")
    settings = cleaning_from(parsed)
    with ledger_for(parsed, examples=_EXAMPLES) as ledger:
        records = clean_records(
            checked(parsed, ledger), settings, ledger=ledger, show_personal=parsed.show_personal
        )
        if parsed.dry_run:
            ledger.count_out(sum(1 for _ in records))
            print(show_changes(ledger))
        else:
            write(records, parsed, ledger)
    return 0


def add_dedupe(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bitsft data dedupe`."""
    add_reading(parser)
    add_duplicates(parser)
    add_writing(parser)
    parser.set_defaults(run=_dedupe)


def _dedupe(parsed: argparse.Namespace) -> int:
    from bitsft.data.duplicates import DuplicateReport

    report = DuplicateReport()
    beside = {"--review": parsed.review, "--conflicts": parsed.conflicts}
    with ledger_for(parsed, beside=beside) as ledger:
        records = without_duplicates(checked(parsed, ledger), parsed, ledger, report)
        write(records, parsed, ledger)
    print(report)
    for path in (parsed.review, parsed.conflicts):
        if path is not None:
            print(f"  look at {path}")
    return 0


def add_format(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bitsft data format`."""
    add_reading(parser)
    add_rendering(parser)
    add_writing(parser)
    parser.set_defaults(run=_format)


def _format(parsed: argparse.Namespace) -> int:
    from bitsft.data.format import format_records

    with ledger_for(parsed) as ledger:
        records = format_records(checked(parsed, ledger), rendering_from(parsed), ledger=ledger)
        write(records, parsed, ledger)
    return 0
