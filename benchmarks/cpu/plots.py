"""Pictures of what the scripts here measured: reads their JSON, writes docs/images/cpu_*.png.

    python benchmarks/cpu/plots.py
    python benchmarks/cpu/plots.py --results folder --images folder    # elsewhere

Bars are medians, the whiskers the quartiles. Colours mean the same everywhere: blue is bitsft, grey is dense, the
others are libraries that quantize. A JSON that is not there is said and left out.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

BITSFT, DENSE, OTHERS = "#2166ac", "#7f7f7f", "#d6845a"
REST = "#d9d9d9"
WIDTH = 8.0  # inches


def colour(name: str) -> str:
    if name.startswith("bitsft"):
        return BITSFT
    if name == "nothing":
        return REST
    return DENSE if name.startswith("dense") else OTHERS


def ratio_bars(axes: Axes, rows: Sequence[dict[str, Any]], title: str) -> None:
    """One bar a competitor: how many times bitsft's speed its own is; 1 is bitsft."""
    for position, row in enumerate(rows):
        if "error" in row:
            axes.text(
                0.02, position, "does not run (see the table)", va="center", color="#b2182b", size=8
            )
            continue
        low, middle, high = (1 / value for value in reversed(row["speed"]))
        axes.barh(position, middle, color=colour(row["name"]), height=0.7)
        axes.errorbar(
            middle, position, xerr=[[middle - low], [high - middle]], color="black", lw=1, capsize=2
        )
        axes.annotate(
            f"{middle:.2f}",
            (high, position),
            (4, 0),
            textcoords="offset points",
            va="center",
            size=8,
            bbox={"color": "white", "pad": 0.5},  # over the line at 1
        )
    axes.axvline(1, color=BITSFT, lw=1, ls="--", zorder=0)
    axes.set_yticks(range(len(rows)), [row["label"] for row in rows], size=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.15 * max([1.0, *(1 / row["speed"][0] for row in rows if "speed" in row)]))
    axes.set_title(title, size=9, loc="left")
    axes.tick_params(axis="x", labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _threads(report: dict[str, Any]) -> str:
    threads = report["machine"]["threads"]
    return f"{threads} CPU thread" + ("s" if threads != 1 else "")


def save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)
    print(f"written: {path}")


def panels(groups: dict[str, list[dict[str, Any]]], heading: str, xlabel: str, path: Path) -> None:
    heights = [len(rows) + 1.2 for rows in groups.values()]
    figure, all_axes = plt.subplots(
        len(groups),
        1,
        figsize=(WIDTH, 0.8 + 0.24 * sum(heights)),
        height_ratios=heights,
        squeeze=False,
        layout="constrained",
    )
    for axes, (title, rows) in zip(all_axes[:, 0], groups.items(), strict=True):
        ratio_bars(axes, rows, title)
    all_axes[-1, 0].set_xlabel(xlabel, size=9)
    figure.suptitle(heading, size=11)
    save(figure, path)


