"""What differs between runs: settings, data, base model, versions, machine, and scores.

A record is flattened to `name -> value` (`settings.training.learning_rate`, `versions.torch`, `data.train.rows_sha256`);
a name that is missing in one of them counts as different.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bitsft.runs.record import RunRecord

_GROUPS = ("base_model", "settings", "versions", "code", "hardware")
# They say where a run writes or what it is called, not what it computes.
NO_EFFECT = frozenset(
    {
        "settings.training.output_dir",
        "settings.training.run_name",
        "settings.training.logging_dir",
        "settings.changed",
        "base_model.name",
    }
)


@dataclass(frozen=True)
class ScoreLine:
    """One metric in several runs.

    Attributes:
        task: E.g. "all" or "raft".
        metric: E.g. "rouge1".
        goal: "higher", "lower", "none", or None where no run says.
        values: One value a run, in the order asked for; None where a run has none.
        same_signature: Whether those that have the metric computed it alike; None where none says how.
    """

    task: str
    metric: str
    goal: str | None
    values: tuple[float | None, ...]
    same_signature: bool | None

    @property
    def differences(self) -> tuple[float | None, ...]:
        """Each value less the first."""
        first = self.values[0]
        return tuple(
            None if value is None or first is None else value - first for value in self.values
        )


@dataclass(frozen=True)
class RunComparison:
    """Several runs beside each other.

    Attributes:
        runs: In the order asked for.
        settings: Name -> one value a run, of what differs only.
        scores: Every metric that one of them has.
    """

    runs: tuple[RunRecord, ...]
    settings: dict[str, tuple[Any, ...]]
    scores: tuple[ScoreLine, ...]

    def as_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "runs": [
                {"id": run.id, "name": run.name, "kind": run.kind, "status": run.status}
                for run in self.runs
            ],
            "settings": {name: list(values) for name, values in self.settings.items()},
            "scores": [
                {
                    "task": line.task,
                    "metric": line.metric,
                    "goal": line.goal,
                    "values": list(line.values),
                    "differences": list(line.differences),
                    "same_signature": line.same_signature,
                }
                for line in self.scores
            ],
        }


def compare_runs(runs: Sequence[RunRecord]) -> RunComparison:
    """Put runs beside each other.

    Args:
        runs: Two or more, see `read_run` and `list_runs`.

    Raises:
        ValueError: Fewer than two runs are given.
    """
    if len(runs) < 2:
        raise ValueError(f"runs given: {len(runs)}; to compare takes two or more")
    flat = [flattened(run) for run in runs]
    settings = {}
    for name in _names(flat):
        values = tuple(one.get(name) for one in flat)
        if any(value != values[0] for value in values) and name not in NO_EFFECT:
            settings[name] = values
    return RunComparison(tuple(runs), settings, _score_lines(runs))


def differences(first: RunRecord, later: RunRecord) -> dict[str, tuple[Any, Any]]:
    """Name -> (value in the first, value in the later) of what differs and has an effect."""
    found = compare_runs([first, later]).settings
    return {name: (values[0], values[1]) for name, values in found.items()}


def flattened(run: RunRecord) -> dict[str, Any]:
    """A run's settings, data, base model, versions and machine as `name -> value`."""
    found: dict[str, Any] = {"seed": run.seed}
    for entry in run.data:
        role = entry.get("role", "data")
        prefix = f"data.{role}" if role != "file" else f"data.{entry.get('name')}"
        for key, value in entry.items():
            if key not in ("role", "name", "columns"):
                found[f"{prefix}.{key}"] = value
    for group in _GROUPS:
        _flatten(found, group, getattr(run, group))
    return found


def _flatten(found: dict[str, Any], prefix: str, value: Any) -> None:
    if isinstance(value, Mapping) and value:
        for key, one in value.items():
            _flatten(found, f"{prefix}.{key}", one)
    else:
        found[prefix] = value


def _names(flat: Sequence[Mapping[str, Any]]) -> list[str]:
    """All names, in the order of their first appearance."""
    return list(dict.fromkeys(name for one in flat for name in one))


def _score_lines(runs: Sequence[RunRecord]) -> tuple[ScoreLine, ...]:
    keys = dict.fromkeys(
        (task, metric) for run in runs for task, metrics in run.scores.items() for metric in metrics
    )
    lines = []
    for task, metric in keys:
        found = [run.scores.get(task, {}).get(metric, {}) for run in runs]
        signatures = {one["signature"] for one in found if one.get("signature")}
        goals = [one["goal"] for one in found if one.get("goal")]
        lines.append(
            ScoreLine(
                task=task,
                metric=metric,
                goal=goals[0] if goals else None,
                values=tuple(as_number(one.get("value")) for one in found),
                same_signature=len(signatures) == 1 if signatures else None,
            )
        )
    return tuple(lines)


def as_number(value: Any) -> float | None:
    """A number of a record, whose NaN and infinities are texts; None of anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None
