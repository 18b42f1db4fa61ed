"""`StandardResults`: the scores of standard tasks, as a table and as JSON, read from what the harness returns."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bitsft.data.common.atomic import atomic_path
from bitsft.evaluation.standard_tasks.chance import guessed_scores


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

    def as_scores(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Task -> metric -> value, as a run's record holds scores (`bitsft.runs`)."""
        lm_eval = self.versions.get("lm_eval", "unknown")
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for one in self.scores:
            shots = "" if one.shots is None else f"|shots:{one.shots}"
            signature = f"lm-eval:{lm_eval}|task:{one.version}{shots}"
            score: dict[str, Any] = {"value": one.value, "signature": signature, "rows": one.rows}
            if one.stderr is not None:
                score["stderr"] = one.stderr
            if one.higher_is_better is not None:
                score["goal"] = "higher" if one.higher_is_better else "lower"
            found.setdefault(one.task, {})[one.metric] = score
        return found

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write `as_dict()` to a JSON file, whole or not at all; a number that is not finite is null there."""
        with atomic_path(path) as part:
            stored = _finite(self.as_dict())
            text = json.dumps(stored, ensure_ascii=False, indent=2, allow_nan=False)
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


def read_scores(results: Mapping[str, Any]) -> tuple[StandardScore, ...]:
    """Read what lm_eval's `simple_evaluate(log_samples=True)` returns.

    Args:
        results: That dictionary, with `samples`, `n-samples`, `results` and what stands beside them.

    Returns:
        A score for each number that is no standard error; of a group what guessing gets is the mean over its
        tasks, weighted by their rows.
    """
    chance = {task: guessed_scores(task, rows) for task, rows in results["samples"].items()}
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


def _finite(value: Any) -> Any:
    """A value with None for each number in it that JSON has no form for."""
    if isinstance(value, Mapping):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


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


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
