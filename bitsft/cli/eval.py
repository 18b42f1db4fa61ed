"""`bitsft eval MODEL DATA`: the arguments, the table on stdout, the exit status.

0    done
1    an error, explained in one line
130  stopped by Ctrl-C; the same command goes on from there
"""

import argparse
import errno
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitsft.cli.data.arguments import names
from bitsft.cli.evaluation_arguments import (
    add_evaluation_arguments,
    arguments_from,
    evaluate_from,
    load_from,
)
from bitsft.cli.parser import WrongUse, at_least

if TYPE_CHECKING:
    from bitsft.evaluation.models import LoadedModel

FOLDER = Path("evaluations")
STANDARD = "standard_tasks.json"
STOPPED = 130


def add_eval_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bitsft eval` and what runs it (`parsed.run`).

    Args:
        parser: The verb's own parser.
    """
    parser.add_argument(
        "model", metavar="MODEL", help="a folder (ternary, dense or an adapter) or a Hub id"
    )
    parser.add_argument(
        "data",
        metavar="DATA",
        nargs="?",
        help="a folder that `bitsft data prepare` wrote, a file of rows, or a Hub data set; may be left out with "
        "--held-out or --tasks",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help=f"where answers and scores go; run again, it goes on there (default: {FOLDER}/MODEL--DATA)",
    )
    add_evaluation_arguments(parser)
    _add_standard(parser)
    parser.set_defaults(run=run_eval)


def _add_standard(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("standard benchmarks, by lm-evaluation-harness")
    group.add_argument(
        "--tasks",
        type=names,
        metavar="A,B",
        help="e.g. kobest,haerae; local:FOLDER for rows that `bitsft data` wrote (needs bitsft[lm-eval])",
    )
    group.add_argument(
        "--shots", type=at_least(0), help="examples before each question (default: the task's)"
    )
    group.add_argument(
        "--task-folder",
        action="append",
        default=[],
        metavar="FOLDER",
        help="where task files of your own lie",
    )


def run_eval(parsed: argparse.Namespace) -> int:
    """Evaluate and print the table.

    Args:
        parsed: What `add_eval_arguments` asked for.

    Returns:
        0, or 130 when it was stopped.

    Raises:
        ValueError, OSError, ImportError: As `evaluate_model` and `run_standard_tasks`.
    """
    from bitsft.evaluation.table import evaluation_table
    from bitsft.evaluation.unfinished import PART

    if parsed.data is None and parsed.held_out is None and parsed.tasks is None:
        raise WrongUse(
            "name what to evaluate on: bitsft eval MODEL DATA, or --held-out FILE, or --tasks NAME"
        )
    if parsed.tasks is not None:
        from bitsft._extras import require

        require("lm_eval", "lm-eval")  # before the model is loaded
    folder = parsed.output or default_folder(parsed.model, parsed.data)
    rows_given = parsed.data is not None or parsed.held_out is not None
    arguments = arguments_from(parsed) if rows_given else None
    try:
        loaded = load_from(parsed, parsed.model)
        if arguments is not None:
            evaluation = evaluate_from(parsed, loaded, folder, arguments)
            print(evaluation_table(evaluation, details=parsed.details))
            print(f"\nwritten to {folder}")
        if parsed.tasks is not None:
            _run_standard(parsed, loaded, folder)
    except KeyboardInterrupt:
        part = folder / PART
        if not part.is_file():
            raise
        answered = max(0, part.read_bytes().count(b"\n") - 1)
        print(
            f"\nStopped. {answered:,} rows are answered in {part}; the same command goes on from there.",
            file=sys.stderr,
        )
        return STOPPED
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise ValueError(
            f"{folder}: the disk is full ({error.strerror}). What was answered is kept: free some space, and the same "
            "command goes on from there"
        ) from error
    return 0


def default_folder(model: str, data: str | None) -> Path:
    """Where an evaluation goes when no folder is named: by the names of the model and the data."""

    def last(name: str) -> str:
        return Path(name).resolve().name if Path(name).exists() else name.replace("/", "-")

    return FOLDER / (last(model) if data is None else f"{last(model)}--{Path(last(data)).stem}")


def _run_standard(parsed: argparse.Namespace, loaded: "LoadedModel", folder: Path) -> None:
    from bitsft.evaluation.record import recorded_tasks
    from bitsft.evaluation.standard_tasks import run_standard_tasks

    settings: dict[str, Any] = {
        "limit": parsed.rows,
        "num_fewshot": parsed.shots,
        "batch_size": parsed.batch_size,
        "task_folders": parsed.task_folder,
        "apply_chat_template": parsed.messages,
        "system": parsed.system,
    }
    folder.mkdir(parents=True, exist_ok=True)
    with recorded_tasks(folder, loaded, {"tasks": parsed.tasks, **settings}) as run:
        results = run_standard_tasks(
            loaded.model,
            loaded.tokenizer,
            parsed.tasks,
            progress=sys.stderr.isatty(),
            **settings,
        )
        results.write(folder / STANDARD)
        run.result(scores=results.as_scores())
    print(results)
    print(f"\nwritten to {folder / STANDARD}")
