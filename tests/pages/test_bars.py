import json
from typing import Any

from bitsft.pages.bars import Bar, bar_chart, grouped_chart, shares_chart, waterfall


def figure(chart: Any) -> Any:
    return json.loads(chart.json)


def test_lying_bars() -> None:
    chart = bar_chart("c", "chart", [Bar("1", 5, "5"), Bar("이유 <b>", 2, "2 (3)")])
    (trace,) = figure(chart)["data"]
    assert trace["x"] == [5, 2]
    assert trace["y"] == sorted(trace["y"])  # the axis is turned over: the first bar is on top
    assert all(isinstance(y, int | float) for y in trace["y"])
    layout = figure(chart)["layout"]
    assert layout["yaxis"]["range"] == [chart.height, 0]
    texts = [note["text"] for note in layout["annotations"]]
    assert texts == ["1", "5", "이유 &lt;b&gt;", "2 (3)"]


def test_labels_that_are_cut_alike_stay_apart() -> None:
    chart = grouped_chart("c", "chart", {"train": {"가" * 100 + "1": 1, "가" * 100 + "2": 3}})
    (trace,) = figure(chart)["data"]
    assert trace["x"] == [0.25, 0.75]
    assert len(set(trace["y"])) == 2
    assert figure(chart)["layout"]["showlegend"] is False


def test_waterfall() -> None:
    steps = [Bar("in", 10, "10"), Bar("check", -3, "−3"), Bar("out", 7, "7")]
    (trace,) = figure(waterfall("c", "flow", steps, ["absolute", "relative", "absolute"]))["data"]
    assert trace["type"] == "waterfall"
    assert (trace["x"], trace["measure"]) == ([10, -3, 7], ["absolute", "relative", "absolute"])


def test_shares_add_up() -> None:
    chart = shares_chart("c", "chart", {"train": {"raft": 3, "qa": 1}, "test": {"qa": 2}})
    traces = figure(chart)["data"]
    assert [(t["name"], t["x"]) for t in traces] == [("raft", [0.75, 0.0]), ("qa", [0.25, 1.0])]
    assert len({t["marker"]["color"] for t in traces}) == 2
