"""`run_standard_tasks`: a model in memory through lm-evaluation-harness."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from copy import deepcopy
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from bitsft._extras import require
from bitsft.evaluation.standard_tasks.find_tasks import load_tasks, resolve_folders
from bitsft.evaluation.standard_tasks.restored_state import (
    expected_warnings_hidden,
    global_state_kept,
    progress_bars,
)
from bitsft.evaluation.standard_tasks.results import StandardResults, read_scores

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def run_standard_tasks(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    tasks: Sequence[str],
    *,
    limit: int | None = None,
    num_fewshot: int | None = None,
    batch_size: int = 8,
    task_folders: Sequence[str | os.PathLike[str]] = (),
    apply_chat_template: bool = False,
    system: str | None = None,
    progress: bool = False,
) -> StandardResults:
    """Run tasks of lm-evaluation-harness on a model object.

    Args:
        model: A causal language model; nothing about it is changed.
        tokenizer: Its tokenizer; a copy is used.
        tasks: Names, see `bitsft.evaluation.standard_tasks`.
        limit: Take this many rows of each task, from the start; None takes all.
        num_fewshot: Examples before each question; None takes each task's own number. Tasks that fix 0 keep it.
        batch_size: Rows per forward pass.
        task_folders: Folders with task files of your own.
        apply_chat_template: Ask in the tokenizer's chat template, for models that were tuned on it.
        system: A system message, with `apply_chat_template`.
        progress: Show the harness's progress bars.

    Returns:
        The scores, in the order of the harness.

    Raises:
        ImportError: The extra `lm-eval` is not installed.
        ValueError: A task is unknown, none is given, or a number is below 1.
        FileNotFoundError: A folder that is named is not there.
        ConnectionError: A task's rows are on the Hub, which cannot be reached.
    """
    if isinstance(tasks, str) or not tasks:
        raise ValueError(f"tasks={tasks!r}: give a list of task names, e.g. ['kobest']")
    for name, number in (("limit", limit), ("batch_size", batch_size)):
        if number is not None and number < 1:
            raise ValueError(f"{name}={number}: it must be 1 or more")
    if system is not None and not apply_chat_template:
        raise ValueError(
            "system needs apply_chat_template=True: a plain prompt has no system message"
        )

    with ExitStack() as stack:
        stack.enter_context(global_state_kept())
        require("lm_eval", "lm-eval")
        names, folders = resolve_folders(tasks, task_folders, stack)
        stack.enter_context(expected_warnings_hidden())
        loaded = load_tasks(names, folders)
        results = _evaluate(
            model,
            deepcopy(tokenizer),
            loaded,
            batch_size=batch_size,
            progress=progress,
            simple_evaluate={
                "limit": limit,
                "num_fewshot": num_fewshot,
                "apply_chat_template": apply_chat_template,
                "system_instruction": system,
            },
        )
    return StandardResults(
        model=str(model.config.name_or_path or type(model).__name__),
        scores=read_scores(results),
        versions={
            package: version(package)
            for package in ("lm_eval", "transformers", "torch", "datasets", "bitsft")
        },
        settings={
            "tasks": list(tasks),
            "limit": limit,
            "num_fewshot": num_fewshot,
            "batch_size": batch_size,
            "apply_chat_template": apply_chat_template,
            "system": system,
        },
    )


def _evaluate(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    loaded: Any,
    *,
    batch_size: int,
    progress: bool,
    simple_evaluate: dict[str, Any],
) -> dict[str, Any]:
    from lm_eval import simple_evaluate as run
    from lm_eval.models.huggingface import HFLM

    from bitsft.metrics.inference_state import inference_state
    from bitsft.ternary.held_codes import hold_codes

    tasks, manager = loaded
    groups = tasks["groups"]
    inside = {task.task_name for group in groups.values() for task in group.get_all_tasks()}
    below = {sub.name for group in groups.values() for sub in group.get_all_groups()}
    top = [group for name, group in groups.items() if name not in below]
    top += [task for name, task in tasks["tasks"].items() if name not in inside]
    with inference_state(model), hold_codes(model):  # nothing changes the weights here
        lm = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch_size)
        with progress_bars(progress):
            results: dict[str, Any] = run(
                model=lm, tasks=top, task_manager=manager, log_samples=True, **simple_evaluate
            )
    return results
