"""The list of runs as a table for a terminal, as CSV, and as JSON; and two or more beside each other."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from bitsft.runs import wording
from bitsft.runs.compare import RunComparison
from bitsft.runs.record import RunRecord
from bitsft.runs.select import score_of, value_of
from bitsft.runs.text_table import text_table

Numbered = tuple[int, RunRecord]

# The scores that are shown where none are asked for: the first of these that a run has, two at most.
_MAIN = (
    *("rouge1", "rouge1_f", "accuracy", "exact_match", "f1", "char_f1", "bleu", "chrf"),
    *("bits_per_byte", "perplexity", "loss"),
)


def runs_table(
    runs: Sequence[Numbered], scores: Sequence[str] = (), width: int | None = None
) -> str:
    """The list for a terminal.

    Args:
        runs: Number and run.
        scores: Names of scores, a column each; none: the main ones of each run in one column.
        width: Of the terminal.
    """
    header = ["", "name", "kind", "base model", "data", "steps", "lr", "time", "memory"]
    header += list(scores) or ["scores"]
    rows = []
    for number, run in runs:
        kind = run.kind if run.status == "finished" else f"{run.kind}, {wording.status(run)}"
        row = [f"#{number:03}", run.name, kind, wording.base_model(run), wording.data(run)]
        row += [
            wording.plain_number(value_of(run, "steps")),
            wording.plain_number(value_of(run, "training.learning_rate")),
            wording.duration(run.time.get("seconds")),
            wording.peaks(run),
        ]
        row += [_score(run, name) for name in scores] or [main_scores(run)]
        rows.append(row)
    used = [n for n in range(len(header)) if n < 2 or any(row[n] for row in rows)]
    right = {used.index(n) for n in (5, 6, 7, 8) if n in used}
    right |= {used.index(n) for n in range(9, len(header)) if scores and n in used}
    return text_table(
        [header[n] for n in used],
        [[row[n] for n in used] for row in rows],
        right={0, *right},
        width=width,
    )


def main_scores(run: RunRecord) -> str:
    """The two main scores of a run in a few words, e.g. `rouge1 0.1 → 0.5, loss 5.1 → 2.0`."""
    names = [name for name in _MAIN if score_of(run, name) is not None]
    chosen = [*names[:1], *(["loss"] if "loss" in names[1:] else names[1:2])]
    said = [f"{name} {wording.change(score_of(run, name) or {})}" for name in chosen]
    if not said and run.result.get("last_loss") is not None:
        said = [f"training loss {wording.plain_number(run.result['last_loss'])}"]
    return ", ".join(said)


def runs_csv(runs: Sequence[Numbered]) -> str:
    """One line a run; each score that one of them has is a column `TASK.METRIC`, and one `... before`."""
    names = dict.fromkeys(
        f"{task}.{metric}"
        for _, run in runs
        for task, metrics in run.scores.items()
        for metric in metrics
    )
    fixed = ("number", "id", "name", "kind", "status", "started", "ended", "base_model", "data")
    numbers = ("steps", "learning_rate", "seed", "seconds", "peak_bytes", "peak_gpu_bytes")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        [*fixed, *numbers, *(part for n in names for part in (f"{n} before", n)), "folder"]
    )
    for number, run in runs:
        scores = [score_of(run, name) or {} for name in names]
        writer.writerow(
            [
                *(number, _cell(run.id), _cell(run.name), run.kind, run.status, run.started),
                *(run.ended, _cell(wording.base_model(run)), _cell(wording.data(run))),
                *(value_of(run, "steps"), value_of(run, "training.learning_rate"), run.seed),
                run.time.get("seconds"),
                *(run.memory.get("peak_bytes"), run.memory.get("peak_gpu_bytes")),
                *(part for one in scores for part in (one.get("before"), one.get("value"))),
                _cell("" if run.path is None else str(run.path.parent)),
            ]
        )
    return text.getvalue()


def runs_json(runs: Sequence[Numbered]) -> str:
    """A list of the whole records, each with its `number` and `path`."""
    found = [{"number": n, "path": str(run.path), **run.as_dict()} for n, run in runs]
    return json.dumps(found, ensure_ascii=False, indent=1) + "\n"


def comparison_text(comparison: RunComparison, width: int | None = None) -> str:
    """The settings that differ, and the scores with their differences from the first run."""
    names = [run.name for run in comparison.runs]
    if len(set(names)) < len(names):
        names = [f"{run.name} ({run.id})" for run in comparison.runs]
    parts = []
    if comparison.settings:
        rows = [
            (name, *(_value(value) for value in values))
            for name, values in comparison.settings.items()
        ]
        parts.append(text_table(("what differs", *names), rows, width=width))
    else:
        parts.append("Nothing that was recorded differs but names, times and folders.")
    if comparison.scores:
        rows = []
        for line in comparison.scores:
            label = line.metric if line.task == "all" else f"{line.task}: {line.metric}"
            row = [label, wording.plain_number(line.values[0])]
            for value, difference in zip(line.values[1:], line.differences[1:], strict=True):
                row += [wording.plain_number(value), _signed(difference)]
            note = "other signatures: not comparable" if line.same_signature is False else ""
            rows.append((*row, note))
        header = ["score", names[0]]
        for name in names[1:]:
            header += [name, "difference"]
        right = set(range(1, len(header)))
        parts.append(text_table((*header, ""), rows, right=right, width=width))
    return "\n\n".join(parts) + "\n"


def _score(run: RunRecord, name: str) -> str:
    score = score_of(run, name)
    return "" if score is None else wording.change(score)


def _signed(difference: float | None) -> str:
    return "" if difference is None else f"{difference:+.4g}"


def _value(value: Any) -> str:
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return "-" if value is None else str(value)


def _cell(text: str) -> str:
    """A text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
