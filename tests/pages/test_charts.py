import json
from typing import Any

import plotly.io
import pytest

from bitsft.pages.bars import Bar, bar_chart, grouped_chart, shares_chart
from bitsft.pages.histogram import Bins, histogram
from tests.pages.hostile import HOSTILE


def figure(chart: Any) -> Any:
    return json.loads(chart.json)


def test_hostile_labels_stay_in_their_place() -> None:
    charts = [
        bar_chart("c", "chart", [Bar(HOSTILE, 1, HOSTILE)]),
        shares_chart("c", "chart", {HOSTILE: {HOSTILE: 1}}),
        grouped_chart("c", "chart", {HOSTILE: {HOSTILE: 1}, "b": {}}),
        histogram("c", "chart", Bins((0.0, 0.5), (1,)), lines={HOSTILE: 0.4}),
    ]
    for chart in charts:
        assert not set("<>\u2028\x00") & set(chart.json)
        chart.json.encode("utf-8")
        texts = [note["text"] for note in figure(chart)["layout"].get("annotations", [])]
        assert texts
        assert not any(set("<>") & set(text) for text in texts)


def test_the_callers_plotly_theme_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    bars = [Bar("a", 1, "1")]
    before = bar_chart("c", "chart", bars)
    monkeypatch.setattr(plotly.io.templates, "default", "plotly_dark")
    monkeypatch.setattr(plotly.io.json.config, "default_engine", "json")
    assert bar_chart("c", "chart", bars) == before
