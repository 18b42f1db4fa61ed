"""Krippendorff's alpha on his published data, and where it is not defined."""

import pytest

from bitsft.blind.agreement import agreement

_ = None
# Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), example C: four observers, twelve units.
PUBLISHED = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
    [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
]


def raters(table: list[list[int | None]]) -> dict[str, dict[object, int | str]]:
    return {
        f"rater {number}": {unit: value for unit, value in enumerate(row) if value is not None}
        for number, row in enumerate(table)
    }


def test_published_nominal() -> None:
    found = agreement(raters(PUBLISHED), "nominal", (1, 2, 3, 4, 5))
    assert found.alpha == pytest.approx(0.743, abs=5e-4)
    assert found.units == 11  # the last unit has one value only


def test_published_ordinal() -> None:
    found = agreement(raters(PUBLISHED), "ordinal", (1, 2, 3, 4, 5))
    assert found.alpha == pytest.approx(0.815, abs=5e-4)


def test_by_hand() -> None:
    """Two raters, four units: aa, aa, bb, ab. o = [[4, 1], [1, 2]], n = (5, 3): α = 1 − 7·2 / (5·3·2) = 8/15."""
    found = agreement(
        {"x": {1: "a", 2: "a", 3: "b", 4: "a"}, "y": {1: "a", 2: "a", 3: "b", 4: "b"}},
        "nominal",
        ("a", "b"),
    )
    assert found.alpha == pytest.approx(8 / 15)
    assert found.equal == 0.75


def test_words_that_nobody_used_change_nothing() -> None:
    given = {"x": {1: "a", 2: "b"}, "y": {1: "a", 2: "a"}}
    few = agreement(given, "nominal", ("a", "b"))
    many = agreement(given, "nominal", ("z", "a", "b", "c"))
    assert few == many
    assert few.alpha == pytest.approx(0.0)  # o = [[2, 1], [1, 0]], n = (3, 1): 1 − 3·2 / (3·1·2)


@pytest.mark.parametrize(
    ("given", "reason", "equal"),
    [
        ({}, "no ratings", None),
        ({"x": {1: 3, 2: 4}}, "only one person rated", None),
        ({"x": {1: 3}, "y": {2: 4}}, "no row was rated by two people", None),
        ({"x": {1: 3, 2: 3}, "y": {1: 3, 2: 3}}, "all ratings are equal", 1.0),
        ({"x": {1: 3, 2: 5}, "y": {1: 3}}, "all ratings are equal", 1.0),
    ],
)
def test_not_defined(
    given: dict[str, dict[object, int | str]], reason: str, equal: float | None
) -> None:
    found = agreement(given, "ordinal", (1, 2, 3, 4, 5))
    assert (found.alpha, found.reason, found.equal) == (None, reason, equal)
