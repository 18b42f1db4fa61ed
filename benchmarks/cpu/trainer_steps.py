"""A real trainer that computes one optimizer step whenever it is asked to: what the benchmarks of whole steps share.

Each competitor is a trainer in a process of its own (`machine.Worker`). Its last callback waits inside `on_step_end`
until the parent asks for the next step; so a step holds everything that the trainer does: the batches, forward and
backward, clipping, the optimizer, the projection, zeroing the gradients, callbacks. Rows are random ids of constant
length, as packing makes them.

Limit: a request or an answer is one line of JSON; whatever else a worker prints goes to its stderr.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from machine import Worker, answers_to_parent, take_turns

ROW_TOKENS, ROWS = 512, 4
LEARNING_RATE = 1e-4

Specification = Mapping[str, Any]


# --- the worker -----------------------------------------------------------------------------------------------


def run_worker(train: Callable[[Specification, TextIO], None], specification: str) -> None:
    """`train` until the parent ends; whatever stops it is answered, for the competitor's row of the table.

    Args:
        train: Makes the trainer and lets it train with `callback_that_waits`.
        specification: What the parent gave, JSON.
    """
    answers = answers_to_parent()
    try:
        train(json.loads(specification), answers)
    except Exception as error:
        text = " ".join(str(error).split())
        answers.write(json.dumps({"error": f"{type(error).__name__}: {text[:300]}"}) + "\n")
        answers.flush()
        raise


def trainer_options(specification: Specification, **options: Any) -> dict[str, Any]:
    """Of `SFTConfig`: a training that never ends, logs and saves nothing.

    Args:
        specification: Has `folder`, `rows` (of a micro-step) and `row_tokens`.
        **options: Further ones, or others instead.
    """
    return {
        "output_dir": specification["folder"],
        "max_steps": 100_000,
        "learning_rate": LEARNING_RATE,
        "lr_scheduler_type": "constant",
        "per_device_train_batch_size": specification["rows"],
        "max_length": specification["row_tokens"],
        "gradient_checkpointing": False,
        "bf16": True,
        "use_cpu": True,
        "logging_strategy": "no",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        **options,
    }


def random_ids(specification: Specification, vocabulary: int) -> list[list[int]]:
    """Rows for eight optimizer steps, above the ids of special tokens."""
    import torch

    rows = 8 * specification["rows"] * specification.get("accumulation", 1)
    ids: list[list[int]] = torch.randint(
        3, vocabulary, (rows, specification["row_tokens"])
    ).tolist()
    return ids


def small_tokenizer() -> Any:
    """TRL asks for one; the rows are ids already."""
    from bitsft.scratch import train_tokenizer

    return train_tokenizer(["서울의 인구는 약 천만 명입니다"] * 4, 300)


def callback_that_waits(
    answers: TextIO,
    describe: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda _: {},
    prepare: Callable[[Mapping[str, Any], Mapping[str, Any]], None] = lambda *_: None,
) -> Any:
    """To be added last, so that the other callbacks' share of the step is in the time.

    Args:
        answers: Where `{"seconds": …}` goes after each step.
        describe: Gets the callback's arguments after a step; what it returns joins the answer.
        prepare: Gets the request and the callback's arguments before the next step, outside its time.
    """
    from transformers import TrainerCallback

    class Waits(TrainerCallback):
        started = time.perf_counter()

        def on_step_end(self, args, state, control, **kwargs):  # type: ignore[no-untyped-def]
            seconds = time.perf_counter() - self.started
            answers.write(json.dumps({"seconds": seconds, **describe(kwargs)}) + "\n")
            answers.flush()
            line = sys.stdin.readline()
            if not line:
                os._exit(0)  # the parent is gone
            prepare(json.loads(line), kwargs)
            self.started = time.perf_counter()

    return Waits()


# --- the parent -----------------------------------------------------------------------------------------------


def steps_in_turns(
    script: str, specifications: Mapping[str, Specification], parsed: argparse.Namespace
) -> tuple[dict[str, dict[str, Any]], dict[str, list[Mapping[str, Any]]]]:
    """All competitors' steps, one computing while the others wait.

    Args:
        script: The file that is started with `--worker`.
        specifications: Of each competitor; rows, tokens of a row and an output folder are added.
        parsed: See `add_common_options`.

    Returns:
        What each answered to its first step, and to each counted one.

    Raises:
        WorkerError: A competitor cannot train.
    """
    workers: dict[str, Worker] = {}
    first: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        common = {"rows": parsed.rows, "row_tokens": parsed.row_tokens, "folder": folder}
        try:
            for name, specification in specifications.items():  # loaded one after the other
                workers[name] = Worker(script, {**common, **specification}, parsed.threads)
                first[name] = workers[name].answer()
            jobs = {
                name: (lambda worker=worker: worker.ask({})) for name, worker in workers.items()
            }
            return first, take_turns(jobs, parsed.rounds, parsed.warm_up)
        finally:
            for worker in workers.values():
                worker.end()


def add_common_options(
    parser: argparse.ArgumentParser, script: str, *, sizes: Sequence[str], rounds: int
) -> None:
    """Sizes, rounds, rows, threads, and where the report goes (beside the script)."""
    parser.add_argument("--sizes", nargs="+", default=list(sizes))
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--warm-up", type=int, default=1)
    parser.add_argument("--rows", type=int, default=ROWS, help="rows a micro-step")
    parser.add_argument("--row-tokens", type=int, default=ROW_TOKENS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, default=Path(script).with_suffix(".json"))
    parser.add_argument("--worker", default=None, help=argparse.SUPPRESS)


def check_known(
    parser: argparse.ArgumentParser, option: str, given: Sequence[str], known: Mapping[str, Any]
) -> None:
    """End with what is known where a name is not."""
    unknown = [name for name in given if name not in known]
    if unknown:
        parser.error(f"{option}: unknown {unknown}; known are {list(known)}")


def settings(parsed: argparse.Namespace, *names: str) -> dict[str, Any]:
    """For the report: what was asked for, and the shapes of the sizes."""
    from peers import SIZES

    common = ("rounds", "warm_up", "rows", "row_tokens")
    shapes = {name: vars(SIZES[name]) for name in parsed.sizes}
    return {**{name: getattr(parsed, name) for name in (*common, *names)}, "shapes": shapes}
