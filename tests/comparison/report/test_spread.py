import json
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bitsft.comparison.comparison import Comparison, compare
from bitsft.comparison.report.confusion import Matrices
from bitsft.comparison.report.spread import gain_chart, mirrored_histogram, spread_section
from bitsft.comparison.report.words import words
from bitsft.pages.blocks import Figures
from tests.comparison.evaluations import simple

TEXT = words("en")


def figure(chart: Any) -> Any:
    return json.loads(chart.json)


@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=50),
)
def test_every_score_is_in_a_bin(pairs: list[tuple[float, float]]) -> None:
    base, tuned = (np.array(side) for side in zip(*pairs, strict=True))
    above, below = figure(mirrored_histogram("c", "chart", base, tuned, ("a", "b")))["data"]
    assert sum(above["y"]) == len(pairs)
    assert sum(below["y"]) == -len(pairs)
    assert above["x"] == below["x"]
    assert (above["name"], below["name"]) == ("b", "a")


def test_means_of_groups_of_similar_length() -> None:
    lengths = [10] * 5 + [20] * 5
    gains = [0.25] * 5 + [0.5] * 5
    chart, shown = gain_chart("c", "chart", lengths, gains, range(10), True, 0, TEXT)
    points, means = figure(chart)["data"]
    assert shown == 10
    assert points["hovertext"][9] == "Row 9: +0.500"
    assert means["x"] == [10, 20]
    assert means["y"] == [0.25, 0.5]
    assert means["error_y"]["array"] == [0, 0]
    assert means["hovertext"][0] == "10–10 characters (5): +0.250 [+0.250 … +0.250]"


def test_many_rows_are_drawn_as_a_sample() -> None:
    lengths = [n % 97 for n in range(5000)]
    chart, shown = gain_chart("c", "chart", lengths, [0.5] * 5000, range(5000), True, 0, TEXT)
    points, means = figure(chart)["data"]
    assert shown == len(points["x"]) == 2000
    assert len(means["x"]) == 8
    assert min(points["x"]) == 1  # an empty reference stands at 1, where a logarithm exists


def test_right_and_wrong_are_counted_and_not_drawn() -> None:
    base = simple([1.0, 1.0, 0.0, 0.0, 0.0], metric="exact_match")
    tuned = simple([1.0, 0.0, 1.0, 1.0, 0.0], metric="exact_match", model="t")
    section = spread_section(compare(base, tuned, resamples=10), ("기본", "튜닝"), 0, TEXT)
    assert section is not None
    (matrices,) = section.blocks
    assert isinstance(matrices, Matrices)
    (matrix,) = matrices.matrices
    assert (matrix.side, matrix.top) == ("기본", "튜닝")
    assert [(name, [cell.count for cell in cells]) for name, cells in matrix.rows] == [
        ("right", [1, 1]),
        ("wrong", [2, 1]),
    ]


def test_every_part_is_drawn(comparison: Comparison) -> None:
    section = spread_section(comparison, ("a", "b"), 0, TEXT)
    assert section is not None
    headings = [block.heading for block in section.blocks if isinstance(block, Figures | Matrices)]
    assert [heading for heading in headings if heading] == ["All rows", "classification", "raft", "summarization"]  # fmt: skip
