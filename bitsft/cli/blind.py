"""`bitsft compare ... --blind`, `--blind-sheet`, `--blind-read`, `--blind-results`: the arguments, and what runs them.

0  done
1  an error, explained in one line
3  `--blind-read` could not take some of the rows; the others are saved
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bitsft.cli.parser import WrongUse, at_least
from bitsft.data.fields import shorten

if TYPE_CHECKING:
    from bitsft.blind.folder import BlindFolder
    from bitsft.blind.pairs import AnswerPair
    from bitsft.evaluation.evaluation import Evaluation

ROWS_REFUSED = 3


def add_blind_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the blind comparison to those of `bitsft compare`.

    Args:
        parser: The verb's own parser.
    """
    group = parser.add_argument_group(
        "blind comparison", "people rate the answers without knowing whose they are (docs/blind.md)"
    )
    what = group.add_mutually_exclusive_group()
    what.add_argument(
        "--blind", action="store_true", help="serve a page on this machine on which people rate"
    )
    what.add_argument(
        "--blind-sheet",
        type=Path,
        metavar="FILE",
        help="write the rows of --blind-rater to a .csv file instead",
    )
    what.add_argument(
        "--blind-read", type=Path, nargs="+", metavar="FILE", help="read such files when filled in"
    )
    what.add_argument(
        "--blind-results", action="store_true", help="who won, by how much, and do raters agree"
    )
    group.add_argument(
        "--blind-folder",
        type=Path,
        default=Path("blind"),
        metavar="FOLDER",
        help="where ratings, keys and results are kept (default: %(default)s)",
    )
    group.add_argument("--blind-rater", metavar="NAME", help="whose sheet to write")
    group.add_argument(
        "--blind-rows",
        type=at_least(1),
        metavar="N",
        help="how many rows to draw (default: as before in this folder, else all)",
    )
    group.add_argument(
        "--blind-seed",
        type=int,
        metavar="N",
        help="of the draw, the orders and the sides (default: as before, else 0)",
    )
    group.add_argument(
        "--blind-port",
        type=int,
        metavar="N",
        help="of the page (default: the first free one from 7860)",
    )
    group.add_argument(
        "--no-reference",
        action="store_true",
        help="show raters neither the reference nor the context",
    )


def wants_blind(parsed: argparse.Namespace) -> bool:
    """Whether the command line asks for a blind comparison, which takes the place of the other output."""
    return bool(parsed.blind or parsed.blind_sheet or parsed.blind_read or parsed.blind_results)


def run_blind(base: "Evaluation", tuned: "Evaluation", parsed: argparse.Namespace) -> int:
    """Do what `add_blind_arguments` asked for.

    Args:
        base: The base model's evaluation.
        tuned: The tuned model's, of the same rows.
        parsed: The command line.

    Returns:
        0, or 3 when rows of a sheet could not be taken.

    Raises:
        ValueError, OSError, ImportError: As the functions of `bitsft.blind`.
    """
    from bitsft.blind.folder import BlindFolder
    from bitsft.blind.pairs import pair_answers

    if parsed.blind_sheet and not parsed.blind_rater:
        raise WrongUse(
            "--blind-sheet needs --blind-rater NAME: each rater has an order of their own"
        )
    if parsed.blind_rater and not parsed.blind_sheet:
        raise WrongUse(
            f"--blind-rater {shorten(parsed.blind_rater)} is for --blind-sheet; on the page everybody types "
            "their name"
        )
    folder = BlindFolder(parsed.blind_folder)
    if (parsed.blind_read or parsed.blind_results) and not folder.path.is_dir():
        raise FileNotFoundError(
            f"--blind-folder {folder.path}: there is no such folder, so nothing was rated there"
        )
    pair_answers(base, tuned, rows=parsed.blind_rows)  # refused before anything is written
    seed, rows = folder.settled(parsed.blind_seed, parsed.blind_rows)
    pairs = pair_answers(base, tuned, rows=rows, seed=seed)
    if parsed.blind_sheet:
        return _write_sheet(pairs, seed, folder, parsed)
    if parsed.blind_read:
        return _read_sheets(pairs, folder, parsed.blind_read)
    if parsed.blind_results:
        return _results(pairs, folder, base.model, tuned.model)
    return _serve(pairs, seed, folder, parsed)


def _serve(
    pairs: "list[AnswerPair]", seed: int, folder: "BlindFolder", parsed: argparse.Namespace
) -> int:
    from bitsft._extras import require
    from bitsft.blind.page.serve import serve
    from bitsft.blind.session import BlindSession

    require("krippendorff", "blind")  # the results need it: better said before hours of rating
    session = BlindSession(pairs, folder.ratings, seed=seed, with_reference=not parsed.no_reference)
    print(f"{len(pairs)} rows; ratings go to {folder.ratings}")
    serve(session, port=parsed.blind_port)
    return 0


def _write_sheet(
    pairs: "list[AnswerPair]", seed: int, folder: "BlindFolder", parsed: argparse.Namespace
) -> int:
    from bitsft.blind.pairs import shown_order
    from bitsft.blind.rating import rater_name
    from bitsft.blind.ratings import check_ratings, last_ratings, read_ratings
    from bitsft.blind.sheet import write_sheet

    rater = rater_name(parsed.blind_rater)
    ratings = read_ratings(folder.ratings)
    check_ratings(ratings, pairs, folder.ratings)
    given = {row: one for (name, row), one in last_ratings(ratings).items() if name == rater}
    key = write_sheet(
        parsed.blind_sheet,
        folder.keys,
        shown_order(pairs, rater, seed),
        rater,
        with_reference=not parsed.no_reference,
        given=given,
    )
    print(
        f"{parsed.blind_sheet}: {len(pairs)} rows for {rater}. Give them this file, and keep {key}, which says "
        "whose answers are whose."
    )
    return 0


def _read_sheets(pairs: "list[AnswerPair]", folder: "BlindFolder", paths: list[Path]) -> int:
    from bitsft.blind.sheet_reading import read_sheet

    readings = [(path, read_sheet(path, folder.keys, pairs)) for path in paths]
    for path, reading in readings:
        new = folder.take(reading, pairs)
        print(
            f"{path}, {reading.rater}: {len(reading.ratings)} rated ({new} new or changed), {reading.unrated} not "
            f"rated yet, {len(reading.faults)} refused"
        )
        for fault in reading.faults:
            print(f"{path}, {fault}", file=sys.stderr)
    return ROWS_REFUSED if any(reading.faults for _, reading in readings) else 0


def _results(pairs: "list[AnswerPair]", folder: "BlindFolder", base: str, tuned: str) -> int:
    from bitsft.blind.ratings import check_ratings, read_ratings
    from bitsft.blind.results import results_of
    from bitsft.blind.results_text import results_markdown

    ratings = read_ratings(folder.ratings)
    check_ratings(ratings, pairs, folder.ratings)
    results = results_of(ratings, pairs, base, tuned)
    folder.write_results(results)
    print(results_markdown(results), end="")
    return 0