def one_of_each(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The reference is in each group of processes; one bar is enough. bitsft first, then dense."""
    rows = list({row["name"]: row for row in rows}.values())
    return sorted(
        rows,
        key=lambda row: ([BITSFT, DENSE, OTHERS, REST].index(colour(row["name"])), row["name"]),
    )


def plot_training(report: dict[str, Any], images: Path) -> None:
    speeds: dict[str, list[dict[str, Any]]] = {}
    memories: dict[str, list[dict[str, Any]]] = {}
    for row in report["rows"]:
        title = (
            f"{row['size']} parameters, {row['accumulation']} x {row['rows']} rows, "
            f"checkpointing {row['checkpointing']}"
        )
        entry = {"name": row["peer"], "label": row["label"]}
        if "speed_of_reference" in row:
            speeds.setdefault(title, []).append({**entry, "speed": row["speed_of_reference"]})
            memory = row["memory_of_reference"]
            memories.setdefault(title, []).append({**entry, "speed": [memory] * 3})
        elif "error" in row:
            speeds.setdefault(title, []).append({**entry, "error": row["error"]})
    panels(
        {title: one_of_each(rows) for title, rows in speeds.items()},
        f"Training steps in TRL, {_threads(report)}",
        "tokens per second, bitsft (latent) = 1",
        images / "cpu_training.png",
    )
    panels(
        {title: one_of_each(rows) for title, rows in memories.items()},
        "Peak memory above weights and optimizer",
        "bytes, bitsft (latent) = 1",
        images / "cpu_training_memory.png",
    )


def plot_layer(report: dict[str, Any], images: Path) -> None:
    """A line a shape, a mark a variant: bars of twelve shapes would be a page each."""
    marks = {
        "bitsft": ("o", BITSFT),
        "bitsft-each": ("o", "#92c5de"),
        "dense-autocast": ("s", "#404040"),
        "dense-bf16": ("s", "#a6a6a6"),
        "autobitlinear": ("^", OTHERS),
        "torchao-cast": ("v", "#b2182b"),
        "torchao-bf16": ("v", "#f4a582"),
        "bitlinear": ("D", "#8c6d31"),
    }
    results = report["results"]
    figure, axes = plt.subplots(
        figsize=(WIDTH, 1.6 + 0.35 * len(results)), layout="constrained", squeeze=True
    )
    seen = set()
    for position, result in enumerate(results):
        axes.axhline(position, color="#e5e5e5", lw=0.8, zorder=0)
        for row in result["rows"]:
            if "speed_of_reference" not in row:
                continue
            low, middle, high = (1 / value for value in reversed(row["speed_of_reference"]))
            mark, shade = marks[row["variant"]]
            label = None if row["variant"] in seen else row["label"]
            seen.add(row["variant"])
            axes.plot([low, high], [position] * 2, color=shade, lw=1)
            axes.plot(middle, position, mark, color=shade, ms=5, label=label)
    axes.axvline(1, color=BITSFT, lw=1, ls="--", zorder=0)
    names = [result["shape"].replace(":", "  ").replace("x", " × ") for result in results]
    axes.set_yticks(range(len(results)), names, size=8)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.tick_params(axis="x", labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("speed, bitsft with held codes = 1", size=9)
    figure.legend(loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    figure.suptitle(
        f"One layer (out × in), forward and backward, {_threads(report)}",
        size=11,
    )
    save(figure, images / "cpu_layer.png")


def plot_generation(report: dict[str, Any], images: Path) -> None:
    groups: dict[str, list[dict[str, Any]]] = {}
    for part in ("prefill", "decode"):
        for row in report["rows"]:
            if "batch" not in row:
                continue
            speed = f"{part}_speed_of_reference"
            measured = {"error": row["error"]} if "error" in row else {"speed": row[speed]}
            entry = {"name": row["variant"], "label": row["label"], **measured}
            title = f"{row['size']}, prompt {row['prompt']}, batch {row['batch']}: {part}"
            groups.setdefault(title, []).append(entry)
    panels(
        groups,
        f"generate(), {_threads(report)}",
        "tokens per second, bitsft = 1",
        images / "cpu_generation.png",
    )


def plot_growth(report: dict[str, Any], images: Path) -> None:
    axes_names = list(report["axes"])
    figure, all_axes = plt.subplots(
        1, len(axes_names), figsize=(WIDTH, 3.4), squeeze=False, layout="constrained"
    )
    for axes, name in zip(all_axes[0], axes_names, strict=True):
        points = report["axes"][name]
        sizes = [point[name] for point in points]
        for series, label in report["labels"].items():
            low, middle, high = (
                [1e3 * point["seconds"][series][i] for point in points] for i in range(3)
            )
            axes.plot(sizes, middle, "o-", color=colour(series), label=label, ms=4, lw=1.5)
            axes.fill_between(sizes, low, high, color=colour(series), alpha=0.2, lw=0)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=2)
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes], size=7)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.minorticks_off()
        axes.tick_params(axis="y", labelsize=8)
        axes.grid(alpha=0.3)
        others = ", ".join(f"{k} {v:,}" for k, v in report["base"].items() if k != name)
        axes.set_title(f"{name}\n({others})", size=8)
    all_axes[0, 0].set_ylabel("forward + backward, ms", size=8)
    handles, labels = all_axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    save(figure, images / "cpu_growth.png")


def plot_loss_curves(report: dict[str, Any], images: Path) -> None:
    runs = {name: run["losses"] for name, run in report["runs"].items()}
    steps = range(1, len(runs["fast"]) + 1)
    figure, (upper, lower) = plt.subplots(
        2, 1, figsize=(WIDTH, 4.6), height_ratios=[3, 1], sharex=True, layout="constrained"
    )
    upper.plot(steps, runs["dense"], color="#a6a6a6", lw=1.2, label="dense, bf16 autocast")
    upper.plot(steps, runs["reference"], color="#f4a582", lw=4, label="bitsft, reference")
    upper.plot(steps, runs["fast"], color=BITSFT, lw=1.2, label="bitsft, blocked kernels")
    upper.set_ylabel("training loss, nats", size=9)
    upper.legend(fontsize=8, frameon=False)
    lower.plot(
        steps,
        [a - b for a, b in zip(runs["fast"], runs["reference"], strict=True)],
        color=BITSFT,
        lw=1.2,
    )
    lower.set_ylabel("blocked - reference", size=8)
    lower.set_xlabel("step", size=9)
    settings = report["settings"]
    figure.suptitle(
        f"{settings['size']} parameters on {settings['text']}, "
        f"{settings['tokens_per_step']:,} tokens a step",
        size=11,
    )
    for axes in (upper, lower):
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.3)
    save(figure, images / "cpu_loss_curves.png")


def main() -> None:
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=here)
    parser.add_argument("--images", type=Path, default=here.parent.parent / "docs" / "images")
    parsed = parser.parse_args()
    for name, plot in (
        ("training", plot_training),
        ("layer", plot_layer),
        ("generation", plot_generation),
        ("growth", plot_growth),
        ("loss_curves", plot_loss_curves),
    ):
        # training_sizes.json, say, adds its rows to those of training.json
        paths = sorted(parsed.results.glob(f"{name}*.json"))
        if not paths:
            print(f"no {name}.json: run {name}.py first")
            continue
        report, *more = (json.loads(path.read_text()) for path in paths)
        for other in more:
            report["rows"] += other["rows"]
        plot(report, parsed.images)


if __name__ == "__main__":
    main()
