"""The `bitsft` command.

    bitsft data        raw files into a dataset that trains: check, clean, split, look at it
    bitsft demo        teach a small ternary model a task; model and Korean rows ship with the package
    bitsft compare     two models on the same rows: what got better, what got worse, and whether it can be chance
    bitsft diff        what a fine-tuning changed in a ternary model, as a small file
    bitsft eval        let a model answer rows, and score the answers
    bitsft export      a ternary model into the format of another runtime
    bitsft patch       a base and such a file make the fine-tuned model again, bit for bit
    bitsft memory      how much memory a training will need, before anything is loaded
    bitsft runs        the trainings and evaluations that were recorded: list, compare, repeat
    bitsft verify      whether two forms of a model compute the same
    bitsft --version

Each verb imports what it needs when it runs, so that `bitsft --help` answers at once.
"""

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import bitsft
from bitsft.cli.compare import add_compare_arguments
from bitsft.cli.data import add_data_arguments
from bitsft.cli.data.wording import in_options
from bitsft.cli.eval import add_eval_arguments
from bitsft.cli.export import add_export_arguments
from bitsft.cli.memory import add_memory_arguments
from bitsft.cli.messages import messages_of_a_command
from bitsft.cli.parser import WRONG_USE, Parser, WrongUse, at_least
from bitsft.cli.patch import add_diff_arguments, add_patch_arguments
from bitsft.cli.runs import add_runs_arguments
from bitsft.cli.stopping import stopped_like_ctrl_c
from bitsft.cli.verify import add_verify_arguments


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What follows `bitsft`; default: those of this process.

    Returns:
        The exit status: 0 for success, 1 for an error that was explained, 2 for options that do not fit together (and,
        by SystemExit, for ones that do not exist), 130 after Ctrl-C or SIGTERM; `runs check`, `verify` and some others have a 3.
    """
    parsed = _parser().parse_args(arguments)
    with messages_of_a_command():
        return _run(parsed)


def _run(parsed: argparse.Namespace) -> int:
    try:
        with stopped_like_ctrl_c():
            return int(parsed.run(parsed))
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `bitsft ... | head`: whoever reads has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError, ImportError) as error:
        said = in_options(str(error))
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            said += ". Free some of it, or write elsewhere (rows wait in TMPDIR between the stages)"
        print(f"bitsft: {said}", file=sys.stderr)
        return WRONG_USE if isinstance(error, WrongUse) else 1


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="bitsft", description="Fine-tuning of ternary (1.58-bit) language models.")
    parser.add_argument("--version", action="version", version=f"bitsft {bitsft.__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True)

    demo = verbs.add_parser(
        "demo",
        help="teach a small ternary model about Korean film reviews; no network, no GPU, under 3 minutes",
        description="Teaches a small ternary model on Korean rows that ship with bitsft, and shows scores and "
        "answers before and after.",
    )
    demo.add_argument(
        "--output-dir",
        type=Path,
        default=Path("demo_output"),
        help="where the packed model goes (default: %(default)s)",
    )
    demo.add_argument(
        "--task",
        choices=("reviews", "questions"),
        default="reviews",
        help="reviews: the model that ships with bitsft learns whether a film review is positive; questions: a model "
        "with random weights learns answers to questions (default: %(default)s)",
    )
    demo.add_argument(
        "--steps", type=at_least(1), default=None, help="optimizer steps (default: the task's own)"
    )
    demo.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    demo.set_defaults(run=_demo)

    add_data_arguments(
        verbs.add_parser(
            "data",
            help="from raw files to a dataset that trains: check, clean, deduplicate, split, look at it",
            description="Each verb reads files, folders or a Hub data set, says what became of every row, and writes the "
            "rows that it refuses to a file.",
        )
    )
    add_compare_arguments(
        verbs.add_parser(
            "compare",
            help="two models on the same rows: differences with a test, regressions, side by side; rate them blind",
            description="Lets two models answer the same rows (or takes two finished evaluations), and writes the "
            "differences with intervals and a paired test, the rows that changed most, and a report to look at.",
        )
    )
    add_diff_arguments(
        verbs.add_parser(
            "diff",
            help="write what a fine-tuning changed in a ternary model as a small file",
            description="Compares two checkpoint folders byte for byte, and writes the codes that flipped, the new scales and "
            "what else changed. `bitsft patch` makes the tuned folder from it again.",
        )
    )
    add_eval_arguments(
        verbs.add_parser(
            "eval",
            help="let a model answer rows, score the answers; standard benchmarks; perplexity",
            description="Generates an answer to each row, scores them, and writes answers and scores to a folder. "
            "Stopped, it goes on from there when the same command is given again.",
        )
    )
    add_export_arguments(
        verbs.add_parser(
            "export",
            help="write a ternary model in the format of transformers, llama.cpp, bitnet.cpp, vLLM, ...",
            description="Writes a ternary model in the format of another runtime. Nothing is lost silently: "
            "what a format cannot hold is refused before the first file is written.",
        )
    )
    add_patch_arguments(
        verbs.add_parser(
            "patch",
            help="make a fine-tuned model from its base and what `bitsft diff` wrote",
            description="Restores the tuned folder, every file equal to the original. A wrong base or a damaged patch is "
            "refused, and nothing is written.",
        )
    )
    add_memory_arguments(
        verbs.add_parser(
            "memory",
            help="how much memory a training will need, by part, before anything is loaded",
            description="Predicts the peak memory of a training from config.json alone; without --method, of all "
            "methods side by side. Exit status with --device-memory and --method: 0 it fits, 3 it does not.",
        )
    )
    add_runs_arguments(
        verbs.add_parser(
            "runs",
            help="the trainings, evaluations and comparisons that were recorded: list, show, compare, check",
            description="Each training, evaluation and comparison leaves a run.json in its folder. `bitsft runs "
            "FOLDER ...`, without a verb, lists those in and below the folders (see `bitsft runs list --help`).",
        )
    )
    add_verify_arguments(
        verbs.add_parser(
            "verify",
            help="compare the logits, perplexity and tokenization of a model and its export",
            description="Runs both on the same texts and compares what they compute. Exit status: 0 within the "
            "bounds, 3 beyond them, 1 for an error.",
        )
    )
    return parser


def _demo(parsed: argparse.Namespace) -> int:
    from bitsft.cli.demo import run_demo

    run_demo(parsed.output_dir, task=parsed.task, steps=parsed.steps, seed=parsed.seed)
    return 0
