"""The section on single rows: how the scores are spread, and the gain against the reference's length.

For each part of the rows one metric is drawn, the one that ranks its changes. Where it knows only right
and wrong there is no distribution to draw: a table of four numbers says what became of the right answers.
"""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from bitsft.comparison.comparison import Comparison
from bitsft.comparison.report import formats
from bitsft.comparison.report.confusion import Cell, Matrices, Matrix
from bitsft.comparison.report.dots import BASE_COLOUR, TUNED_COLOUR
from bitsft.comparison.words import metric_title, shown, shown_change
from bitsft.metrics.score import Goal, mean_score
from bitsft.pages.bars import with_legend
from bitsft.pages.blocks import Block, Figure, Figures, Section
from bitsft.pages.charts import GREY, Chart, hover, make_chart, plain_layout
from bitsft.pages.histogram import bin_scores, round_width
from bitsft.pages.numbers import number
from bitsft.pages.visible import chart_label

_MOST_POINTS = 2000
_GROUPS = 8
_LEAST_IN_GROUP = 5
_NAME = 40


def spread_section(
    comparison: Comparison, models: tuple[str, str], seed: int, text: dict[str, str]
) -> Section | None:
    """Both charts for each part of the rows; None where no metric scores single rows."""
    section = Section("spread", text["spread"])
    several = len(formats.parts_of(comparison)) > 1
    for place, (key, changes) in enumerate(formats.parts_of(comparison).items()):
        pairs = [comparison.rows[at] for at in comparison.base.rows_of(key)]
        scored = [pair for pair in pairs if changes.metric in pair.scores]
        if not scored:
            continue
        base, tuned = (
            np.array([pair.scores[changes.metric][side] for pair in scored]) for side in (0, 1)
        )
        lengths = [len(pair.base.reference) for pair in scored]
        numbers = [pair.row for pair in scored]
        goal = comparison.base.scores[key][changes.metric].goal
        gains = [formats.gain_of(*both, goal) for both in zip(base, tuned, strict=True)]
        heading = formats.part_name(key, text) if several else ""
        two_valued = {*base.tolist(), *tuned.tolist()} <= {0.0, 1.0}
        blocks: list[Block] = []
        figures = []
        if two_valued:
            blocks.append(
                _right_and_wrong(heading, changes.metric, base, tuned, goal, models, text)
            )
        else:
            title = text["distribution"].format(metric=metric_title(changes.metric))
            caption = text["distribution_caption"].format(
                base=models[0],
                tuned=models[1],
                base_mean=shown(float(base.mean()), float(tuned.mean())),
                tuned_mean=shown(float(tuned.mean()), float(base.mean())),
            )
            chart = mirrored_histogram(f"spread-scores-{place}", title, base, tuned, models)
            figures.append(Figure(title, chart, caption))
        if len(set(lengths)) > 1:
            title = text["against_length"].format(metric=metric_title(changes.metric))
            chart, points = gain_chart(
                f"spread-gain-{place}", title, lengths, gains, numbers, not two_valued, seed, text
            )
            caption = text["against_length_caption"]
            if points:
                drawn = text["points_caption"].format(shown=number(points), rows=number(len(gains)))
                caption = f"{caption} {drawn}"
            figures.append(Figure(title, chart, caption))
        if figures:
            blocks.append(Figures(tuple(figures), heading="" if blocks else heading))
        section.blocks += blocks
    return section if section.blocks else None


def mirrored_histogram(
    name: str, label: str, base: np.ndarray, tuned: np.ndarray, models: tuple[str, str]
) -> Chart:
    """The scores of both models in the same bins: the second stands above the line, the first hangs below.

    Args:
        name: The chart's id.
        label: What it shows.
        base: float64 [n], finite.
        tuned: float64 [n], finite.
        models: What the two models are called.
    """
    edges = np.array(bin_scores([*base, *tuned]).edges)
    bounds = list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    traces = []
    largest = 1
    for values, model, colour, sign in (
        (tuned, models[1], TUNED_COLOUR, 1),
        (base, models[0], BASE_COLOUR, -1),
    ):
        # The edges are rounded: what lies just outside belongs to the first or the last bin.
        counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), bins=edges)
        largest = max(largest, int(counts.max()))
        traces.append(
            {
                "type": "bar",
                "name": chart_label(model, _NAME),
                "x": [(low + high) / 2 for low, high in bounds],
                "y": [sign * int(count) for count in counts],
                "width": [high - low for low, high in bounds],
                "marker": {"color": colour, "line": {"width": 0}},
                **hover(
                    [
                        f"{chart_label(model)}, {low:g}–{high:g}: {count:,}"
                        for (low, high), count in zip(bounds, counts.tolist(), strict=True)
                    ]
                ),
            }
        )
    layout = _layout(230)
    layout["barmode"] = "overlay"
    layout["bargap"] = 0
    layout["xaxis"] |= {"range": [edges[0], edges[-1]], "showgrid": False}
    step = round_width(largest / 3)
    ticks = [sign * tick for tick in range(0, largest + 1, step) for sign in (-1, 1)]
    layout["yaxis"] |= {
        "tickvals": ticks,
        "ticktext": [f"{abs(tick):,}" for tick in ticks],
        "range": [-1.08 * largest, 1.08 * largest],
        "zeroline": True,
    }
    return make_chart(name, label, traces, with_legend(layout, models, above=True))


