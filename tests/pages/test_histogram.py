import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bitsft.pages.histogram import Bins, bin_lengths, bin_scores, histogram


def figure(chart: Any) -> Any:
    return json.loads(chart.json)


@given(st.lists(st.integers(0, 100_000), min_size=1, max_size=200))
def test_every_length_is_in_a_bin_or_above(lengths: list[int]) -> None:
    bins = bin_lengths(lengths)
    assert sum(bins.counts) + bins.above == len(lengths)
    assert len(bins.edges) == len(bins.counts) + 1
    assert len(bins.counts) <= 100
    assert bins.largest == max(lengths)
    for low, high, count in zip(bins.edges, bins.edges[1:], bins.counts, strict=False):
        assert count == sum(low <= length < high for length in lengths)


def test_bins_of_a_round_width() -> None:
    bins = bin_lengths([3, 3, 4, 7])
    assert (bins.edges, bins.counts) == ((3, 4, 5, 6, 7, 8), (2, 1, 0, 0, 1))
    assert bin_lengths(list(range(1000))).edges[:3] == (0, 50, 100)


def test_a_few_long_ones_do_not_squeeze_the_others() -> None:
    bins = bin_lengths([*range(100, 200)] * 10 + [90_000])
    assert (bins.above, bins.largest) == (1, 90_000)
    assert bins.edges[-1] <= 210
    # Too few rows for a quantile to leave the one out.
    assert bin_lengths([10, 11, 12, 9000]).above == 1


def test_scores() -> None:
    bins = bin_scores([0.0, 0.5, 1.0, float("nan"), float("inf")])
    assert (bins.edges[0], bins.edges[-1], sum(bins.counts)) == (0.0, 1.0, 3)
    assert bin_scores([-3.0, 5.0]).edges[0] == -3.0
    assert sum(bin_scores([7.0, 7.0]).counts) == 2
    assert bin_scores([]).counts == (0,)


def test_bars_of_whole_numbers_stand_over_their_number() -> None:
    (trace,) = figure(histogram("c", "chart", Bins((3, 4, 5, 6), (1, 0, 2))))["data"]
    assert trace["x"] == [3, 4, 5]
    assert trace["hovertext"] == ["3: 1", "4: 0", "5: 2"]
    (trace,) = figure(histogram("c", "chart", Bins((0, 10, 20), (1, 1))))["data"]
    assert trace["hovertext"] == ["0–9: 1", "10–19: 1"]


def test_lines_are_marked_where_they_are_near() -> None:
    bins = Bins((100.0, 200.0, 300.0), (4, 5))
    chart = histogram("c", "chart", bins, lines={"max_length 64": 64, "max_length 4,096": 4096})
    layout = figure(chart)["layout"]
    assert [shape["x0"] for shape in layout["shapes"]] == [64]
    assert layout["annotations"][0]["text"] == "max_length 64"
    assert layout["xaxis"]["range"][0] < 64
