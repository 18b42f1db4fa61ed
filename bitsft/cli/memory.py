"""`bitsft memory MODEL`: what a training will need, by part; without --method, all methods side by side.

0  foretold (and, with --device-memory, it fits)
1  an error, explained in one line
3  does not fit into --device-memory
"""

import argparse
import json
from pathlib import Path
from typing import Any

from bitsft.cli.parser import WrongUse, at_least

DOES_NOT_FIT = 3
_METHODS = ("latent", "latent-8bit", "stochastic", "lora-packed", "qlora", "lora")


def add_memory_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bitsft memory` and what runs it (`parsed.run`).

    Args:
        parser: The verb's own parser.
    """
    parser.add_argument(
        "model", metavar="MODEL", help="a folder with config.json, or a Hub id; no weights are read"
    )
    parser.add_argument(
        "--method", choices=_METHODS, help="how it is trained (default: all, side by side)"
    )
    parser.add_argument("--batch", type=at_least(1), default=1, help="rows (default: %(default)s)")
    parser.add_argument(
        "--length", type=at_least(1), default=1024, help="tokens of a row (default: %(default)s)"
    )
    parser.add_argument(
        "--no-gradient-checkpointing",
        action="store_true",
        help="activations are kept, not recomputed (TRL recomputes by default)",
    )
    parser.add_argument("--optim", help="as in TrainingArguments (default: the method's own)")
    parser.add_argument(
        "--rank", type=at_least(1), default=16, help="of the adapters (default: %(default)s)"
    )
    parser.add_argument(
        "--dtype",
        choices=("float32", "bfloat16", "float16"),
        help="the model is loaded in (default: float32 for latent weights, else bfloat16)",
    )
    parser.add_argument(
        "--codes",
        choices=("packed", "int8"),
        default="packed",
        help="of the base of lora-packed (default: %(default)s)",
    )
    parser.add_argument(
        "--teacher", metavar="MODEL", help="loaded beside it in bfloat16, for distillation"
    )
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), default="cpu", help="default: %(default)s"
    )
    parser.add_argument(
        "--device-memory",
        metavar="SIZE",
        help="8G, for example: which batch and length fit (exit status 3 if --method does not)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the forecasts there, too")
    parser.add_argument(
        "--trust-remote-code",
        action="store_true",
        help="allow model code that lies in MODEL (read it first)",
    )
    parser.set_defaults(run=run_memory)


def run_memory(parsed: argparse.Namespace) -> int:
    """Predict, and print the table.

    Args:
        parsed: What `add_memory_arguments` asked for.

    Returns:
        0, or 3 where the one method asked for does not fit into `--device-memory`.

    Raises:
        ValueError, OSError: As `predict_memory`; or a size that is none.
    """
    import torch

    from bitsft.memory.fit import bytes_of, largest_that_fits
    from bitsft.memory.forecast import predict_memory
    from bitsft.memory.table import by_part, side_by_side

    if parsed.method is None and parsed.optim is not None:
        raise WrongUse("--optim belongs to one method; add --method.")
    try:
        room = None if parsed.device_memory is None else bytes_of(parsed.device_memory)
    except ValueError as error:
        raise WrongUse(f"--device-memory: {error}") from error
    if parsed.json is not None and not parsed.json.parent.is_dir():
        raise FileNotFoundError(
            f"--json {parsed.json}: the folder {parsed.json.parent} does not exist."
        )
    for model in (parsed.model, parsed.teacher):
        _refuse_missing(model)
    methods = _METHODS if parsed.method is None else (parsed.method,)
    options: dict[str, Any] = {
        "gradient_checkpointing": not parsed.no_gradient_checkpointing,
        "optim": parsed.optim,
        "rank": parsed.rank,
        "dtype": None if parsed.dtype is None else getattr(torch, parsed.dtype),
        "teacher": parsed.teacher,
        "codes_in_memory": parsed.codes,
        "device": parsed.device,
        "trust_remote_code": parsed.trust_remote_code,
    }
    try:
        forecasts = [
            predict_memory(parsed.model, method, parsed.batch, parsed.length, **options)
            for method in methods
        ]
    except OSError as error:
        if Path(parsed.model).is_dir():
            raise
        raise FileNotFoundError(
            f"{parsed.model}: is no folder here, and its config.json could not be fetched from the Hub "
            f"({str(error).splitlines()[0]}). Check the name and the network, or give a folder"
        ) from error
    fitting = None
    if room is not None:
        fitting = [
            largest_that_fits(
                parsed.model,
                method,
                room,
                batch_size=parsed.batch,
                length=parsed.length,
                **options,
            )
            for method in methods
        ]
    if parsed.method is None:
        print(f"{parsed.model}: batch {parsed.batch} x {parsed.length} tokens, on {parsed.device}")
        print(side_by_side(forecasts, fitting))
        if fitting is not None:
            print(
                f"batch: the largest at {parsed.length} tokens that fits into {parsed.device_memory}; "
                f"length: the longest at batch {parsed.batch}"
            )
    else:
        print(by_part(forecasts[0]))
        if fitting is not None:
            batch, length = fitting[0]
            print(
                f"  fits into {parsed.device_memory}: {batch or 'no'} rows of {parsed.length} tokens, or rows of "
                f"{length or 'no'} tokens at batch {parsed.batch}"
            )
    if parsed.json is not None:
        found = [forecast.as_dict() for forecast in forecasts]
        for one, pair in zip(found, fitting or [], strict=fitting is not None):
            one["fits"] = {"batch": pair[0], "length": pair[1]}
        parsed.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    one_alone = parsed.method is not None and room is not None
    return DOES_NOT_FIT if one_alone and forecasts[0].total > (room or 0) else 0


def _refuse_missing(model: str | None) -> None:
    """A bare name, or a path, is a folder that is missing: the Hub is not asked for it."""
    if model is None or Path(model).exists():
        return
    if model.count("/") != 1 or model.startswith((".", "~", "/")):
        raise FileNotFoundError(
            f"{model}: there is no such folder. Give a folder with config.json, or a Hub id (owner/name)"
        )
