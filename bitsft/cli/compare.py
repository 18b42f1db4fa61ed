"""`bitsft compare BASE TUNED [DATA]`: the arguments, the table on stdout, the exit status.

0    done
1    an error, explained in one line
3    `--blind-read` could not take some of the rows
130  stopped by Ctrl-C; the same command goes on from there
"""

import argparse
import gc
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bitsft.cli.blind import add_blind_arguments, run_blind, wants_blind
from bitsft.cli.evaluation_arguments import (
    add_evaluation_arguments,
    arguments_from,
    evaluate_from,
    load_from,
)
from bitsft.cli.parser import WrongUse, at_least, at_least_number

if TYPE_CHECKING:
    from bitsft.comparison.comparison import Comparison
    from bitsft.evaluation.evaluation import Evaluation

FOLDER = Path("comparisons")
STOPPED = 130

_USED_ALWAYS = (
    "seed",
    "embedder",
    "details",
)  # options of the evaluation that are used without one


def add_compare_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bitsft compare` and what runs it (`parsed.run`).

    Args:
        parser: The verb's own parser.
    """
    what = (
        "a model (a folder or a Hub id), or the folder of an evaluation that `bitsft eval` finished"
    )
    parser.add_argument("base", metavar="BASE", help=f"before: {what}")
    parser.add_argument("tuned", metavar="TUNED", help=f"after: {what}")
    parser.add_argument(
        "data",
        metavar="DATA",
        nargs="?",
        help="as of `bitsft eval`, and what both models are asked; left out where both are evaluations",
    )
    parser.add_argument(
        "--out",
        "--output",
        type=Path,
        metavar="FOLDER",
        help=f"where everything goes; run again, it goes on there (default: {FOLDER}/BASE--TUNED--DATA)",
    )
    group = parser.add_argument_group("comparison")
    group.add_argument(
        "--by",
        metavar="METRIC",
        help="what ranks rows and is shown in slices, e.g. chrf (default: one that suits each task)",
    )
    group.add_argument(
        "--regression",
        type=at_least_number(0),
        metavar="AMOUNT",
        help="a row regressed when it lost more than this (default: a tenth of the metric's scale; of right and "
        "wrong, right before and wrong now)",
    )
    group.add_argument(
        "--resamples",
        type=at_least(1),
        default=1000,
        help="draws of rows for the intervals (default: %(default)s)",
    )
    group.add_argument(
        "--trials",
        type=at_least(1),
        default=10_000,
        help="swaps of answers for the test (default: %(default)s)",
    )
    group.add_argument(
        "--model-card",
        type=Path,
        metavar="README.md",
        help="put the table into this model card, in place of an earlier one",
    )
    group.add_argument(
        "--model-index",
        action="store_true",
        help="with --model-card: also write the tuned model's scores into its metadata, which the Hub shows",
    )
    group.add_argument("--no-report", action="store_true", help="write no report.html")
    group.add_argument(
        "--report-language",
        choices=("en", "ko"),
        default="en",
        help="of the words in report.html (default: %(default)s)",
    )
    add_blind_arguments(parser)
    add_evaluation_arguments(parser)
    parser.set_defaults(run=run_compare)


def run_compare(parsed: argparse.Namespace) -> int:
    """Evaluate what is not evaluated yet, compare, write, and print the table.

    Args:
        parsed: What `add_compare_arguments` asked for.

    Returns:
        0, what the blind comparison returns, or 130 when it was stopped.

    Raises:
        ValueError, OSError, ImportError: As `evaluate_model`, `load_evaluation`, `compare` and `write_comparison`.
    """
    blind = wants_blind(parsed)
    _check(parsed, blind)
    folder = parsed.out or default_folder(parsed)
    sides = (parsed.base, parsed.tuned)
    # both models are asked what is read once, before the first is loaded
    asked = None if all(map(_is_evaluation, sides)) else arguments_from(parsed)
    if asked is not None:
        _check_rows(parsed, asked)
    try:
        base = _evaluation(parsed, parsed.base, folder / "base", asked)
        tuned = _evaluation(parsed, parsed.tuned, folder / "tuned", asked)
    except KeyboardInterrupt:
        print(
            "\nStopped. What was answered is kept; the same command goes on from there.",
            file=sys.stderr,
        )
        return STOPPED
    if blind:
        return run_blind(base, tuned, parsed)
    _compare(parsed, base, tuned, folder)
    return 0


def default_folder(parsed: argparse.Namespace) -> Path:
    """Where a comparison goes when no folder is named: by the names of the models and the data."""
    names = [parsed.base, parsed.tuned, *([parsed.data] if parsed.data else [])]
    last = [
        Path(name).resolve().name if Path(name).exists() else name.replace("/", "-")
        for name in names
    ]
    if parsed.data:
        last[-1] = Path(last[-1]).stem
    return FOLDER / "--".join(last)


def _compare(
    parsed: argparse.Namespace, base: "Evaluation", tuned: "Evaluation", folder: Path
) -> None:
    from bitsft.comparison.comparison import compare
    from bitsft.comparison.files import write_comparison
    from bitsft.comparison.markdown import comparison_as_markdown
    from bitsft.comparison.model_card import write_model_index, write_section
    from bitsft.comparison.terminal import comparison_as_text
    from bitsft.runs import recorded

    settings = {"by": parsed.by, "regression": parsed.regression}
    settings |= {"resamples": parsed.resamples, "trials": parsed.trials}
    with recorded(
        folder,
        "compare",
        data=[{"role": "eval", **tuned.data}],
        settings={"comparison": settings, "decoding": {"signature": tuned.decoding}},
        seed=parsed.seed,
        parents=[*_runs_of(base, "base"), *_runs_of(tuned, "tuned")],
    ) as run:
        comparison = compare(
            base,
            tuned,
            seed=parsed.seed,
            resamples=parsed.resamples,
            trials=parsed.trials,
            by=parsed.by,
            regression=parsed.regression,
        )
        written = write_comparison(
            comparison, folder, report=not parsed.no_report, language=parsed.report_language
        )
        if parsed.model_card is not None:
            write_section(parsed.model_card, comparison_as_markdown(comparison))
            if parsed.model_index:
                write_model_index(parsed.model_card, comparison)
            written.append(parsed.model_card)
        run.result(scores=_scores(comparison))
    print(comparison_as_text(comparison, details=parsed.details))
    print(f"\nwritten: {', '.join(map(str, written))}")


def _check(parsed: argparse.Namespace, blind: bool) -> None:
    """Refuse what cannot work, before a model is loaded."""
    from bitsft._extras import require
    from bitsft.comparison.model_card import check_model_card
    from bitsft.evaluation.models import local_folder

    finished = [side for side in (parsed.base, parsed.tuned) if _is_evaluation(side)]
    if len(finished) < 2 and parsed.data is None and parsed.held_out is None:
        other = next(side for side in (parsed.base, parsed.tuned) if side not in finished)
        raise WrongUse(
            f"{other} is a model, so name what to ask it: bitsft compare BASE TUNED DATA. Without DATA both must be "
            "folders that `bitsft eval` finished"
        )
    if len(finished) == 2:
        _refuse_unused(parsed)
    for side in (parsed.base, parsed.tuned):
        if side not in finished:
            local_folder(side, parsed.revision)  # both, before hours are spent on the first
    if parsed.model_index and parsed.model_card is None:
        raise WrongUse("--model-index needs --model-card README.md, in which it is written")
    if parsed.model_card is not None:
        check_model_card(parsed.model_card)
    if not (blind or parsed.no_report):
        try:
            require("plotly", "report")
            require("jinja2", "report")
        except ImportError as error:
            raise ImportError(f"report.html: {error}; or pass --no-report") from error


def _check_rows(parsed: argparse.Namespace, asked: Mapping[str, Any]) -> None:
    """Refuse a finished evaluation of other rows than the other model is asked, before hours are spent on it."""
    from bitsft.comparison.paired_rows import check_same_questions
    from bitsft.evaluation.answers import read_answers
    from bitsft.evaluation.evaluation import PREDICTIONS

    questions = () if asked["data"] is None else asked["data"].questions
    sides: tuple[Literal["base", "tuned"], ...] = ("base", "tuned")
    for side in sides:
        folder = getattr(parsed, side)
        if not _is_evaluation(folder):
            continue
        answers = read_answers(Path(folder) / PREDICTIONS)
        answered = {answer.row for answer in answers}
        # --drop-long may leave out the rows that were left out there; which ones, only the model's tokenizer says
        kept = [one for one in questions if not parsed.drop_long or one.number in answered]
        check_same_questions(answers, kept, side=side)


def _refuse_unused(parsed: argparse.Namespace) -> None:
    """Options of an evaluation say nothing where both are finished."""
    if parsed.data is not None:
        raise WrongUse(
            f"BASE and TUNED are finished evaluations, which hold their rows: leave out {parsed.data}"
        )
    parser = argparse.ArgumentParser(add_help=False)
    add_evaluation_arguments(parser)
    for name, default in vars(parser.parse_args([])).items():
        if name not in _USED_ALWAYS and getattr(parsed, name) != default:
            raise WrongUse(
                f"--{name.replace('_', '-')} is about evaluating, and BASE and TUNED are finished evaluations: leave it "
                "out, or give models"
            )


def _is_evaluation(side: str) -> bool:
    """Whether it is the folder of a finished evaluation and not a model.

    Raises:
        ValueError: When the evaluation there is not finished.
    """
    from bitsft.evaluation.evaluation import SCORES
    from bitsft.evaluation.unfinished import PART

    folder = Path(side)
    if any((folder / name).is_file() for name in ("config.json", "adapter_config.json")):
        return False
    if (folder / PART).is_file() and not (folder / SCORES).is_file():
        raise ValueError(
            f"{side} holds an evaluation that is not finished: give its `bitsft eval` command again, then compare"
        )
    return (folder / SCORES).is_file()


def _evaluation(
    parsed: argparse.Namespace, side: str, folder: Path, asked: Mapping[str, Any] | None
) -> "Evaluation":
    """Load or make one side's evaluation; the model is freed when it is done."""
    from bitsft.evaluation.evaluation import load_evaluation

    if _is_evaluation(side):
        return load_evaluation(side, embedder=parsed.embedder)
    print(f"{side}:", file=sys.stderr)
    loaded = load_from(parsed, side)
    evaluation = evaluate_from(parsed, loaded, folder, asked)
    del loaded
    gc.collect()
    _free_gpu()
    return evaluation


def _free_gpu() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _runs_of(one: "Evaluation", role: str) -> list[dict[str, Any]]:
    """The runs behind one side: the training of its model and its evaluation."""
    from bitsft.runs import read_run, runs_behind

    found = runs_behind(one.model, role)
    if one.folder is not None:
        try:
            run = read_run(one.folder)
        except (FileNotFoundError, ValueError):
            return found  # an evaluation can be without its record
        found.append({"role": f"{role} evaluation", "id": run.id, "name": run.name, "folder": str(one.folder)})  # fmt: skip
    return found


def _scores(comparison: "Comparison") -> Mapping[str, Mapping[str, Any]]:
    """The table as a run's record holds it."""
    return {
        key: {
            line.metric: {
                "before": line.base,
                "value": line.tuned,
                "low": None if line.tuned_interval is None else line.tuned_interval[0],
                "high": None if line.tuned_interval is None else line.tuned_interval[1],
                "p": line.adjusted_p,
                "signature": line.signature,
                "goal": line.goal,
                "rows": line.rows,
            }
            for line in lines
        }
        for key, lines in comparison.table.items()
    }
