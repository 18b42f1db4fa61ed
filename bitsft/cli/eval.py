"""`bitsft eval MODEL DATA`: the arguments, the table on stdout, the exit status.

0    done
1    an error, explained in one line
130  stopped by Ctrl-C; the same command goes on from there
"""

import argparse
import errno
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitsft.cli.data.arguments import names, pairs
from bitsft.cli.data.settings import add_rendering, rendering_from
from bitsft.cli.data.stream import add_files, files_from
from bitsft.data.tasks import TASKS

if TYPE_CHECKING:
    from bitsft.evaluation.evaluation import Evaluation
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


def add_evaluation_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which rows are asked, and how a model is loaded, answers and is scored; `bitsft compare` has them, too."""
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="start anew where the folder holds another evaluation",
    )
    _add_rows(parser)
    add_rendering(parser)
    _add_loading(parser)
    _add_generation(parser)
    _add_scores(parser)


def _add_rows(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("rows")
    group.add_argument("--split", help="of a prepared folder or a Hub data set (default: test)")
    group.add_argument(
        "--task",
        choices=sorted(TASKS),
        help="of the rows (default: each names its own, or has prompt and completion, or messages)",
    )
    group.add_argument("--rows", type=int, metavar="N", help="take N rows (default: all)")
    group.add_argument(
        "--draw",
        choices=("random", "first"),
        default="random",
        help="which N: drawn with --seed, or the first (default: %(default)s)",
    )
    group.add_argument(
        "--drop-long",
        action="store_true",
        help="leave out rows whose prompt is too long for the model, and count them (default: an error)",
    )
    add_files(group)


def _add_loading(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("model")
    group.add_argument(
        "--ternary",
        action="store_true",
        help="make a full-precision model (or the base of an adapter) ternary, as load_ternary does",
    )
    group.add_argument(
        "--dtype",
        choices=("auto", "float32", "bfloat16", "float16"),
        help="what it computes in (default: float32 on a CPU, else the one in config.json)",
    )
    group.add_argument("--device", help="e.g. cpu or cuda:0 (default: a GPU where there is one)")
    group.add_argument("--tokenizer", metavar="PATH", help="(default: the model's own)")
    group.add_argument("--revision", help="branch, tag or commit on the Hub")
    group.add_argument(
        "--trust-remote-code", action="store_true", help="run code that lies in the checkpoint"
    )


def _add_generation(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("generation")
    group.add_argument(
        "--max-new-tokens", type=int, default=128, help="longest answer (default: %(default)s)"
    )
    group.add_argument(
        "--batch-size", type=int, default=16, help="rows at once (default: %(default)s)"
    )
    group.add_argument(
        "--batch-tokens", type=int, metavar="N", help="most tokens at once, prompts and answers"
    )
    group.add_argument(
        "--temperature", type=float, help="sample at this temperature (default: greedy decoding)"
    )
    group.add_argument("--top-p", type=float, help="sample from this share of the probability")
    group.add_argument("--top-k", type=int, help="sample from the K most likely tokens")
    group.add_argument("--repetition-penalty", type=float, help="above 1 against repetition")
    group.add_argument("--stop", action="append", metavar="TEXT", help="end an answer at this text")
    group.add_argument(
        "--seed", type=int, default=0, help="of drawing and sampling (default: %(default)s)"
    )


def _add_scores(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("scores")
    group.add_argument(
        "--metrics",
        type=names,
        metavar="A,B",
        help="families, e.g. rouge,bleu,chrf (default: all that apply)",
    )
    group.add_argument(
        "--metric-tokenizer",
        choices=("auto", "mecab", "char", "word"),
        default="auto",
        help="how texts are cut for ROUGE, BLEU and METEOR (default: mecab where it is installed)",
    )
    group.add_argument(
        "--embedder", metavar="PATH", help="a sentence-transformers model for the cosine similarity"
    )
    group.add_argument(
        "--labels",
        metavar="A,B",
        help="the classes, in any order, e.g. 긍정,부정; or their names for what stands in the rows, e.g. 0=부정,1=긍정 "
        "(default: those in the rows)",
    )
    group.add_argument(
        "--no-likelihood",
        action="store_true",
        help="classify by what is generated only, not by the likelihood of each label, too",
    )
    group.add_argument(
        "--held-out",
        type=Path,
        metavar="FILE",
        help='texts for bits per byte and perplexity: lines of a .txt file, or rows with "text"',
    )
    group.add_argument(
        "--details", action="store_true", help="show recall, precision and each class, too"
    )


def _add_standard(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("standard benchmarks, by lm-evaluation-harness")
    group.add_argument(
        "--tasks",
        type=names,
        metavar="A,B",
        help="e.g. kobest,haerae; local:FOLDER for rows that `bitsft data` wrote (needs bitsft[lm-eval])",
    )
    group.add_argument(
        "--shots", type=int, help="examples before each question (default: the task's)"
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
        raise ValueError(
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


def load_from(parsed: argparse.Namespace, model: str) -> "LoadedModel":
    """Load a model with the options of the command line.

    Args:
        parsed: What `add_evaluation_arguments` asked for.
        model: A folder or a Hub id.
    """
    from bitsft.evaluation.models import load_model

    return load_model(
        model,
        tokenizer=parsed.tokenizer,
        ternary=parsed.ternary,
        dtype=parsed.dtype,
        device=parsed.device,
        revision=parsed.revision,
        trust_remote_code=parsed.trust_remote_code,
    )


def arguments_from(parsed: argparse.Namespace) -> dict[str, Any]:
    """What `evaluate_model` is given besides model and folder: read and checked, so that errors come before loading.

    Args:
        parsed: What `add_evaluation_arguments` asked for, and `data`.

    Raises:
        ValueError, OSError: As `read_data`; or an option does not apply.
    """
    from bitsft.evaluation.held_out import read_texts
    from bitsft.evaluation.labels import labels_of
    from bitsft.evaluation.rows import read_data
    from bitsft.evaluation.scoring import check_families

    check_families(parsed.metrics)
    generation_kwargs = generation_from(parsed)
    label_names, labels = labels_from(parsed.labels)
    data = None
    if parsed.data is not None:
        data = read_data(
            parsed.data,
            split=parsed.split,
            task=parsed.task,
            formatter=rendering_from(parsed),
            rows=parsed.rows,
            draw=parsed.draw,
            seed=parsed.seed,
            reading=files_from(parsed),
            checking={} if label_names is None else {"label_names": label_names},
        )
        labels_of(data, labels)
        if data.ledger.rows_rejected:
            print(data.ledger, file=sys.stderr)
            print(f"  The first: {data.ledger.rejected_rows[0]}", file=sys.stderr)
    return {
        "data": data,
        "max_new_tokens": parsed.max_new_tokens,
        "batch_size": parsed.batch_size,
        "batch_tokens": parsed.batch_tokens,
        "generation_kwargs": generation_kwargs,
        "seed": parsed.seed,
        "labels": labels,
        "likelihood": not parsed.no_likelihood,
        "held_out": None if parsed.held_out is None else read_texts(parsed.held_out),
        "drop_long": parsed.drop_long,
        "metrics": parsed.metrics,
        "metric_tokenizer": parsed.metric_tokenizer,
        "embedder": parsed.embedder,
        "overwrite": parsed.overwrite,
    }


def evaluate_from(
    parsed: argparse.Namespace,
    loaded: "LoadedModel",
    folder: Path,
    arguments: Mapping[str, Any] | None = None,
) -> "Evaluation":
    """Evaluate with the options of the command line; an evaluation that was left goes on.

    Args:
        parsed: What `add_evaluation_arguments` asked for, and `data`.
        loaded: The model.
        folder: Where answers and scores go.
        arguments: What `arguments_from` read already.
    """
    from bitsft.evaluation.evaluate import evaluate_model

    given = arguments_from(parsed) if arguments is None else arguments
    return evaluate_model(loaded, folder=folder, progress=sys.stderr.isatty(), **given)


def _run_standard(parsed: argparse.Namespace, loaded: "LoadedModel", folder: Path) -> None:
    from bitsft.evaluation.standard_tasks import run_standard_tasks

    results = run_standard_tasks(
        loaded.model,
        loaded.tokenizer,
        parsed.tasks,
        limit=parsed.rows,
        num_fewshot=parsed.shots,
        batch_size=parsed.batch_size,
        task_folders=parsed.task_folder,
        apply_chat_template=parsed.messages,
        system=parsed.system,
        progress=sys.stderr.isatty(),
    )
    folder.mkdir(parents=True, exist_ok=True)
    results.write(folder / STANDARD)
    print(results)
    print(f"\nwritten to {folder / STANDARD}")


def labels_from(text: str | None) -> tuple[dict[str, str] | None, list[str] | None]:
    """Read `--labels`: names for what stands in the rows, if any are given, and the classes.

    Raises:
        ValueError: When it is neither a list of names nor of pairs.
    """
    if text is None:
        return None, None
    try:
        if "=" not in text:
            return None, names(text)
        given = pairs(text)
    except argparse.ArgumentTypeError as error:
        raise ValueError(f"--labels: {error}") from error
    return given, list(dict.fromkeys(given.values()))


def generation_from(parsed: argparse.Namespace) -> dict[str, Any]:
    """What the command line says of decoding, for `model.generate`.

    Raises:
        ValueError: When a setting of sampling is given without --temperature.
    """
    sampling = {
        "temperature": parsed.temperature,
        "top_p": parsed.top_p,
        "top_k": parsed.top_k,
    }
    given = {name: value for name, value in sampling.items() if value is not None}
    if given and "temperature" not in given:
        option = f"--{next(iter(given)).replace('_', '-')}"
        raise ValueError(f"{option} is about sampling: give --temperature with it, e.g. 1.0")
    if given and not given["temperature"] > 0:
        raise ValueError(
            f"--temperature {given['temperature']}: it must be above 0; leave it out for greedy decoding"
        )
    if given:
        given["do_sample"] = True
    if parsed.repetition_penalty is not None:
        given["repetition_penalty"] = parsed.repetition_penalty
    if parsed.stop:
        given["stop_strings"] = list(parsed.stop)
    return given
