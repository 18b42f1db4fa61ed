"""Pictures of a study: the gap that each variant closes, and the tasks; PNG, written into docs/images.

Bars and large dots are means over the seeds, whiskers the spread (sample standard deviation), small dots the seeds. Blue is ternary by bitsft, grey full
precision, orange what is rounded afterwards, light blue naive straight-through.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

COLOURS = {"full_precision": "#7f7f7f", "rounded": "#d6845a", "straight_through": "#92c5de"}
BITSFT = "#2166ac"
PANELS = {
    "loss": "loss of held-out completions, nats",
    "nsmc_accuracy": "NSMC sentiment, % right",
    "sae4k_rougeL": "sae4k, ROUGE-L",
    "sae4k_bleu": "sae4k, BLEU",
    "raft_correct": "RAFT, % right (0, 2, 4 distractors)",
    "base_bits_per_byte": "the base's own text, bits per byte",
}
WIDTH = 8.0  # inches


def _draw(
    axes: Axes,
    variants: Mapping[str, Mapping[str, Any]],
    values: Mapping[str, Any],
    digits: int,
    *,
    from_zero: bool,
) -> None:
    for position, (name, value) in enumerate(values.items()):
        colour = COLOURS.get(name, BITSFT)
        if from_zero:
            axes.barh(position, value["mean"], color=colour, height=0.7)
        else:
            axes.axhline(position, color="#e5e5e5", lw=0.8, zorder=0)
            axes.plot(value["mean"], position, "o", color=colour, ms=8)
        if value["spread"] is not None:
            axes.errorbar(
                value["mean"], position, xerr=value["spread"], color="black", lw=1, capsize=2
            )
        axes.plot(value["values"], [position] * len(value["values"]), ".", color="black", ms=3)
        is_left = from_zero and value["mean"] < 0
        sign = -1 if is_left else 1
        ends = [*value["values"], value["mean"] + sign * (value["spread"] or 0)]
        shown = f"{value['mean']:.{digits}f}"
        axes.annotate(
            "0" if shown == "-0" else shown,
            (min(ends) if is_left else max(ends), position),
            ((4 if from_zero else 7) * sign, 0),
            textcoords="offset points",
            ha="right" if is_left else "left",
            va="center",
            size=7,
            # the line at full precision runs behind the numbers of bars
            bbox={"color": "white", "pad": 0.5} if from_zero else None,
        )
    axes.set_yticks(range(len(values)), [variants[name]["label"] for name in values], size=8)
    axes.invert_yaxis()
    axes.tick_params(axis="x", labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)


def plot_gap(variants: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """The share of the gap between straight-through and full precision, best first."""
    values = {
        name: one["gap_closed"]
        for name, one in variants.items()
        if "gap_closed" in one and name not in ("full_precision", "straight_through")
    }
    if not values:
        return
    values = dict(sorted(values.items(), key=lambda pair: -pair[1]["mean"]))
    figure, axes = plt.subplots(figsize=(WIDTH, 1.2 + 0.26 * len(values)), layout="constrained")
    _draw(axes, variants, values, 0, from_zero=True)
    axes.set_ylim(len(values) - 0.4, -0.6)
    axes.axvline(0, color=COLOURS["straight_through"], lw=1.5, zorder=0)
    axes.axvline(100, color=COLOURS["full_precision"], lw=1.5, ls="--", zorder=0)
    # Rounding afterwards is far below: cut there, its number stands beside the bar.
    low = min([0.0, *(min(v["values"]) for v in values.values() if v["mean"] > -150)])
    high = max([110.0, *(max(v["values"]) for v in values.values())])
    axes.set_xlim(1.2 * low - 5, 1.12 * high)
    for text, value in zip(axes.texts, values.values(), strict=True):
        if max(value["values"]) < 1.2 * low - 5:
            text.set_text(f"← {value['mean']:.0f}")
            text.xy = (1.2 * low - 5, text.xy[1])
            text.set(ha="left", x=4, bbox=None)
    axes.set_xlabel("share of the gap closed, %: 0 is straight-through, 100 full precision", size=9)
    _save(figure, path)


def plot_tasks(variants: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """A panel for each measure, a dot for each variant: no bars, as the axes do not start at 0."""
    if not variants:
        return
    figure, all_axes = plt.subplots(
        3, 2, figsize=(WIDTH, 1.0 + 3 * (0.5 + 0.26 * len(variants))), layout="constrained"
    )
    for axes, (name, title) in zip(all_axes.flat, PANELS.items(), strict=True):
        values = {key: one["scores"][name] for key, one in variants.items()}
        digits = 3 if name in ("loss", "base_bits_per_byte") else 1
        _draw(axes, variants, values, digits, from_zero=False)
        every = [value for one in values.values() for value in one["values"]]
        room = max(max(every) - min(every), 0.02 * max(every))
        axes.set_xlim(max(0.0, min(every) - 0.3 * room), max(every) + 0.3 * room)
        axes.set_title(title, size=9, loc="left")
    for axes in all_axes[:, 1]:
        axes.set_yticklabels([])
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)
    print(f"written: {path}")
