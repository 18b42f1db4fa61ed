import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitsft.data.budget.lengths import Histogram, Lengths, quantile

LENGTHS = [3, 1, 2, 10, 4]


def test_lengths() -> None:
    assert Lengths.of(LENGTHS) == Lengths(mean=4.0, p50=3, p95=10, p99=10, max=10)
    assert Lengths.of(range(1, 201)) == Lengths(mean=100.5, p50=100, p95=190, p99=198, max=200)
    assert Lengths.of([7]).as_dict() == {"mean": 7.0, "p50": 7, "p95": 7, "p99": 7, "max": 7}


@given(
    st.lists(st.integers(0, 5000), min_size=1, max_size=200),
    st.sampled_from([0.0, 0.5, 0.9, 0.95, 0.99, 0.995, 1.0]),
)
def test_quantile_is_numpys_inverted_cdf(lengths: list[int], share: float) -> None:
    expected = np.quantile(lengths, share, method="inverted_cdf")
    assert quantile(sorted(lengths), share) == expected


def test_histogram() -> None:
    assert Histogram.of(LENGTHS, width=5) == Histogram(edges=(0, 5, 10, 15), counts=(4, 0, 1))
    assert Histogram.of([0, 0]) == Histogram(edges=(0, 1), counts=(2,))
    # 20 bins of 64 would end at 1279, so 1280 needs the next power of two.
    assert Histogram.of([1279]).edges[1] == 64
    assert Histogram.of([1280]).edges[1] == 128
    assert Histogram.of([1], width=2).as_dict() == {"edges": [0, 2], "counts": [1]}


def test_histogram_as_text() -> None:
    assert str(Histogram.of(LENGTHS, width=5)) == (
        " 0 to  4         4 ##############################\n"
        " 5 to  9         0\n"
        "10 to 14         1 ########"
    )


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=100))
def test_every_length_is_in_one_bin(lengths: list[int]) -> None:
    histogram = Histogram.of(lengths)
    assert sum(histogram.counts) == len(lengths)
    assert len(histogram.counts) == len(histogram.edges) - 1 <= 20
    assert histogram.edges[-2] <= max(lengths) < histogram.edges[-1]


def test_nothing_to_measure() -> None:
    with pytest.raises(ValueError, match="there are no lengths to measure"):
        Lengths.of([])
    with pytest.raises(ValueError, match="there are no lengths to count"):
        Histogram.of([])
    with pytest.raises(ValueError, match="width=0 must be at least 1 token"):
        Histogram.of([1], width=0)
