"""Dots with intervals, a line for each: the table of scores, and the slices, as charts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bitsft.comparison.report import formats
from bitsft.comparison.slices import Slice
from bitsft.comparison.table import Interval, Line
from bitsft.comparison.words import metric_title, shown, shown_change
from bitsft.metrics.score import Goal
from bitsft.pages.bars import LabelledRows, with_legend
from bitsft.pages.charts import GREY, ORANGE, VERMILLION, Chart, hover, make_chart
from bitsft.pages.visible import chart_label

# The blue is lighter than that of bars: thin lines must be seen on a dark page, too.
BASE_COLOUR, TUNED_COLOUR = ORANGE, "#2b86c5"
# Shapes differ as well, for those who cannot tell the colours apart, and on paper.
BASE_SYMBOL, TUNED_SYMBOL = "circle-open", "diamond"

_OUT_OF_100 = ("bleu", "chrf")
_NAME = 40


@dataclass(frozen=True)
class _Dot:
    """A dot with the ends of its interval, and what is shown when it is pointed at."""

    x: float
    low: float
    high: float
    text: str

    def scaled(self, start: float, stop: float) -> "_Dot":
        """The same where `start` is 0 and `stop` is 1."""
        width = stop - start
        x, low, high = ((value - start) / width for value in (self.x, self.low, self.high))
        return _Dot(x, low, high, self.text)


def scores_chart(name: str, label: str, lines: Sequence[Line], models: tuple[str, str]) -> Chart:
    """Both models' values of each metric, each metric on a scale of its own.

    Args:
        name: The chart's id.
        label: What it shows.
        lines: One or more lines of the table.
        models: What the two models are called.
    """
    rows = LabelledRows(len(lines), bars=2)
    # A little below where bars would be: the first dot must not touch the label above it.
    traces = [_scale([rows.middle(place, 0.9) for place in range(len(lines))])]
    for number, (model, colour, symbol) in enumerate(
        zip(models, (BASE_COLOUR, TUNED_COLOUR), (BASE_SYMBOL, TUNED_SYMBOL), strict=True)
    ):
        dots = []
        for line in lines:
            at = line.tuned if number else line.base
            ends = line.tuned_interval if number else line.base_interval
            low, top = _range(line)
            of = (line.base, line.tuned)
            text = f"{model}, {metric_title(line.metric)}: {shown(at, *of)} {_brackets(ends, *of)}"
            a, b = ends or (at, at)
            dots.append(_Dot(at, a, b, text).scaled(low, top))
        heights = [rows.middle(place, 0.5 + 0.8 * number) for place in range(len(lines))]
        traces.append(_dots(model, dots, heights, colour, symbol))
    layout = rows.layout(
        [
            (
                metric_title(line.metric),
                f"{shown(line.base, line.tuned)} → {shown(line.tuned, line.base)}",
            )
            for line in lines
        ]
    )
    layout["xaxis"]["range"] = [-0.02, 1.02]
    return make_chart(name, label, traces, with_legend(layout, models))


def slices_chart(name: str, label: str, slices: Sequence[tuple[str, Slice]], goal: Goal) -> Chart:
    """The difference in each slice, all on one scale, with a line at no difference.

    Args:
        name: The chart's id.
        label: What it shows.
        slices: One or more slices of one metric, with their names.
        goal: The metric's goal.
    """
    rows = LabelledRows(len(slices))
    ends = [end for _, one in slices for end in (*one.interval, one.difference)]
    low, high = min(0.0, *ends), max(0.0, *ends)
    width = (high - low) or 1.0
    heights = [rows.middle(place) for place in range(len(slices))]
    traces = []
    for tone, colour, symbol in (
        ("open", GREY, "circle"),
        ("better", TUNED_COLOUR, "triangle-right" if goal != "lower" else "triangle-left"),
        ("worse", VERMILLION, "triangle-left" if goal != "lower" else "triangle-right"),
    ):
        places = [place for place, (_, one) in enumerate(slices) if _tone(one, goal) == tone]
        dots = []
        for place in places:
            called, one = slices[place]
            text = (
                f"{called}: {shown_change(one.difference, one.base, one.tuned)} "
                f"{_brackets(one.interval, one.base, one.tuned, is_difference=True)}"
            )
            dots.append(_Dot(one.difference, *one.interval, text).scaled(low, low + width))
        if dots:
            traces.append(_dots("", dots, [heights[place] for place in places], colour, symbol))
    layout = rows.layout(
        [
            (f"{called} ({one.rows:,})", shown_change(one.difference, one.base, one.tuned))
            for called, one in slices
        ]
    )
    layout["xaxis"]["range"] = [-0.03, 1.03]
    traces.insert(0, _scale(heights, zero=-low / width))
    return make_chart(name, label, traces, layout)


def _range(line: Line) -> tuple[float, float]:
    """The ends of a metric's scale."""
    ends = [line.base, line.tuned, *(line.base_interval or ()), *(line.tuned_interval or ())]
    low, top = min(0.0, *ends), max(ends)
    if line.metric.startswith(_OUT_OF_100) and top <= 100:
        top = 100.0
    elif top <= 1:
        top = 1.0
    return low, top


def _brackets(ends: Interval | None, *beside: float, is_difference: bool = False) -> str:
    written = formats.interval(ends, *beside, is_difference=is_difference)
    return f"[{written}]" if written else ""


def _tone(one: Slice, goal: Goal) -> str:
    low, high = one.interval
    if goal == "none" or low <= 0 <= high:
        return "open"
    return "better" if (low > 0) == (goal == "higher") else "worse"


def _scale(heights: Sequence[float], zero: float | None = None) -> dict[str, Any]:
    """A thin line along each row, with a stroke at no difference."""
    xs: list[float | None] = []
    ys: list[float | None] = []
    for height in heights:
        xs += [0, 1, None]
        ys += [height, height, None]
        if zero is not None:
            xs += [zero, zero, None]
            ys += [height - 3, height + 7, None]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": xs,
        "y": ys,
        "line": {"color": GREY, "width": 1},
        "opacity": 0.5,
        "showlegend": False,
        "hoverinfo": "skip",
    }


def _dots(
    name: str, dots: Sequence[_Dot], heights: Sequence[float], colour: str, symbol: str
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": chart_label(name, _NAME),
        "x": [dot.x for dot in dots],
        "y": list(heights),
        "marker": {
            "color": colour,
            "symbol": symbol,
            "size": 10,
            "line": {"width": 2, "color": colour},
        },
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [max(dot.high - dot.x, 0) for dot in dots],
            "arrayminus": [max(dot.x - dot.low, 0) for dot in dots],
            "color": colour,
            "thickness": 2,
            "width": 0,
        },
        **hover([chart_label(dot.text) for dot in dots]),
    }
