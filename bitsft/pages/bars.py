"""Lying bars: each has its label above it, and its value at the other end of that line.

Labels of any length fit any width that way, a telephone's too. Categories are placed by number and
labelled apart from it, so that plotly cannot take the labels "0" and "1" for numbers, or merge two that
are cut alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bitsft.pages.charts import (
    BLUE,
    GREEN,
    PALETTE,
    VERMILLION,
    Chart,
    hover,
    make_chart,
    plain_layout,
)
from bitsft.pages.visible import chart_label

_LABEL_COLUMNS = 40
_ROW_COLUMNS = 90  # page.js cuts such a label further where the chart is narrower
_BAR, _LABEL, _GAP = 11, 23, 8  # heights in CSS pixels


@dataclass(frozen=True)
class Bar:
    """One bar: its label, its value, and the value as text."""

    label: str
    value: float
    text: str
    colour: str = BLUE


def bar_chart(name: str, label: str, bars: Sequence[Bar]) -> Chart:
    """Lying bars, the first on top."""
    rows = LabelledRows(len(bars))
    trace = {
        "type": "bar",
        "orientation": "h",
        "x": [bar.value for bar in bars],
        "y": [rows.middle(place) for place in range(len(bars))],
        "width": _BAR,
        "marker": {"color": [bar.colour for bar in bars]},
        **hover([f"{chart_label(bar.label, 90)}: {bar.text}" for bar in bars]),
    }
    layout = rows.layout([(bar.label, bar.text) for bar in bars])
    return make_chart(name, label, [trace], layout)


def waterfall(name: str, label: str, steps: Sequence[Bar], measures: Sequence[str]) -> Chart:
    """Steps from a first sum to a last one.

    Args:
        name: The chart's id.
        label: What it shows.
        steps: The sums, and what is added (positive) or taken away (negative) between them.
        measures: Of each step: `"absolute"` or `"relative"`.
    """
    rows = LabelledRows(len(steps))
    trace = {
        "type": "waterfall",
        "orientation": "h",
        "measure": list(measures),
        "x": [step.value for step in steps],
        "y": [rows.middle(place) for place in range(len(steps))],
        "width": _BAR,
        "increasing": {"marker": {"color": GREEN}},
        "decreasing": {"marker": {"color": VERMILLION}},
        "totals": {"marker": {"color": BLUE}},
        "connector": {"visible": False},  # they would cross the values
        **hover([f"{chart_label(step.label, 90)}: {step.text}" for step in steps]),
    }
    layout = rows.layout([(step.label, step.text) for step in steps])
    return make_chart(name, label, [trace], layout)


def shares_chart(
    name: str,
    label: str,
    parts: Mapping[str, Mapping[str, int]],
    colours: Sequence[str] = PALETTE,
) -> Chart:
    """One bar of 100 % for each row of `parts`, divided by its keys.

    Args:
        name: The chart's id.
        label: What it shows.
        parts: `parts["train"]["raft"]` is how many.
        colours: Of the keys, in their order.
    """
    keys = list(dict.fromkeys(key for part in parts.values() for key in part))
    sums = {row: max(sum(part.values()), 1) for row, part in parts.items()}
    rows = LabelledRows(len(parts))
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": chart_label(key, _LABEL_COLUMNS),
            "x": [part.get(key, 0) / sums[row] for row, part in parts.items()],
            "y": [rows.middle(place) for place in range(len(parts))],
            "width": _BAR,
            "marker": {"color": colours[number % len(colours)]},
            **hover(
                [
                    f"{chart_label(row)}, {chart_label(key)}: {part.get(key, 0):,} "
                    f"({part.get(key, 0) / sums[row]:.1%})"
                    for row, part in parts.items()
                ]
            ),
        }
        for number, key in enumerate(keys)
    ]
    layout = rows.layout([(row, f"{sum(part.values()):,}") for row, part in parts.items()])
    layout["barmode"] = "stack"
    layout["xaxis"]["range"] = [0, 1]
    return make_chart(name, label, traces, with_legend(layout, keys))


def grouped_chart(name: str, label: str, parts: Mapping[str, Mapping[str, int]]) -> Chart:
    """For each key a group of bars, one for each row of `parts`: its share of that row.

    Args:
        name: The chart's id.
        label: What it shows.
        parts: `parts["train"]["positive"]` is how many.
    """
    keys = list(dict.fromkeys(key for part in parts.values() for key in part))
    rows = LabelledRows(len(keys), bars=len(parts))
    traces = []
    for number, (row, part) in enumerate(parts.items()):
        total = max(sum(part.values()), 1)
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": chart_label(row, _LABEL_COLUMNS),
                "x": [part.get(key, 0) / total for key in keys],
                "y": [rows.middle(place, number) for place in range(len(keys))],
                "width": _BAR - 1,
                "marker": {"color": PALETTE[number % len(PALETTE)]},
                **hover(
                    [
                        f"{chart_label(row)}, {chart_label(key, 60)}: {part.get(key, 0):,} "
                        f"({part.get(key, 0) / total:.1%})"
                        for key in keys
                    ]
                ),
            }
        )
    everything = max(sum(sum(part.values()) for part in parts.values()), 1)
    sums = [sum(part.get(key, 0) for part in parts.values()) for key in keys]
    layout = rows.layout(
        [(key, f"{n:,} ({n / everything:.1%})") for key, n in zip(keys, sums, strict=True)]
    )
    layout["barmode"] = "overlay"
    return make_chart(
        name, label, traces, with_legend(layout, list(parts)) if len(parts) > 1 else layout
    )


@dataclass(frozen=True)
class LabelledRows:
    """Lying bars in rows, each with a label above it. The vertical axis counts CSS pixels, downwards.

    Attributes:
        rows: How many rows.
        bars: How many bars in each.
    """

    rows: int
    bars: int = 1

    @property
    def _height(self) -> int:
        return _LABEL + self.bars * _BAR + _GAP

    def middle(self, row: int, bar: float = 0) -> float:
        """Return where the middle of a bar is."""
        return row * self._height + _LABEL + (bar + 0.5) * _BAR

    def layout(self, labels: Sequence[tuple[str, str]]) -> dict[str, Any]:
        """Return the layout with a label at the left and a value at the right above each row."""
        layout = plain_layout()
        layout["height"] = self.rows * self._height
        layout["margin"] = {"l": 0, "r": 0, "t": 0, "b": 0}
        layout["xaxis"] = {"visible": False, "rangemode": "tozero", "fixedrange": True}
        layout["yaxis"] = {"visible": False, "range": [layout["height"], 0], "fixedrange": True}
        layout["annotations"] = [
            {
                "xref": "paper",
                "x": x,
                "xanchor": anchor,
                "y": row * self._height + _LABEL,
                "yanchor": "bottom",
                "yshift": 2,
                "text": chart_label(text, _ROW_COLUMNS),
                "showarrow": False,
                "borderpad": 0,
            }
            for row, texts in enumerate(labels)
            for text, x, anchor in zip(texts, (0, 1), ("left", "right"), strict=True)
        ]
        return layout


def with_legend(
    layout: dict[str, Any], keys: Sequence[str], *, above: bool = False
) -> dict[str, Any]:
    """Return the layout with a legend below or above the chart, in which nothing can be clicked."""
    # Room for as many lines as a telephone needs, at about 8 pixels a character.
    lines = 1 + sum(45 + 8 * min(len(key), _LABEL_COLUMNS) for key in keys) // 360
    layout["showlegend"] = True
    layout["legend"] = {
        "orientation": "h",
        "x": 0,
        "y": 1 if above else 0,
        "yanchor": "bottom" if above else "top",
        "traceorder": "normal",
        "itemclick": False,
        "itemdoubleclick": False,
    }
    room = 8 + 20 * lines
    layout["margin"]["t" if above else "b"] = room
    layout["height"] += room
    return layout
