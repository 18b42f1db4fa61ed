"""A number with its 95 % interval, as far as its rows allow one.

Shares of independent yes and no have Wilson's interval (1927; Brown, Cai and DasGupta 2001,
https://doi.org/10.1214/ss/1009213286), which is right for few rows and for shares of 0 and 1, where a bootstrap
gives an interval of no width:

    (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n),  z = 1.96

Means have the bootstrap over rows of `Score.interval`: what several people said of one row is one row.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from bitsft.metrics.score import mean_score

_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Estimate:
    """A value, and where it would probably be on other rows of the same kind.

    Attributes:
        value: The value; None where nothing was rated that it could be computed from.
        low: Lower end of the 95 % interval; None where there is none.
        high: Upper end.
        rows: How many rows, or ratings, it is computed from.
    """

    value: float | None
    low: float | None
    high: float | None
    rows: int


def share(successes: int, total: int) -> Estimate:
    """A share with Wilson's interval; without a value where `total` is 0."""
    if total == 0:
        return Estimate(None, None, None, 0)
    p = successes / total
    middle = p + _Z**2 / (2 * total)
    half = _Z * math.sqrt(p * (1 - p) / total + _Z**2 / (4 * total**2))
    below = 1 + _Z**2 / total
    return Estimate(p, max(0.0, (middle - half) / below), min(1.0, (middle + half) / below), total)


def mean(rows: Sequence[float]) -> Estimate:
    """A mean with its bootstrap interval; without one where there are fewer than two rows."""
    if not rows:
        return Estimate(None, None, None, 0)
    score = mean_score("mean", rows, "")
    low, high = score.interval() if len(rows) > 1 else (None, None)
    return Estimate(score.value, low, high, len(rows))


def sign_test(wins: int, losses: int) -> float:
    """Two-sided p value of the exact sign test: how probable so uneven a split of fair coins is."""
    tosses, fewer = wins + losses, min(wins, losses)
    tail = sum(math.comb(tosses, heads) for heads in range(fewer + 1))
    return min(1.0, 2 * tail / 2**tosses)
