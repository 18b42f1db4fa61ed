"""Histograms: values counted in bins, and drawn as standing bars."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bitsft.pages.charts import BLUE, VERMILLION, Chart, hover, make_chart, plain_layout
from bitsft.pages.visible import chart_label

FAR = 2.5  # times the last edge: a line beyond that is not drawn
_LABEL_COLUMNS = 40
_BINS = 40
# Bins beyond this share of the rows would squeeze all others together.
_TAIL = 0.995


@dataclass(frozen=True)
class Bins:
    """A histogram: `counts[i]` values lie from `edges[i]` up to, not including, `edges[i + 1]`.

    Attributes:
        edges: One more than bins.
        counts: Values in each bin.
        above: Values beyond the last edge, which are not shown.
        largest: The largest value of all.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    above: int = 0
    largest: float = 0.0


def bin_lengths(lengths: Sequence[int]) -> Bins:
    """Sort lengths into at most about 40 bins of a round width, leaving out a long tail."""
    values = np.asarray(lengths, dtype=np.int64)
    # One far outlier among few rows is in no quantile's tail, so the bulk of them counts as well.
    tail, bulk = (
        np.quantile(values, _TAIL, method="higher"),
        np.quantile(values, 0.9, method="lower"),
    )
    top = max(min(int(tail), 20 * int(bulk)), 1)
    largest = int(values.max())
    top = largest if largest <= 2 * top else top
    start = int(values.min())
    width = round_width((top - start + 1) / _BINS)
    start -= start % width
    edges = np.arange(start, top + width + 1, width)
    counts, _ = np.histogram(values[values < edges[-1]], bins=edges)
    # numpy counts the last edge into the last bin; the line above has left it out.
    above = int((values >= edges[-1]).sum())
    return Bins(
        tuple(float(edge) for edge in edges), tuple(int(n) for n in counts), above, float(largest)
    )


def bin_scores(scores: Sequence[float]) -> Bins:
    """Sort scores into 30 bins, from 0 to 1 where they all lie there. NaN and infinity are left out."""
    values = np.asarray(scores, dtype=np.float64)
    values = values[np.isfinite(values)]
    if not values.size:
        return Bins((0.0, 1.0), (0,))
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    else:  # never a range too narrow to be divided in floating point
        least = max(1e-6 * max(abs(low), abs(high)), 1e-6)
        low, high = (low, high) if high - low > least else (low - least, high + least)
    counts, edges = np.histogram(values, bins=30, range=(low, high))
    rounded = (float(f"{edge:.6g}") for edge in edges)
    return Bins(tuple(rounded), tuple(int(n) for n in counts), 0, float(values.max()))


def histogram(
    name: str,
    label: str,
    bins: Bins,
    *,
    colour: str = BLUE,
    lines: Mapping[str, float] | None = None,
) -> Chart:
    """Standing bars of counted values.

    Args:
        name: The chart's id.
        label: What it shows.
        bins: The counts.
        colour: Of the bars.
        lines: Values to mark, by what they are called; those that lie far to the right
            (`FAR` times the last edge) are left out.
    """
    edges = bins.edges
    bounds = list(zip(edges[:-1], edges[1:], strict=True))
    whole = all(float(edge).is_integer() for edge in edges)
    if whole:
        ranges = [
            f"{low:,.0f}" if high == low + 1 else f"{low:,.0f}–{high - 1:,.0f}"
            for low, high in bounds
        ]
    else:
        ranges = [f"{low:g}–{high:g}" for low, high in bounds]
    # The bar of the whole numbers 4 and 5 reaches from 3.5 to 5.5, so that each stands over its tick.
    shift = 0.5 if whole else 0.0
    trace = {
        "type": "bar",
        "x": [(low + high) / 2 - shift for low, high in bounds],
        "y": list(bins.counts),
        "width": [high - low for low, high in bounds],
        "marker": {"color": colour, "line": {"width": 0}},
        **hover([f"{r}: {n:,}" for r, n in zip(ranges, bins.counts, strict=True)]),
    }
    marked = {text: x for text, x in (lines or {}).items() if x <= FAR * edges[-1]}
    left = min([edges[0] - shift, *(0.97 * x for x in marked.values())])
    right = max([edges[-1] - shift, *(1.02 * x for x in marked.values())])
    if whole and right - left < 4:  # one bar alone is not as wide as the chart
        left, right = left - 2, right + 2
    layout = plain_layout()
    layout["height"] = 168 + 15 * len(marked)
    layout["margin"] = {"l": 42, "r": 10, "t": 10 + 15 * len(marked), "b": 28}
    layout["bargap"] = 0
    layout["xaxis"] = {
        "range": [left, right],
        "showgrid": False,
        "zeroline": False,
        "ticks": "outside",
        "fixedrange": True,
    }
    if whole:
        layout["xaxis"] |= {"dtick": round_width((right - left) / 6), "tickformat": ",d"}
    layout["yaxis"] = {
        "rangemode": "tozero",
        "dtick": round_width(max(bins.counts) / 5),
        "tickformat": ",~s" if max(bins.counts) >= 10_000 else ",d",
        "zeroline": False,
        "fixedrange": True,
    }
    layout["shapes"] = [
        {
            "type": "line",
            "x0": x,
            "x1": x,
            "y0": 0,
            "y1": 1,
            "yref": "paper",
            "line": {"color": VERMILLION, "width": 1.5, "dash": "dash"},
        }
        for x in marked.values()
    ]
    layout["annotations"] = [
        {
            "x": x,
            "y": 1,
            "yref": "paper",
            "yanchor": "bottom",
            "xanchor": "left" if x < (left + right) / 2 else "right",
            "yshift": 15 * number,
            "text": chart_label(text, _LABEL_COLUMNS),
            "showarrow": False,
            "font": {"size": 12},
        }
        for number, (text, x) in enumerate(marked.items())
    ]
    return make_chart(name, label, [trace], layout)


def round_width(least: float) -> int:
    """Return the smallest of 1, 2, 5, 10, 20, 50, ... that is not below `least`."""
    width = 1
    while True:
        for factor in (1, 2, 5):
            if width * factor >= least:
                return width * factor
        width *= 10
