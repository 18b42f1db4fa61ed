"""`run_standard_tasks`: the tasks of lm-evaluation-harness on a model that is in memory, ternary or not.

    results = run_standard_tasks(model, tokenizer, ["kobest"], limit=100)
    print(results)                                     # the table
    results.write(folder / "standard_tasks.json")      # as_dict(), atomically
    results = run_standard_tasks(model, tokenizer, ["local:prepared/"])             # what `bitsft data` wrote
    results = run_standard_tasks(model, tokenizer, ["nsmc_classification"], task_folders=["tasks/"])

A name in `tasks` is one of

    kobest, kmmlu_direct, haerae, ...   a task, group or tag of the harness; wildcards work (`kmmlu_*`)
    NAME                                a task in one of `task_folders` (YAML files of anybody's)
    local:FOLDER                        every task in a folder of task files, or in a folder that `prepare` wrote, for
                                        whose test split task files are then made (task_files.py)

The harness (https://github.com/EleutherAI/lm-evaluation-harness, 0.4.13) builds the prompts, picks few-shot
examples with its own fixed seeds and scores, so the values can be set beside published ones of the same task
version and number of shots. Its prompts are plain text unless `apply_chat_template`. Beside each score stands
what guessing gets, where that follows from the rows: of a choice among k the mean of 1/k, of macro F1 the value
for uniform guesses. A small model sits there, and a difference within two standard errors of it is none.

Put back afterwards: the random states of Python, numpy and torch, the environment, training flags; the tokenizer
is a copy. Limits: one process, one device; contexts that are too long are cut on the left by the harness, which
its log says; most of its tasks read their rows from the Hub.
"""

import difflib
import json
import logging
import os
import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitsft._extras import require
from bitsft.data.common.atomic import atomic_path
from bitsft.evaluation.task_files import is_task_folder, write_task_files

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

LOCAL = "local:"
_CHOICE_METRICS = ("acc", "acc_norm", "acc_bytes")
_MACRO_F1_TASKS = ("kobest_",)  # whose "f1" is the macro mean over classes
# Said of every model object and of every local task; both are as they should be here
_EXPECTED = (
    "`pretrained` model kwarg is not of type `str`",
    "Passed an already-initialized model",
    "Custom kwargs can be passed",
)


@dataclass(frozen=True)
class StandardScore:
    """One value of one task.

    Attributes:
        task: The task's or group's name.
        metric: The metric's name in the task, e.g. `"acc"`; with the harness's filter behind a comma where it is
            not the only one (`"exact_match,strict-match"`).
        value: As the task defines it; mostly from 0 to 1.
        stderr: Its standard error; None where the harness knows none.
        random: What uniform guessing gets; None where that does not follow from the rows.
        rows: How many rows it was computed from.
        shots: How many examples stood before each question; None for a group.
        version: Of the task: values of different versions cannot be compared.
        higher_is_better: None where the task does not say.
    """

    task: str
    metric: str
    value: float
    stderr: float | None
    random: float | None
    rows: int
    shots: int | None
    version: str
    higher_is_better: bool | None


