from typing import Any

import pytest

from bitsft.data.report.inputs import (
    bins_of,
    check_mappings,
    count_of,
    mapping_of,
    mappings_of,
    number_of,
    text_of,
)


def test_what_is_missing() -> None:
    assert count_of({}, "a", "m") == 0
    assert text_of({}, "a") == ""
    assert mapping_of({"a": None}, "a", "m") == {}
    assert mappings_of({}, "a", "m") == []
    assert number_of({}, "a", "m") is None


def test_what_is_there() -> None:
    values = {"count": 3, "text": "글", "other": [1], "number": 0.5}
    assert count_of(values, "count", "m") == 3
    assert text_of(values, "text") == "글"
    assert text_of(values, "other") == "[1]"
    assert number_of(values, "number", "m") == 0.5


@pytest.mark.parametrize("value", [True, -1, 1.0, "3", None])
def test_no_count(value: object) -> None:
    with pytest.raises(ValueError, match=r"m\['a'\] is .*; give a whole number from 0 up"):
        count_of({"a": value}, "a", "m")


@pytest.mark.parametrize("value", [True, "x", [1]])
def test_no_number(value: object) -> None:
    with pytest.raises(ValueError, match=r"m\['a'\] is .*; give a number"):
        number_of({"a": value}, "a", "m")


def test_no_list_of_mappings() -> None:
    with pytest.raises(ValueError, match=r"m\[1\] is 2; give a mapping"):
        check_mappings([{}, 2], "m")
    with pytest.raises(ValueError, match="m is 'x'; give a list of mappings"):
        check_mappings("x", "m")


def test_bins_of_a_manifest() -> None:
    bins = bins_of({"edges": [0, 16, 32], "counts": [3, 4]}, "m")
    assert (bins.edges, bins.counts) == ((0.0, 16.0, 32.0), (3, 4))


@pytest.mark.parametrize(
    ("edges", "counts"),
    [
        ([0, 1], [1, 2]),
        ([1, 0], [1]),
        ([0, float("inf")], [1]),
        ([0, 1], [-1]),
        ([0, 1], [0.5]),
        ([0], []),
        ("01", [1]),
        (None, None),
    ],
)
def test_no_histogram(edges: Any, counts: Any) -> None:
    with pytest.raises(ValueError, match=r"m: the histogram is .*; give 'edges' \(rising\)"):
        bins_of({"edges": edges, "counts": counts}, "m")
