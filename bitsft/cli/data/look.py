"""`bitsft data quality | budget | leaks`: look at rows; nothing is changed."""

import argparse
import json
from pathlib import Path
from typing import Any

from bitsft.cli.data.paths import refuse_shared_files
from bitsft.cli.data.settings import add_rendering, add_tokenizer, rendering_from, tokenizer_from
from bitsft.cli.data.stream import add_reading, add_writing, checked, ledger_for, say, write
from bitsft.cli.parser import WrongUse
from bitsft.data.ledger import Ledger

LEAKING = 3  # exit status of `bitsft data leaks` when something leaks


def add_quality(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bitsft data quality`."""
    add_reading(parser)
    parser.add_argument(
        "--review", type=Path, metavar="FILE", help="the worst rows first, as .jsonl or .csv"
    )
    parser.add_argument(
        "--worst",
        type=int,
        default=100,
        metavar="N",
        help="rows in the review (default: %(default)s)",
    )
    for option, what in (
        ("groundedness", "of the answer's words in the documents"),
        ("question-context", "of the question's words in the documents"),
        ("question-answer", "of the question's words in the answer"),
        ("hangul", "of Hangul among the letters"),
    ):
        parser.add_argument(
            f"--min-{option}",
            type=float,
            metavar="SHARE",
            help=f"reject rows with a lower share {what}",
        )
    add_writing(parser, required=False)
    parser.set_defaults(run=_quality)


def _quality(parsed: argparse.Namespace) -> int:
    from bitsft.data.quality import QualityReport, quality_records

    report = QualityReport(worst=parsed.worst)
    with ledger_for(parsed, beside={"--review": parsed.review}) as ledger:
        records = quality_records(
            checked(parsed, ledger),
            ledger=ledger,
            report=report,
            min_groundedness=parsed.min_groundedness,
            min_question_context=parsed.min_question_context,
            min_question_answer=parsed.min_question_answer,
            min_hangul=parsed.min_hangul,
        )
        if parsed.out is None:
            ledger.count_out(sum(1 for _ in records))
        else:
            write(records, parsed, ledger)
    print(report)
    if parsed.review is not None:
        report.write_review(parsed.review)
        print(f"  look at {parsed.review}")
    return 0


def add_budget(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bitsft data budget`."""
    add_reading(parser)
    add_tokenizer(parser, required=True)
    parser.add_argument(
        "--max-length", type=int, default=1024, help="of the trainer (default: %(default)s, TRL's)"
    )
    parser.add_argument(
        "--batch-size", type=int, default=8, help="for the padding (default: %(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the counts")
    add_rendering(parser)
    parser.set_defaults(run=_budget)


def _budget(parsed: argparse.Namespace) -> int:
    from bitsft.data.budget import token_budget
    from bitsft.data.format import format_records

    refuse_shared_files(parsed.source, {"--json": parsed.json}, {})
    ledger = Ledger(strict=parsed.strict)
    records = format_records(checked(parsed, ledger), rendering_from(parsed), ledger=ledger)
    tokenizer = tokenizer_from(parsed)
    if tokenizer is None:
        raise WrongUse("--tokenizer is missing")
    budget = token_budget(
        (record.values for record in records),
        tokenizer,
        parsed.max_length,
        parts=True,
        batch_size=parsed.batch_size,
    )
    ledger.count_out(budget.rows)
    if ledger.rows_rejected:
        say(ledger)
    print(budget)
    if parsed.json is not None:
        parsed.json.write_text(
            json.dumps(budget.as_dict(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    return 0


def add_leaks(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bitsft data leaks`."""
    add_reading(parser)
    parser.set_defaults(run=_leaks)


def _leaks(parsed: argparse.Namespace) -> int:
    from bitsft.data.split import find_leaks, read_manifest

    if len(parsed.source) == 1 and (Path(parsed.source[0]) / "manifest.json").is_file():
        folder = Path(parsed.source[0])
        outputs = read_manifest(folder)["outputs"]
        parsed.source = [str(folder / entry["name"]) for entry in outputs if "rows" in entry]
    if len(parsed.source) < 2:
        raise WrongUse(
            "give two files or more, training first, or one folder that prepare or split wrote"
        )
    twice = [source for source in parsed.source if parsed.source.count(source) > 1]
    if twice:
        raise WrongUse(f"{twice[0]} is given twice; give two different files, training first")
    ledger = Ledger(strict=parsed.strict)
    parts: dict[str, Any] = {source: checked(parsed, ledger, source) for source in parsed.source}
    report = find_leaks(parts)
    print(report)
    return LEAKING if report.leaking else 0
