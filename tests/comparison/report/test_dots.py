import json
from typing import Any

import pytest

from bitsft.comparison.comparison import Comparison
from bitsft.comparison.report.dots import scores_chart, slices_chart
from bitsft.comparison.slices import Slice
from bitsft.comparison.table import Line
from tests.pages.hostile import HOSTILE


def figure(chart: Any) -> Any:
    return json.loads(chart.json)


def line(metric: str, base: float, tuned: float, **values: Any) -> Line:
    around = {"base_interval": (base, base), "tuned_interval": (tuned, tuned)} | values
    return Line(
        "all", metric, base, tuned, tuned - base, None, difference_interval=None, p=None,
        adjusted_p=None, goal="higher", verdict="not tested", rows=9, signature="", **around,
    )  # fmt: skip


def piece(difference: float, low: float, high: float) -> Slice:
    return Slice(
        "all", "label", "긍정", "rougeL", 9, 0.5, 0.5 + difference, difference, (low, high)
    )


def test_each_metric_has_a_scale_of_its_own() -> None:
    lines = [
        line("rougeL", 0.25, 0.5),
        line("bleu", 25.0, 50.0),
        line("answer_chars", 10.0, 40.0, tuned_interval=(20.0, 80.0)),
        line("cosine", -1.0, 0.0),
    ]
    _, base, tuned = figure(scores_chart("c", "chart", lines, ("기본", "튜닝")))["data"]
    assert base["x"] == [0.25, 0.25, 0.125, 0.0]
    assert tuned["x"] == [0.5, 0.5, 0.5, 0.5]
    assert tuned["error_x"]["array"] == [0, 0, 0.5, 0]
    assert tuned["error_x"]["arrayminus"] == [0, 0, 0.25, 0]
    assert (base["name"], tuned["name"]) == ("기본", "튜닝")
    # Told apart by shape, not by colour alone.
    assert base["marker"]["symbol"] != tuned["marker"]["symbol"]


def test_a_metric_without_interval_has_a_dot_all_the_same() -> None:
    lines = [line("rougeL", 0.0, 0.0, base_interval=None, tuned_interval=None)]
    _, base, tuned = figure(scores_chart("c", "chart", lines, ("a", "b")))["data"]
    assert base["x"] == tuned["x"] == [0.0]


@pytest.mark.parametrize(("goal", "symbol"), [("higher", "triangle-left"), ("lower", "triangle-left")])  # fmt: skip
def test_slices_lie_on_one_scale_and_show_what_leaves_out_zero(goal: Any, symbol: str) -> None:
    slices = [("a", piece(0.5, 0.25, 0.75)), ("b", piece(0.0, -0.25, 0.25)), ("c", piece(-0.25, -0.25, -0.1))]  # fmt: skip
    data = figure(slices_chart("c", "chart", slices, goal))["data"]
    scale, *found = data
    assert [trace["x"] for trace in found] == (
        [[0.25], [0.75], [0.0]] if goal == "higher" else [[0.25], [0.0], [0.75]]
    )
    assert 0.25 in scale["x"]  # the stroke at no difference
    losing = found[2] if goal == "higher" else found[1]
    assert losing["marker"]["symbol"] == symbol
    assert found[0]["marker"]["symbol"] == "circle"


def test_slices_without_any_difference() -> None:
    chart = slices_chart("c", "chart", [("a", piece(0.0, 0.0, 0.0))], "higher")
    assert figure(chart)["data"][1]["x"] == [0.0]


def test_hostile_names_stay_in_their_place(comparison: Comparison) -> None:
    lines = [line(HOSTILE, 0.25, 0.5)]
    for chart in (
        scores_chart("c", "chart", lines, (HOSTILE, HOSTILE + "2")),
        slices_chart("c", "chart", [(HOSTILE, piece(0.5, 0.25, 0.75))], "higher"),
    ):
        assert not set("<>\u2028\x00") & set(chart.json)
        chart.json.encode("utf-8")
        texts = [note["text"] for note in figure(chart)["layout"]["annotations"]]
        texts += [text for trace in figure(chart)["data"] for text in trace.get("hovertext", [])]
        texts += [trace.get("name", "") for trace in figure(chart)["data"]]
        assert any("&lt;/script&gt;" in text for text in texts)
        assert not any(set("<>") & set(text) for text in texts)
