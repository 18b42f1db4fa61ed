"""Options that several verbs of `bitsft data` share: cleaning, duplicates, formatting, the tokenizer, the split."""

import argparse
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitsft.cli.data.arguments import numbers, pairs
from bitsft.cli.parser import WrongUse
from bitsft.data.ledger import Ledger
from bitsft.data.records import Record

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from bitsft.data.clean import Cleaning
    from bitsft.data.duplicates import DuplicateReport


def add_cleaning(parser: argparse.ArgumentParser) -> None:
    """Add how texts are cleaned (`bitsft.data.Cleaning`)."""
    group = parser.add_argument_group("cleaning")
    group.add_argument(
        "--repeats",
        type=int,
        default=3,
        metavar="N",
        help="how many ㅋ of ㅋㅋㅋㅋㅋㅋ stay; 0 leaves repeats alone (default: %(default)s)",
    )
    group.add_argument(
        "--mojibake",
        action="store_true",
        help="repair texts that were read in the wrong charset (needs bitsft[data])",
    )
    group.add_argument(
        "--personal",
        type=pairs,
        metavar="KIND=ACTION",
        help="personal data: mask (default), reject or keep; for a kind or for all, e.g. all=mask,phone=keep",
    )


def cleaning_from(parsed: argparse.Namespace) -> "Cleaning":
    """The settings that the command line names."""
    from bitsft.data.clean import PERSONAL_KINDS, Cleaning

    actions = dict(parsed.personal or {})
    everything = actions.pop("all", None)
    unknown = sorted(actions.keys() - set(PERSONAL_KINDS))
    if unknown:
        raise WrongUse(f"--personal {unknown[0]}: use all or one of {', '.join(PERSONAL_KINDS)}")
    if everything is not None:
        actions = dict.fromkeys(PERSONAL_KINDS, everything) | actions
    if parsed.repeats < 0:
        raise WrongUse(f"--repeats {parsed.repeats}: give 1 or more, or 0 to leave repeats alone")
    chosen: dict[str, Any] = actions
    try:
        return Cleaning(max_repeats=parsed.repeats or None, mojibake=parsed.mojibake, **chosen)
    except ValueError as error:
        raise WrongUse(f"--personal: {error}") from error


def add_duplicates(parser: argparse.ArgumentParser) -> None:
    """Add what counts as a duplicate."""
    group = parser.add_argument_group("duplicates")
    group.add_argument(
        "--by",
        choices=("row", "question"),
        default="row",
        help="what has to be equal: the whole row, or what it asks (default: %(default)s)",
    )
    group.add_argument(
        "--conflicts",
        type=Path,
        metavar="FILE",
        help="with --by question: a list of equal questions with other answers",
    )
    group.add_argument(
        "--drop-conflicts",
        action="store_true",
        help="with --by question: reject all but the first of them",
    )
    group.add_argument(
        "--near",
        type=float,
        metavar="SIMILARITY",
        help="leave out near duplicates, too: the least Jaccard similarity of character 3-grams, e.g. 0.85 (needs bitsft[data])",
    )
    group.add_argument(
        "--review",
        type=Path,
        metavar="FILE",
        help="a list of the near duplicates, the least similar first",
    )
    group.add_argument(
        "--processes",
        type=int,
        default=os.cpu_count() or 1,
        help="for near duplicates (default: %(default)s)",
    )


def without_duplicates(
    records: Iterator[Record], parsed: argparse.Namespace, ledger: Ledger, report: "DuplicateReport"
) -> Iterator[Record]:
    """Leave out the duplicates that the command line names."""
    from bitsft.data.duplicates import drop_exact_duplicates, drop_near_duplicates

    if parsed.review is not None and parsed.near is None:
        raise WrongUse("--review lists near duplicates; give --near SIMILARITY with it, e.g. 0.8")
    if parsed.by != "question" and (parsed.conflicts is not None or parsed.drop_conflicts):
        raise WrongUse("--conflicts and --drop-conflicts are about questions; give --by question")
    records = drop_exact_duplicates(
        records,
        ledger=ledger,
        by=parsed.by,
        on_conflict="drop" if parsed.drop_conflicts else "list",
        conflicts_path=parsed.conflicts,
        report=report,
    )
    if parsed.near is not None:
        records = drop_near_duplicates(
            records,
            ledger=ledger,
            threshold=parsed.near,
            processes=parsed.processes,
            review_path=parsed.review,
            report=report,
        )
    return records


def add_rendering(parser: argparse.ArgumentParser) -> None:
    """Add how rows become prompt and completion."""
    group = parser.add_argument_group("prompt and completion")
    group.add_argument(
        "--language",
        choices=("ko", "en"),
        default="ko",
        help="of headings and instructions (default: %(default)s)",
    )
    group.add_argument(
        "--messages", action="store_true", help="lists of messages for a chat template, not texts"
    )
    group.add_argument("--system", help="a system message, with --messages")


def rendering_from(parsed: argparse.Namespace) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    """The formatter that the command line names."""
    from bitsft.data.format import format_record

    if parsed.system is not None and not parsed.messages:
        raise WrongUse("--system needs --messages: a text prompt has no system message")
    return partial(
        format_record, language=parsed.language, as_messages=parsed.messages, system=parsed.system
    )


def add_tokenizer(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Add the tokenizer to count with."""
    parser.add_argument(
        "--tokenizer",
        required=required,
        metavar="PATH",
        help="the folder (or Hub id) of the model to train, for counts of its tokens",
    )


def tokenizer_from(parsed: argparse.Namespace) -> "PreTrainedTokenizerBase | None":
    """Load the tokenizer that the command line names; None without one."""
    if parsed.tokenizer is None:
        return None
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(parsed.tokenizer)
    except (ValueError, OSError) as error:
        what = (
            "holds no tokenizer"
            if Path(parsed.tokenizer).exists()
            else "is no folder, nor could it be found on the Hub"
        )
        raise ValueError(
            f"--tokenizer {parsed.tokenizer}: {what} ({str(error).splitlines()[0]})"
        ) from error


def add_splitting(parser: argparse.ArgumentParser) -> None:
    """Add how rows are split."""
    group = parser.add_argument_group("split")
    group.add_argument(
        "--ratios",
        type=numbers,
        metavar="NAME=SHARE",
        help="default: train=0.8,validation=0.1,test=0.1",
    )
    group.add_argument(
        "--group-by",
        default="auto",
        metavar="WHAT",
        help="rows that must stay together: auto (document and question), document, question, none, or a column",
    )
    group.add_argument(
        "--stratify-by",
        default="auto",
        metavar="WHAT",
        help="auto (label or task), none, or a column",
    )
    group.add_argument(
        "--method",
        choices=("hash", "exact"),
        default="hash",
        help="hash: no row ever moves when rows are added; exact: the ratios are met (default: %(default)s)",
    )
    group.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    group.add_argument(
        "--format", choices=("parquet", "jsonl"), default="parquet", help="(default: %(default)s)"
    )
    group.add_argument("--name", help="of the data set, for its card (default: the folder's)")
    group.add_argument("--licence", help="of the data, for its card, e.g. cc-by-sa-4.0")
    group.add_argument(
        "--overwrite", action="store_true", help="replace files that an earlier run did not write"
    )


def splitting_from(parsed: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `split_records` that the command line names."""
    given: dict[str, Any] = {
        "group_by": None if parsed.group_by == "none" else parsed.group_by,
        "stratify_by": None if parsed.stratify_by == "none" else parsed.stratify_by,
        "method": parsed.method,
        "seed": parsed.seed,
    }
    return given if parsed.ratios is None else given | {"ratios": parsed.ratios}