def gain_chart(
    name: str,
    label: str,
    lengths: Sequence[int],
    gains: Sequence[float],
    rows: Sequence[int],
    with_points: bool,
    seed: int,
    text: dict[str, str],
) -> tuple[Chart, int]:
    """Each row's gain over the length of its reference, and the means of groups of rows.

    Args:
        name: The chart's id.
        label: What it shows.
        lengths: Characters of n references.
        gains: n gains.
        rows: The n rows' numbers.
        with_points: Whether single rows are drawn; gains of -1, 0 and 1 would lie upon each other.
        seed: Of the rows that are drawn where there are many, and of the intervals.
        text: The words.

    Returns:
        The chart, and how many single rows it shows.
    """
    traces: list[dict[str, Any]] = []
    points = range(len(gains))
    largest = max(map(abs, gains))
    shown = sorted(random.Random(seed).sample(points, min(len(gains), _MOST_POINTS)))
    if with_points:
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": text["one_row"],
                "x": [max(lengths[at], 1) for at in shown],
                "y": [round(float(gains[at]), 6) for at in shown],
                "marker": {"color": GREY, "size": 5, "opacity": 0.45},
                **hover(
                    [
                        f"{text['row']} {rows[at]}: {shown_change(gains[at], largest)}"
                        for at in shown
                    ]
                ),
            }
        )
    groups = _groups(np.asarray(lengths))
    found = [mean_score("gain", [gains[at] for at in group], "") for group in groups]
    ends = [one.interval(seed=seed) for one in found]
    texts = [
        f"{min(lengths[at] for at in group):,}–{max(lengths[at] for at in group):,} "
        f"{text['characters']} ({len(group):,}): {shown_change(one.value, largest)} "
        f"[{formats.interval(end, largest, is_difference=True)}]"
        for group, one, end in zip(groups, found, ends, strict=True)
    ]
    traces.append(
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": text["mean_gain"],
            "x": [max(float(np.median([lengths[at] for at in group])), 1) for group in groups],
            "y": [one.value for one in found],
            "line": {"color": TUNED_COLOUR, "width": 2},
            "marker": {"color": TUNED_COLOUR, "size": 9, "symbol": "diamond"},
            "error_y": {
                "type": "data",
                "symmetric": False,
                "array": [end[1] - one.value for one, end in zip(found, ends, strict=True)],
                "arrayminus": [one.value - end[0] for one, end in zip(found, ends, strict=True)],
                "color": TUNED_COLOUR,
                "thickness": 2,
                "width": 4,
            },
            **hover(texts),
        }
    )
    layout = _layout(230)
    layout["xaxis"] |= {
        "title": {"text": text["characters"], "standoff": 4, "font": {"size": 12}},
        "showgrid": False,
    }
    layout["margin"]["b"] = 44
    if max(lengths) > 12 * max(float(np.median(lengths)), 1):
        layout["xaxis"] |= {"type": "log", "dtick": 1}
    layout["yaxis"] |= {"zeroline": True, "rangemode": "tozero"}
    return make_chart(name, label, traces, layout), len(shown) if with_points else 0


def _groups(lengths: np.ndarray) -> list[list[int]]:
    """Places of rows of similar length, about equally many in each group; equal lengths stay together."""
    count = max(1, min(_GROUPS, len(lengths) // _LEAST_IN_GROUP))
    bounds = np.unique(np.quantile(lengths, np.arange(1, count) / count, method="lower"))
    parts = np.searchsorted(bounds, lengths, side="left")
    return [np.flatnonzero(parts == part).tolist() for part in np.unique(parts)]


def _right_and_wrong(
    heading: str,
    metric: str,
    base: np.ndarray,
    tuned: np.ndarray,
    goal: Goal,
    models: tuple[str, str],
    text: dict[str, str],
) -> Matrices:
    """What became of right and wrong answers: rows are the first model, columns the second."""
    good = 0.0 if goal == "lower" else 1.0
    lines = []
    for was_right in (True, False):
        of_line = (base == good) == was_right
        cells = [int((of_line & ((tuned == good) == is_right)).sum()) for is_right in (True, False)]
        total = max(sum(cells), 1)
        lines.append(
            (
                text["right" if was_right else "wrong"],
                tuple(Cell(count, count / total, is_right=False) for count in cells),
            )
        )
    title = text["right_wrong"].format(metric=metric_title(metric))
    columns = (text["right"], text["wrong"])
    matrix = Matrix(title, models[0], models[1], columns, tuple(lines))
    return Matrices((matrix,), heading)


def _layout(height: int) -> dict[str, Any]:
    layout = plain_layout()
    layout["height"] = height
    layout["margin"] = {"l": 46, "r": 10, "t": 10, "b": 28}
    layout["xaxis"] = {"zeroline": False, "ticks": "outside", "fixedrange": True}
    layout["yaxis"] = {"fixedrange": True}
    return layout
