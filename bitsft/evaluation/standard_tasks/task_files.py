"""`write_task_files`: a folder that `prepare` wrote -> tasks of lm-evaluation-harness that need no network.

    OUT/NAME_TASK.yaml     the task: multiple choice over the labels of classification rows, else generation
    OUT/NAME_TASK.jsonl    its rows: prompt, and completion or choices and gold
    OUT/scoring.py         the functions that the YAML names, from bitsft.evaluation.standard_tasks.task_scoring

The folder can be moved, and used without bitsft's own command: `lm_eval --include_path OUT --tasks NAME_TASK`
(bitsft has to be installed there). Prompts and completions are those that the model was trained on, up to the
single space before the completion.

Limits: text prompts only; few-shot examples are not offered, because a model that was fine-tuned on the prompt
alone never saw them.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from bitsft.data.common.atomic import atomic_path
from bitsft.data.format import format_record
from bitsft.data.prepared import load_prepared
from bitsft.evaluation.standard_tasks.task_scoring import TEXT_METRICS

VERSION = 1

_SCORING = '''"""Written by bitsft: what the tasks in this folder read and how they are scored."""

from pathlib import Path

from bitsft.evaluation.standard_tasks.task_scoring import label_scores, macro_f1, read_task_rows, text_scores

__all__ = ["label_scores", "macro_f1", "rows", "text_scores"]


def rows(file, **_):
    return read_task_rows(Path(__file__).parent / file)
'''


def write_task_files(
    prepared_folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    split: str = "test",
    name: str | None = None,
    max_new_tokens: int = 128,
    formatter: Callable[[Mapping[str, Any]], Mapping[str, Any]] = format_record,
) -> list[str]:
    """Write a task for each kind of rows in one split of a prepared folder.

    Args:
        prepared_folder: What `bitsft data` or `prepare` wrote.
        out: The folder for the task files; made when it is not there.
        split: The split to evaluate on.
        name: The tasks are called `NAME_TASK`, e.g. `nsmc_classification`; default: the folder's name.
        max_new_tokens: Longest generated answer.
        formatter: As for `load_prepared`: the one that the training rows were formatted with.

    Returns:
        The names of the tasks, sorted.

    Raises:
        FileNotFoundError: When the folder has no manifest.
        ValueError: When there is no such split or it is empty, a row's prompt is messages, or the labels of
            the rows to choose among are fewer than two.
    """
    source = Path(prepared_folder)
    raw = load_prepared(source, formatter=None)
    if split not in raw or not len(raw[split]):
        raise ValueError(f"{source}: has no rows in a split {split!r}; there are {', '.join(raw)}")
    title = re.sub(r"[^\w.-]+", "_", name or source.resolve().name)
    labels = sorted(
        {row["label"] for rows in raw.values() for row in rows if row["task"] == "classification"}
    )
    by_task: dict[str, list[dict[str, Any]]] = {}
    for number, row in enumerate(raw[split]):
        present = {key: value for key, value in row.items() if value is not None}
        by_task.setdefault(row["task"], []).append(
            _task_row(present, number, formatter, labels if row["task"] == "classification" else [])
        )
    folder = Path(out)
    with atomic_path(folder / "scoring.py") as part:
        part.write_text(_SCORING, encoding="utf-8")
    names = []
    for task, rows in sorted(by_task.items()):
        names.append(f"{title}_{task}")
        with (
            atomic_path(folder / f"{names[-1]}.jsonl") as part,
            part.open("w", encoding="utf-8") as f,
        ):
            f.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        with atomic_path(folder / f"{names[-1]}.yaml") as part:
            part.write_text(_yaml(names[-1], task, max_new_tokens), encoding="utf-8")
    return names


def is_task_folder(folder: Path) -> bool:
    """Whether `write_task_files` wrote here."""
    return (folder / "scoring.py").is_file() and any(folder.glob("*.yaml"))


def _task_row(
    row: dict[str, Any],
    number: int,
    formatter: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    labels: list[str],
) -> dict[str, Any]:
    formatted = formatter(row)
    prompt, completion = formatted["prompt"], formatted["completion"]
    if not isinstance(prompt, str) or not isinstance(completion, str):
        raise ValueError(
            f"row {number}: the formatter made messages, but task files hold text prompts. Use a formatter "
            "without as_messages, or score the messages with bitsft eval MODEL DATA"
        )
    if not labels:
        return {"prompt": prompt, "completion": completion}
    if len(labels) < 2:
        raise ValueError(f"all rows have the label {labels[0]!r}: there is nothing to choose among")
    if row["label"] not in completion:
        raise ValueError(
            f"row {number}: the completion {completion!r} does not hold the label {row['label']!r}, so the "
            "other labels cannot be put in its place"
        )
    choices = [completion.replace(row["label"], label) for label in labels]
    return {"prompt": prompt, "choices": choices, "gold": labels.index(row["label"])}


def _yaml(name: str, task: str, max_new_tokens: int) -> str:
    is_choice = task == "classification"
    lines = [
        f"task: {json.dumps(name, ensure_ascii=False)}",
        "custom_dataset: !function scoring.rows",
        f"dataset_kwargs: {{file: {json.dumps(name + '.jsonl', ensure_ascii=False)}}}",
        f"output_type: {'multiple_choice' if is_choice else 'generate_until'}",
        "test_split: test",
        "num_fewshot: 0",
        "doc_to_text: prompt",
        f"doc_to_target: {'gold' if is_choice else 'completion'}",
        *(["doc_to_choice: choices"] if is_choice else []),
        'target_delimiter: ""',
    ]
    metric = partial("  - {{metric: {}, aggregation: {}, higher_is_better: true}}".format)
    if is_choice:
        lines.append("process_results: !function scoring.label_scores")
        metrics = [metric("acc", "mean"), metric("macro_f1", "!function scoring.macro_f1")]
    else:
        lines.append(
            f"generation_kwargs: {{until: [], do_sample: false, max_gen_toks: {max_new_tokens}}}"
        )
        lines.append("process_results: !function scoring.text_scores")
        metrics = [metric(one, "mean") for one in TEXT_METRICS]
    return "\n".join([*lines, "metric_list:", *metrics, f"metadata: {{version: {VERSION}}}", ""])
