"""What `bitsft eval` and `bitsft compare` share: the options of an evaluation, and what is made of them.

add_evaluation_arguments ─► parsed ─┬─► load_from ──────► model ─────┐
                                    └─► arguments_from ─► settings ──┴─► evaluate_from ─► Evaluation
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitsft.cli.data.arguments import names, pairs
from bitsft.cli.data.settings import add_rendering, rendering_from
from bitsft.cli.data.stream import add_files, files_from
from bitsft.cli.parser import WrongUse, above, at_least
from bitsft.data.tasks import TASKS

if TYPE_CHECKING:
    from bitsft.evaluation.evaluation import Evaluation
    from bitsft.evaluation.models import LoadedModel


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
    group.add_argument("--rows", type=at_least(1), metavar="N", help="take N rows (default: all)")
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
        "--max-new-tokens",
        type=at_least(1),
        default=128,
        help="longest answer (default: %(default)s)",
    )
    group.add_argument(
        "--batch-size", type=at_least(1), default=16, help="rows at once (default: %(default)s)"
    )
    group.add_argument(
        "--batch-tokens",
        type=at_least(1),
        metavar="N",
        help="most tokens at once, prompts and answers",
    )
    group.add_argument(
        "--temperature", type=above(0), help="sample at this temperature (default: greedy decoding)"
    )
    group.add_argument(
        "--top-p", type=above(0, 1), help="sample from this share of the probability"
    )
    group.add_argument("--top-k", type=at_least(1), help="sample from the K most likely tokens")
    group.add_argument("--repetition-penalty", type=above(0), help="above 1 against repetition")
    group.add_argument("--stop", action="append", metavar="TEXT", help="end an answer at this text")
    group.add_argument(
        "--seed", type=at_least(0), default=0, help="of drawing and sampling (default: %(default)s)"
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
        raise WrongUse(f"--labels: {error}") from error
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
        raise WrongUse(f"{option} is about sampling: give --temperature with it, e.g. 1.0")
    if given:
        given["do_sample"] = True
    if parsed.repetition_penalty is not None:
        given["repetition_penalty"] = parsed.repetition_penalty
    if parsed.stop:
        given["stop_strings"] = list(parsed.stop)
    return given
