"""Whether raters agree: Krippendorff's alpha (https://repository.upenn.edu/asc_papers/43).

    α = 1 − D_observed / D_expected

where D is the mean distance of two ratings of the same unit (observed) and of any two ratings (expected). 1 is
full agreement, 0 what chance would give, below 0 less than that. Any number of raters, and not all of them need to
rate all rows. Distances are nominal for choices (equal or not) and ordinal for scores of 1 to 5 (4 against
5 is nearer than 1 against 5). Krippendorff asks for α ≥ 0.8, and takes 0.667 to 0.8 for tentative conclusions.

The `krippendorff` package computes it (extra `blind`). Cohen's kappa is left out: it is for two raters who rated the
same rows, where nominal alpha differs little from it (by pooling what both gave, and by a correction for few rows).

Limits: alpha is not defined where fewer than two people rated a common row, or where all ratings are equal; and it
is low where nearly all are, although raters agree. So the share of equal pairs of ratings stands beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bitsft._extras import require

Level = Literal["nominal", "ordinal"]


@dataclass(frozen=True)
class Agreement:
    """How far raters agree on one question.

    Attributes:
        alpha: Krippendorff's alpha; None where it is not defined.
        equal: Share of equal pairs among all pairs of ratings of the same unit; None where there are none.
        units: How many units two or more people rated.
        level: How distances are measured.
        reason: Why alpha is not defined; "" where it is.
    """

    alpha: float | None
    equal: float | None
    units: int
    level: Level
    reason: str = ""


def agreement(
    ratings: Mapping[str, Mapping[Any, int | str]],
    level: Level,
    values: Sequence[int] | Sequence[str],
) -> Agreement:
    """Krippendorff's alpha and the share of equal pairs.

    Args:
        ratings: For each rater, what they gave to each unit that they rated.
        level: `"nominal"` or `"ordinal"`.
        values: All values that can be given, in their order.

    Raises:
        ImportError: When the `krippendorff` package is not installed.
    """
    place = {value: number for number, value in enumerate(values)}
    by_unit: dict[object, list[int]] = {}
    for given in ratings.values():
        for unit, value in given.items():
            by_unit.setdefault(unit, []).append(place[value])
    counts = [
        [rated.count(number) for number in range(len(values))]
        for rated in by_unit.values()
        if len(rated) > 1
    ]
    if len(ratings) < 2:
        return Agreement(None, None, 0, level, "only one person rated" if ratings else "no ratings")
    if not counts:
        return Agreement(None, None, 0, level, "no row was rated by two people")
    equal = sum(count * (count - 1) for row in counts for count in row)
    pairs = sum(sum(row) * (sum(row) - 1) for row in counts)
    share = equal / pairs
    if sum(any(row[number] for row in counts) for number in range(len(values))) < 2:
        return Agreement(None, share, len(counts), level, "all ratings are equal")
    alpha = require("krippendorff", "blind").alpha(value_counts=counts, level_of_measurement=level)
    return Agreement(float(alpha), share, len(counts), level)