@dataclass(frozen=True)
class StandardResults:
    """What `run_standard_tasks` returns.

    Attributes:
        model: The model's name or path.
        scores: Groups after their tasks.
        versions: Of lm_eval, transformers, torch, datasets and bitsft.
        settings: The arguments that decide the values.
    """

    model: str
    scores: tuple[StandardScore, ...]
    versions: dict[str, str]
    settings: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """A form for JSON: `{"form": 1, "model", "scores": [...], "versions", "settings"}`."""
        return {"form": 1, **asdict(self), "scores": [asdict(score) for score in self.scores]}

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write `as_dict()` to a JSON file, whole or not at all."""
        with atomic_path(path) as part:
            text = json.dumps(self.as_dict(), ensure_ascii=False, indent=2, allow_nan=True)
            part.write_text(text + "\n", encoding="utf-8")

    def __str__(self) -> str:
        """A Markdown table, a line a score."""
        lines = [
            "| task | metric | value | ± stderr | guessing | rows | shots | version |",
            "|---|---|---:|---:|---:|---:|---:|---|",
        ]
        for one in self.scores:
            cells = [one.task, one.metric, _number(one.value), _number(one.stderr)]
            cells += [_number(one.random), str(one.rows)]
            cells += ["" if one.shots is None else str(one.shots), one.version]
            lines.append(f"| {' | '.join(cells)} |")
        return "\n".join(lines)


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
        tasks: Names, see the module.
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
        stack.enter_context(_global_state_kept())
        require("lm_eval", "lm-eval")
        names, folders = _resolve_folders(tasks, task_folders, stack)
        stack.enter_context(_expected_warnings_hidden())
        loaded = _load_tasks(names, folders)
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
        scores=_read_scores(results),
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


def _resolve_folders(
    tasks: Sequence[str], task_folders: Sequence[str | os.PathLike[str]], stack: ExitStack
) -> tuple[list[str], list[str]]:
    """Names for the harness, and the folders in which it finds the local ones."""
    names, folders = [], []
    for folder in task_folders:
        if not Path(folder).is_dir():
            raise FileNotFoundError(f"{folder}: there is no such folder of task files")
        folders.append(str(folder))
    for task in tasks:
        if not task.startswith(LOCAL):
            names.append(task)
            continue
        folder = Path(task.removeprefix(LOCAL))
        if not folder.is_dir():
            raise FileNotFoundError(f"{task}: there is no such folder")
        if is_task_folder(folder):
            names += sorted(path.stem for path in folder.glob("*.yaml"))
        else:
            written = stack.enter_context(tempfile.TemporaryDirectory())
            names += write_task_files(folder, written)
            folder = Path(written)
        folders.append(str(folder))
    return names, folders


def _load_tasks(names: list[str], folders: list[str]) -> Any:
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=folders or None, include_defaults=False)
    if not all(manager.match_tasks([name]) for name in names):
        manager = TaskManager(include_path=folders or None)  # 14,000 names take some seconds
    found: list[str] = []
    for name in names:
        matches = manager.match_tasks([name])
        if not matches:
            near = difflib.get_close_matches(name, manager.all_tasks, n=3)
            hint = f"did you mean {', '.join(near)}? " if near else ""
            raise ValueError(
                f"there is no task {name!r}: {hint}`lm_eval ls tasks` lists those of the harness; tasks of your "
                f"own need their folder ({LOCAL}FOLDER, or task_folders)"
            )
        found += [match for match in matches if match not in found]
    try:
        return manager.load(found), manager
    except (ConnectionError, OSError) as error:
        if isinstance(error, FileNotFoundError) and not _about_the_hub(error):
            raise
        raise ConnectionError(
            f"{', '.join(names)}: reads its rows from the Hugging Face Hub, which did not give them ({error}). "
            "Run it once with a connection (the rows are then cached; unset HF_HUB_OFFLINE), or make task files "
            "from rows of your own with write_task_files and name them as local:FOLDER"
        ) from error


def _about_the_hub(error: BaseException) -> bool:
    return any(word in str(error) for word in ("Hub", "offline", "huggingface"))


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

    from bitsft.metrics.generation import inference_state
    from bitsft.ternary.linear import hold_codes

    tasks, manager = loaded
    groups = tasks["groups"]
    inside = {task.task_name for group in groups.values() for task in group.get_all_tasks()}
    below = {sub.name for group in groups.values() for sub in group.get_all_groups()}
    top = [group for name, group in groups.items() if name not in below]
    top += [task for name, task in tasks["tasks"].items() if name not in inside]
    with inference_state(model), hold_codes(model):  # nothing changes the weights here
        lm = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch_size)
        with _progress_bars(progress):
            results: dict[str, Any] = run(
                model=lm, tasks=top, task_manager=manager, log_samples=True, **simple_evaluate
            )
    return results


def _read_scores(results: Mapping[str, Any]) -> tuple[StandardScore, ...]:
    chance = {task: _chances(task, rows) for task, rows in results["samples"].items()}
    sizes = {task: count["effective"] for task, count in results["n-samples"].items()}
    grouped = {name: tasks for name, tasks in results.get("group_subtasks", {}).items() if tasks}
    scores = []
    for task in [*sizes, *(name for name in results["results"] if name not in sizes)]:
        values = results["results"].get(task, {})
        members = [task] if task in sizes else _leaves(task, grouped)
        rows = sum(sizes[member] for member in members)
        for key, value in values.items():
            metric, _, kind = key.partition(",")
            if not kind or metric.endswith("_stderr") or not isinstance(value, int | float):
                continue
            stderr = values.get(f"{metric}_stderr,{kind}")
            known = [chance[member].get(metric) for member in members]
            scores.append(
                StandardScore(
                    task=task,
                    metric=metric if kind == "none" else key,
                    value=float(value),
                    stderr=float(stderr) if isinstance(stderr, int | float) else None,
                    random=_weighted(known, [sizes[member] for member in members]),
                    rows=rows,
                    shots=results["n-shot"].get(task) if task in sizes else None,
                    version=str(results["versions"].get(task, "")),
                    higher_is_better=results["higher_is_better"].get(task, {}).get(metric),
                )
            )
    return tuple(scores)


def _leaves(group: str, grouped: Mapping[str, list[str]]) -> list[str]:
    members = grouped.get(group)
    if members is None:
        return [group]
    return [leaf for member in members for leaf in _leaves(member, grouped)]


def _weighted(values: Sequence[float | None], sizes: Sequence[int]) -> float | None:
    known = [(value, size) for value, size in zip(values, sizes, strict=True) if value is not None]
    if len(known) < len(values) or not known:
        return None
    return sum(value * size for value, size in known) / sum(sizes)


def _chances(task: str, samples: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """What uniform guessing gets by metric, where the rows are choices."""
    choices = [len(row["arguments"]) for row in samples]
    is_choice = all(
        isinstance(row["filtered_resps"][0], tuple | list) and len(row["arguments"]) > 1
        for row in samples
    )
    if not samples or not is_choice:
        return {}
    if "acc_mutual_info" in samples[0]["metrics"]:
        choices = [count // 2 for count in choices]  # each is asked without its context, too
    guessed = sum(1 / count for count in choices) / len(choices)
    chances = dict.fromkeys(_CHOICE_METRICS, guessed)
    golds = [row["target"] for row in samples]
    if len(set(choices)) == 1 and all(isinstance(gold, int | str) for gold in golds):
        f1 = _guessed_macro_f1([str(gold) for gold in golds], choices[0])
        chances["macro_f1"] = f1
        if task.startswith(_MACRO_F1_TASKS):
            chances["f1"] = f1
    return chances


def _guessed_macro_f1(golds: Sequence[str], choices: int) -> float:
    """Of a class with the share p of the rows, guesses of 1/k have F1 = 2·(p/k) / (p + 1/k)."""
    shares = [golds.count(gold) / len(golds) for gold in set(golds)]
    total = sum(2 * share / choices / (share + 1 / choices) for share in shares)
    return total / choices  # a class without rows scores 0, and is guessed all the same


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


@contextmanager
def _global_state_kept() -> Iterator[None]:
    """The harness seeds every generator, and importing it sets environment variables."""
    import numpy as np
    import torch

    environment = dict(os.environ)
    python_state, numpy_state = random.getstate(), np.random.get_state()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(devices=list(devices)):
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)
            for name in set(os.environ) - set(environment):
                del os.environ[name]
            os.environ.update(environment)


class _NotExpected(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not any(text in str(record.msg) for text in _EXPECTED)


@contextmanager
def _expected_warnings_hidden() -> Iterator[None]:
    loggers = [
        logging.getLogger(name) for name in ("lm_eval.api.task", "lm_eval.models.huggingface")
    ]
    own = _NotExpected()
    for logger in loggers:
        logger.addFilter(own)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(own)


def _hidden(bars: Any, *args: Any, **kwargs: Any) -> Any:
    return bars(*args, **{**kwargs, "disable": True})


@contextmanager
def _progress_bars(shown: bool) -> Iterator[None]:
    """The harness has no switch for its bars."""
    if shown:
        yield
        return
    from lm_eval.api import model, task
    from lm_eval.models import huggingface

    modules: tuple[Any, ...] = (model, task, huggingface)
    before = [module.tqdm for module in modules]
    for module, bars in zip(modules, before, strict=True):
        module.tqdm = partial(_hidden, bars)
    try:
        yield
    finally:
        for module, bars in zip(modules, before, strict=True):
            module.tqdm = bars
