"""What all charts have in common: plotly figures without a theme of their own.

A chart has no background, and its texts, lines and grid get their colours from the page's style sheet
(`page.css`), which knows whether the reader wants light or dark. The bars' colours are those of Okabe
and Ito, told apart by colour-blind readers too (https://jfly.uni-koeln.de/color/).

Counting is done in Python: what goes into the page are bars, never rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bitsft._extras import require

BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, VERMILLION, YELLOW, GREY = "#56B4E9", "#D55E00", "#D9C627", "#8A8F98"
PALETTE = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION, YELLOW, GREY)

FONT = (
    'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans KR", "Apple SD Gothic Neo", '
    '"Malgun Gothic", "NanumGothic", sans-serif'
)


@dataclass(frozen=True)
class Chart:
    """A chart for the page.

    Attributes:
        name: Its id in the page.
        label: What it shows, for those who cannot see it.
        height: In CSS pixels.
        json: The figure, safe within a script element.
    """

    name: str
    label: str
    height: int
    json: str


def plotly_js() -> str:
    """Return plotly.js, as the Python package brings it (MIT licence)."""
    return require("plotly.offline", "report").get_plotlyjs()


def make_chart(
    name: str, label: str, traces: list[dict[str, Any]], layout: dict[str, Any]
) -> Chart:
    """Return the chart of traces and a layout that has a height, both checked by plotly."""
    graph = require("plotly.graph_objects", "report")
    # plotly checks every property here; an empty template keeps the caller's default theme out.
    figure = graph.Figure(data=traces, layout=layout | {"template": {}})
    # This engine writes "<", ">" and "/" as \u003c and so on: nothing can end the script element.
    return Chart(name, label, layout["height"], figure.to_json(engine="json"))


def plain_layout() -> dict[str, Any]:
    """Return a layout without colours that would not fit both light and dark."""
    return {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 13},
        "showlegend": False,
        "dragmode": False,
        "hoverlabel": {
            "bgcolor": "#22262c",
            "bordercolor": GREY,
            "font": {"family": FONT, "size": 13, "color": "#ffffff"},
            "align": "left",
        },
    }


def hover(texts: Sequence[str]) -> dict[str, Any]:
    """Return what makes bars show these texts, made by `chart_label`, and nothing else."""
    return {"hoverinfo": "text", "hovertext": list(texts)}
