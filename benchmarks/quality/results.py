"""From the runs to the study's numbers: means, spreads, shares of the gap. `tables.py` shows them.

Spread is the sample standard deviation over the seeds. The share of the gap is formed within a seed,

    closed = (straight-through - x) / (straight-through - full precision)        of held-out losses,

and then averaged: runs of one seed see the same rows in the same order, so that what the seed does drops out.
"""

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from quality.variants import PARTS, variants_of

Summary = dict[str, Any]


def collect(out: Path) -> Summary:
    """All runs of a study's folder, with their means.

    Args:
        out: The folder.

    Returns:
        `{"about", "sweep": {part: rows}, "runs": {part: runs}, "variants": {part: {name: means}}}`.

    Raises:
        ValueError: There is no run yet.
    """
    runs = {part: _read(out / "runs" / part) for part in PARTS}
    sweep = {part: _read(out / "sweep" / part, "*.json") for part in PARTS}
    if not any(runs.values()) and not any(sweep.values()):
        raise ValueError(f"{out} has no finished run yet")
    about = json.loads((out / "data.json").read_text(encoding="utf-8"))["about"]
    return {
        "about": about,
        "sweep": {
            part: [
                {"family": r["variant"]["family"], "rate": r["learning_rate"], **r["scores"]}
                for r in sweep[part]
            ]
            for part in PARTS
        },
        "variants": {part: _summed(part, runs[part]) for part in PARTS},
        "runs": runs,
    }


def _read(folder: Path, pattern: str = "*/*.json") -> list[dict[str, Any]]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob(pattern))]


def _summed(part: str, runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    by_variant: dict[str, dict[int, Mapping[str, Any]]] = {}
    for one in runs:
        by_variant.setdefault(one["variant"]["name"], {})[one["seed"]] = one
    found: dict[str, Any] = {}
    for variant in variants_of(part):
        seeds = by_variant.get(variant.name, {})
        if not seeds:
            continue
        names = next(iter(seeds.values()))["scores"]
        found[variant.name] = {
            "label": variant.label,
            "seeds": sorted(seeds),
            "learning_rate": next(iter(seeds.values()))["learning_rate"],
            "scores": {
                name: mean_and_spread([run["scores"][name] for run in seeds.values()])
                for name in names
            },
        }
        steps = [run["step_seconds"] for run in seeds.values() if "step_seconds" in run]
        if steps:
            found[variant.name]["step_seconds"] = statistics.median(steps)
        closed = _gap_closed(seeds, by_variant)
        if closed:
            found[variant.name]["gap_closed"] = mean_and_spread(closed)
        # Paired: the difference to full precision within a seed.
        dense = by_variant.get("full_precision", {})
        paired = sorted(set(seeds) & set(dense))
        if paired:
            found[variant.name]["to_full_precision"] = {
                name: mean_and_spread(
                    [seeds[s]["scores"][name] - dense[s]["scores"][name] for s in paired]
                )
                for name in names
            }
    return found


def _gap_closed(
    seeds: Mapping[int, Mapping[str, Any]], runs: Mapping[str, Mapping[int, Mapping[str, Any]]]
) -> list[float]:
    """A share for each seed that has both ends of the gap, in percent."""
    closed = []
    for seed, run in sorted(seeds.items()):
        ends = [runs.get(name, {}).get(seed) for name in ("straight_through", "full_precision")]
        if ends[0] is None or ends[1] is None:
            continue
        top, bottom = (end["scores"]["loss"] for end in ends if end is not None)
        if top != bottom:
            closed.append(100 * (top - run["scores"]["loss"]) / (top - bottom))
    return closed


def mean_and_spread(values: Sequence[float]) -> dict[str, Any]:
    """Mean and sample standard deviation; of one value there is no spread."""
    spread = statistics.stdev(values) if len(values) > 1 else None
    return {
        "mean": round(statistics.fmean(values), 5),
        "spread": None if spread is None else round(spread, 5),
        "values": [round(value, 5) for value in values],
    }
