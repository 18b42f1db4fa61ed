"""A comparison as JSON: everything that is known, under names that stay.

    {"form": 1,
     "base": {"model", "decoding", "data", "settings", "folder"}, "tuned": {...},
     "rows": 300, "settings": {"seed", "resamples", "trials", ...}, "notes": [...],
     "table": {"all": [{"metric", "base", "tuned", "difference", "relative_gain", "base_interval": [low, high], ...,
                        "p", "adjusted_p", "goal", "verdict", "rows", "signature"}], "raft": [...]},
     "left_out": [{"task", "metric", "reason"}],
     "changes": {"all": {"metric", "best": [{"row", "place", "base", "tuned", "gain"}], "worst", "regressions", ...}},
     "slices": [{"task", "kind", "name", "metric", "rows", "base", "tuned", "difference", "interval"}],
     "pairs": [{"row", "id", "task", "prompt", "reference", "base", "tuned", "scores": {"rougeL": [before, after]}}]}

What is not known, and a number that is not finite, is null.
"""

import json
import math
from dataclasses import asdict
from typing import Any

from bitsft.comparison.comparison import Comparison
from bitsft.comparison.paired_rows import Pair
from bitsft.evaluation.evaluation import Evaluation

FORM = 1


def comparison_as_dict(comparison: Comparison) -> dict[str, Any]:
    """Everything in a comparison, as what JSON can hold.

    Args:
        comparison: What `compare` made.
    """
    document = {
        "form": FORM,
        "base": _side(comparison.base),
        "tuned": _side(comparison.tuned),
        "rows": len(comparison.rows),
        "settings": comparison.settings,
        "notes": list(comparison.notes),
        "table": {key: [asdict(line) for line in part] for key, part in comparison.table.items()},
        "left_out": [asdict(one) for one in comparison.left_out],
        "changes": {key: asdict(one) for key, one in comparison.changes.items()},
        "slices": [asdict(one) for one in comparison.slices],
        "pairs": [_pair(pair) for pair in comparison.rows],
    }
    return {name: _finite(value) for name, value in document.items()}


def comparison_as_json(comparison: Comparison) -> str:
    """The same as text, a pair a line, with a line feed at its end."""
    document = comparison_as_dict(comparison)
    pairs = document.pop("pairs")
    # json indents in Python, ten times as slow: only what people read
    head = json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False).removesuffix("\n}")
    lines = ",\n".join(
        "    " + json.dumps(pair, ensure_ascii=False, allow_nan=False) for pair in pairs
    )
    return f'{head},\n  "pairs": [\n{lines}\n  ]\n}}\n'


def _side(one: Evaluation) -> dict[str, Any]:
    return {
        "model": one.model,
        "decoding": one.decoding,
        "data": one.data,
        "settings": one.settings,
        "folder": None if one.folder is None else str(one.folder),
    }


def _pair(pair: Pair) -> dict[str, Any]:
    return {
        "row": pair.row,
        "id": pair.base.id,
        "task": pair.base.task,
        "prompt": pair.base.prompt,
        "reference": pair.base.reference,
        "base": pair.base.prediction,
        "tuned": pair.tuned.prediction,
        "scores": pair.scores,
    }


def _finite(value: Any) -> Any:
    """The value with null in place of NaN and infinities, and lists in place of tuples."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(name): _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return value
