"""A value of a run by a short name, and runs by conditions on such values: `rouge1>0.5`, `learning_rate=0.002`.

A name is, in this order: a field (`kind`, `name`, `status`, `seed`, `steps`, `time`, `memory`), a score
(`rouge1`, or `raft.rouge1` with its task), or a setting by its full name or its end (`training.learning_rate`,
`learning_rate`).
"""

import operator
import re
from collections.abc import Iterable
from typing import Any

from bitsft.runs.compare import as_number, flattened
from bitsft.runs.record import RunRecord

_CONDITION = re.compile(r"^\s*([^<>=!\s]+)\s*(>=|<=|!=|==?|>|<)\s*(.*?)\s*$")
_ORDERS = {">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le}


def value_of(run: RunRecord, name: str) -> Any:
    """The value of that name, or None where the run has none."""
    fields = {
        **{key: getattr(run, key) for key in ("id", "kind", "name", "status", "started", "seed")},
        "steps": run.result.get("steps"),
        "time": run.time.get("seconds"),
        "memory": run.memory.get("peak_bytes"),
    }
    if name in fields:
        return fields[name]
    score = score_of(run, name)
    if score is not None:
        return score.get("value")
    settings = flattened(run)
    exact = settings.get(f"settings.{name}", settings.get(name))
    if exact is not None:
        return exact
    return next((v for key, v in settings.items() if key.endswith(f".{name}")), None)


def score_of(run: RunRecord, name: str) -> dict[str, Any] | None:
    """The score of that name: `METRIC` (of "all", else of the first task that has it) or `TASK.METRIC`."""
    task, dot, metric = name.rpartition(".")
    if dot and metric in run.scores.get(task, {}):
        return run.scores[task][metric]
    for candidate in ("all", *run.scores):
        if name in run.scores.get(candidate, {}):
            return run.scores[candidate][name]
    return None


def where(runs: Iterable[RunRecord], condition: str) -> list[RunRecord]:
    """The runs for which a condition holds; a run that lacks the value is left out.

    Args:
        runs: The runs.
        condition: NAME, one of > < >= <= = !=, and a number or text.

    Raises:
        ValueError: The condition is none, or orders by something that is no number.
    """
    parsed = _CONDITION.match(condition)
    if parsed is None:
        raise ValueError(
            f"{condition!r}: is no condition; write NAME>NUMBER or NAME=VALUE, e.g. rouge1>0.5"
        )
    name, sign, wanted = parsed.groups()
    number = as_number(wanted)
    if sign in _ORDERS and number is None:
        raise ValueError(f"{condition!r}: {wanted!r} is no number, so {sign} has no meaning")
    found = []
    for run in runs:
        value = value_of(run, name)
        own = as_number(value)
        if value is None:
            continue
        if sign in _ORDERS:
            holds = own is not None and number is not None and _ORDERS[sign](own, number)
        else:
            same = own == number if own is not None and number is not None else str(value) == wanted
            holds = same != (sign == "!=")
        if holds:
            found.append(run)
    return found


def sorted_by(runs: Iterable[RunRecord], name: str, *, reverse: bool = False) -> list[RunRecord]:
    """The runs by a value, ascending; those without it come last either way."""
    pairs = [(as_number(value_of(run, name)), value_of(run, name), run) for run in runs]
    without = [run for number, value, run in pairs if value is None]
    numbers = [(number, run) for number, _, run in pairs if number is not None]
    texts = [(str(v), run) for number, v, run in pairs if number is None and v is not None]
    numbers.sort(key=lambda pair: pair[0], reverse=reverse)
    texts.sort(key=lambda pair: pair[0], reverse=reverse)
    return [run for _, run in numbers] + [run for _, run in texts] + without
