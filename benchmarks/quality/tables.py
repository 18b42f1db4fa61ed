"""The study's numbers as Markdown tables, and the files that they are filled into.

A table in a Markdown file stands between `<!-- quality:NAME -->` and `<!-- quality:end -->`; what is between is replaced.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bitsft.data.common.atomic import atomic_path
from quality.results import Summary, mean_and_spread
from quality.variants import DISTILLATIONS, INGREDIENTS, PARTS

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


def shown(value: Mapping[str, Any], digits: int) -> str:
    if value["spread"] is None:
        return f"{value['mean']:.{digits}f}"
    return f"{value['mean']:.{digits}f} ± {value['spread']:.{digits}f}"


def tables(summary: Summary) -> dict[str, str]:
    """The Markdown tables by the names of their markers."""
    return {
        "tasks": _tasks_table(summary["variants"]["tasks"]),
        "text": _text_table(summary["variants"]["text"]),
        "ingredients": _ingredients_table(summary["variants"]["text"]),
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
    """All but what `_ingredients_table` shows, best first."""
    rows = []
    for name, one in sorted(variants.items(), key=lambda pair: pair[1]["scores"]["loss"]["mean"]):
        if name in _OF_INGREDIENTS:
            continue
        closed = shown(one["gap_closed"], 0) if "gap_closed" in one else ""
        rows.append([one["label"], str(len(one["seeds"])), shown(one["scores"]["loss"], 4), closed])
    return _table(["", "seeds", "held-out loss, nats", "gap closed, %"], rows)


_OF_INGREDIENTS = {
    *(f"recipe_{name}" for name in DISTILLATIONS),
    *(f"{kind}_{name}" for name in INGREDIENTS for kind in ("add", "recipe_and", "recipe_without")),
}


def _ingredients_table(variants: Mapping[str, Any]) -> str:
    """What each ingredient does to plain straight-through training and to the recipe, best for the recipe first.

    A difference is formed within each seed; below 0 is better.
    """
    titles = {name: label for name, (label, _) in (DISTILLATIONS | INGREDIENTS).items()}
    found: list[tuple[float, list[str]]] = []
    for name, title in titles.items():
        added = _difference(variants, f"add_{name}", "straight_through")
        changed, taken = (
            _difference(variants, recipe, "recipe")
            for recipe in (
                f"recipe_{name}" if name in DISTILLATIONS else f"recipe_and_{name}",
                f"recipe_without_{name}",
            )
        )
        if taken is not None:
            title = f"{title} (taken out of the recipe)"
        recipe = taken or changed
        if added is None and recipe is None:
            continue
        key = recipe["mean"] if recipe is not None else float("inf")
        cells = [_signed(recipe), _signed(added)]
        seeds = len((recipe or added or {"values": ()})["values"])
        found.append((key, [title, str(seeds), *cells]))
    rows = [row for _, row in sorted(found, key=lambda pair: pair[0])]
    return _table(["", "seeds", "recipe with it", "straight-through with it"], rows)


def _difference(variants: Mapping[str, Any], name: str, reference: str) -> dict[str, Any] | None:
    """Of held-out losses in nats, within each seed that both have."""
    if name not in variants or reference not in variants:
        return None
    one, other = (
        dict(zip(variants[key]["seeds"], variants[key]["scores"]["loss"]["values"], strict=True))
        for key in (name, reference)
    )
    paired = sorted(set(one) & set(other))
    return mean_and_spread([one[seed] - other[seed] for seed in paired]) if paired else None


def _signed(value: Mapping[str, Any] | None) -> str:
    if value is None:
        return ""
    spread = "" if value["spread"] is None else f" ± {value['spread']:.4f}"
    return f"{value['mean']:+.4f}{spread}"


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
