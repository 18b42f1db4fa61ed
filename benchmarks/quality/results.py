"""From the runs to the study's numbers: means, spreads, shares of the gap; the JSON and the tables of the docs.

Spread is the sample standard deviation over the seeds. The share of the gap is formed within a seed,

    closed = (straight-through - x) / (straight-through - full precision)        of held-out losses,

and then averaged: runs of one seed see the same rows in the same order, so that what the seed does drops out.
A table in a Markdown file stands between `<!-- quality:NAME -->` and `<!-- quality:end -->`; what is between is replaced.
"""

import json
import os
import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bitsft.data.common.atomic import atomic_path
from quality.variants import PARTS, variants_of

TASK_COLUMNS = {
    "loss": ("loss", 3),
    "nsmc_accuracy": ("NSMC, %", 1),
    "sae4k_rougeL": ("sae4k ROUGE-L", 1),
    "sae4k_bleu": ("sae4k BLEU", 1),
    "raft_correct_0": ("RAFT, 0", 1),
    "raft_correct_2": ("RAFT, 2", 1),
    "raft_correct_4": ("RAFT, 4", 1),
    "raft_oracle_quoted": ("oracle quoted, %", 1),
    "base_bits_per_byte": ("base text, bits/byte", 3),
}

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


def shown(value: Mapping[str, Any], digits: int) -> str:
    if value["spread"] is None:
        return f"{value['mean']:.{digits}f}"
    return f"{value['mean']:.{digits}f} ± {value['spread']:.{digits}f}"


# --- tables ------------------------------------------------------------------------------------------


def tables(summary: Summary) -> dict[str, str]:
    """The Markdown tables by the names of their markers."""
    return {
        "tasks": _tasks_table(summary["variants"]["tasks"]),
        "text": _text_table(summary["variants"]["text"]),
        "differences": _differences_table(summary["variants"]["tasks"]),
        "sweep": _sweep_table(summary["sweep"]),
        "rows": _rows_table(summary["about"]),
        "machine": _machine_line(summary["runs"]),
    }


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _tasks_table(variants: Mapping[str, Any]) -> str:
    # No share of the gap here: on the tasks straight-through and full precision may lie so close
    # that a share of their distance is noise.
    header = ["", "seeds", *(title for title, _ in TASK_COLUMNS.values()), "loss - full precision"]
    rows = []
    for one in variants.values():
        cells = [shown(one["scores"][name], digits) for name, (_, digits) in TASK_COLUMNS.items()]
        paired = one.get("to_full_precision", {}).get("loss")
        above = "" if paired is None else shown(paired, 3)
        rows.append([one["label"], str(len(one["seeds"])), *cells, above])
    return _table(header, rows)


def _differences_table(variants: Mapping[str, Any]) -> str:
    names = [name for name in TASK_COLUMNS if name not in ("loss", "base_bits_per_byte")]
    header = ["minus full precision, points", *(TASK_COLUMNS[name][0] for name in names)]
    rows = []
    for key, one in variants.items():
        if key == "full_precision" or "to_full_precision" not in one:
            continue
        rows.append([one["label"], *(shown(one["to_full_precision"][name], 1) for name in names)])
    return _table(header, rows)


def _text_table(variants: Mapping[str, Any]) -> str:
    rows = []
    for one in sorted(variants.values(), key=lambda one: one["scores"]["loss"]["mean"]):
        closed = shown(one["gap_closed"], 0) if "gap_closed" in one else ""
        seconds = f"{one['step_seconds']:.2f}" if "step_seconds" in one else ""
        loss = shown(one["scores"]["loss"], 4)
        rows.append([one["label"], str(len(one["seeds"])), loss, closed, seconds])
    return _table(["", "seeds", "held-out loss, nats", "gap closed, %", "s a step"], rows)


def _sweep_table(sweep: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    rows = []
    for part, found in sweep.items():
        for family in dict.fromkeys(row["family"] for row in found):
            tried = sorted((row["rate"], row["loss"]) for row in found if row["family"] == family)
            best = min(tried, key=lambda pair: pair[1])
            cells = ", ".join(f"{rate:g}: {loss:.4f}" for rate, loss in tried)
            rows.append([part, family, cells, f"{best[0]:g}"])
    return _table(["part", "kind", "rate: validation loss", "best"], rows)


def _rows_table(about: Mapping[str, Any]) -> str:
    rows = about["rows"]
    lines = [
        [task, *(str(rows[f"{split}_{task}"]) for split in ("train", "validation", "test"))]
        for task in ("nsmc", "sae4k", "raft")
    ]
    majority = ", ".join(
        f"{task} {100 * rows[f'majority_{task}']:.1f} %" for task in ("nsmc", "raft")
    )
    table = _table(["task", "to train on", "validation", "test"], lines)
    return f"{table}\n\nAlways giving the more frequent answer of the test rows is right in: {majority}."


def _machine_line(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    machine = next(one["machine"] for part in PARTS for one in runs[part])
    packages = ", ".join(
        f"{name} {version}"
        for name, version in machine["packages"].items()
        if version != "not installed"
    )
    return f"{machine['processor']}, one thread a run; Python {machine['python']}, {packages}."


PLOTS = {
    "gap": "Share of the gap between straight-through and full precision that each variant closes",
    "tasks": "Each measure of each variant, with the spread over the seeds",
}


def fill(path: Path, found: Mapping[str, str], plots: Mapping[str, Path]) -> list[str]:
    """Replace the tables and plots of a Markdown file.

    Args:
        path: The file.
        found: Tables by name.
        plots: Pictures by name; the markers of those that are missing stay as they are.

    Returns:
        The names that were replaced.

    Raises:
        ValueError: The file has a marker of no table.
    """
    text = path.read_text(encoding="utf-8")
    parts = dict(found)
    for name, image in plots.items():
        if image.exists():
            place = os.path.relpath(image, path.parent)
            parts[f"plot_{name}"] = f"![{PLOTS[name]}]({place})"
    replaced: list[str] = []

    def part(match: re.Match[str]) -> str:
        name = match[1]
        if name in parts:
            replaced.append(name)
            return f"<!-- quality:{name} -->\n{parts[name]}\n<!-- quality:end -->"
        if name.removeprefix("plot_") in PLOTS:
            return match[0]
        raise ValueError(f"{path} asks for {name!r}; there are {', '.join(parts)}")

    text = re.sub(
        r"<!-- quality:(?!end)([a-z_]+) -->\n.*?<!-- quality:end -->", part, text, flags=re.DOTALL
    )
    with atomic_path(path) as new:
        new.write_text(text, encoding="utf-8")
    return replaced
