"""Whether a difference between two models on the same rows can be chance, and how large it may be.

Test: paired approximate randomization (Noreen 1989; Riezler and Maxwell 2005, https://aclanthology.org/W05-0908;
sacreBLEU's `PairedTest`). If both models were alike, it would not matter which of the two answers to a row is
called whose. So the two lines of a row change places with probability 1/2, row by row, the difference is taken
again, and

    p = (c + 1) / (R + 1),  c = how many of R such trials differ at least as much as was observed, in size

which is two-sided. Up to 12 rows all 2^n swaps are tried instead, and p is the exact share of them.
sacreBLEU counts a trial only where it differs more; here a tie counts, which keeps the test valid where few
values are possible, as with 0/1 scores.

Interval: the percentile bootstrap of the difference; both models see the same rows in each draw.

Many metrics: Holm's step-down method (Scandinavian Journal of Statistics 6, 1979), which holds whatever the
metrics have to do with each other.

All of it works on `Statistics`, column sums and a function of them, so it serves a corpus BLEU as it serves a mean.

Limits: rows are taken to be independent. It says whether these two models differ on rows like these, nothing
about another training run. With n rows no p is below 2/2^n, so fewer than 6 rows can never show a difference at 0.05.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from bitsft.metrics.score import Statistics, join_tables, resampled

if TYPE_CHECKING:
    import numpy as np

EXACT_UP_TO = 12
"""Rows up to which all swaps are tried: 4,096 are fewer than the trials otherwise."""

_SWAPPED_AT_ONCE = 4_000_000  # 32 MB as float64
_ROUNDING = 1e-9


def paired_p_values(
    base: Sequence[Statistics], tuned: Sequence[Statistics], *, trials: int = 10_000, seed: int = 0
) -> list[float]:
    """How probable a difference at least so large is, were the two models alike; several metrics at once.

    Args:
        base: One model's statistics, one for each metric, all of the same n rows.
        tuned: The other's, in the same order, with tables of the same shapes.
        trials: How often rows are swapped; not used up to 12 rows.
        seed: Of the swaps; the global random state is not used.

    Returns:
        For each metric its p value, above 0 and up to 1.

    Raises:
        ValueError: When tables do not fit each other, have no rows, or `trials` is below 1.
    """
    import numpy as np

    if trials < 1:
        raise ValueError(f"trials={trials}: it must be 1 or more")
    rows = _check_tables(base, tuned)
    if not base:
        return []
    (own, others), columns = join_tables(base, tuned)
    own_sums, other_sums, moved = own.sum(axis=0), others.sum(axis=0), others - own
    observed = _differences(base, own_sums, other_sums, columns)
    reached = np.zeros(len(base), np.int64)
    tried = 0
    for swaps in _swaps(rows, trials, seed):
        shift = swaps @ moved
        found = _differences(base, own_sums + shift, other_sums - shift, columns)
        for place, (size, least) in enumerate(zip(found, observed, strict=True)):
            reached[place] += int((size >= least * (1 - _ROUNDING) - 1e-12).sum())
        tried += len(swaps)
    if rows <= EXACT_UP_TO:
        return [float(count / tried) for count in reached]
    return [float((count + 1) / (tried + 1)) for count in reached]


def paired_values(
    base: Sequence[Statistics],
    tuned: Sequence[Statistics],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> "list[tuple[np.ndarray, np.ndarray]]":
    """The values of both models over the same rows drawn with replacement; several metrics at once.

    Args:
        base: As in `paired_p_values`.
        tuned: As in `paired_p_values`.
        resamples: How often rows are drawn.
        seed: Of the draws.

    Returns:
        For each metric the values of base and tuned, float64 [resamples] each.

    Raises:
        ValueError: As `paired_p_values`.
    """
    _check_tables(base, tuned)
    if not base:
        return []
    values = resampled([*base, *tuned], resamples, seed)
    return list(zip(values[: len(base)], values[len(base) :], strict=True))


def middle(values: "np.ndarray", confidence: float = 0.95) -> tuple[float, float]:
    """The ends of the middle part of some values.

    Args:
        values: float64 [n].
        confidence: Share of them inside.
    """
    import numpy as np

    outside = (1 - confidence) / 2
    low, high = np.quantile(values, [outside, 1 - outside])
    return float(low), float(high)


def holm(p_values: Sequence[float]) -> list[float]:
    """p values adjusted for their number: each may be held against the same level as a single one.

    The smallest of m is multiplied by m, the next by m - 1, and so on; none falls below the one before it.

    Args:
        p_values: m values, in any order.

    Returns:
        The adjusted values in the same order, at most 1.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda at: p_values[at])):
        largest = max(largest, min(1.0, p_values[place] * (len(p_values) - rank)))
        adjusted[place] = largest
    return adjusted


def _swaps(rows: int, trials: int, seed: int) -> "Iterator[np.ndarray]":
    """Which rows change places: 0 or 1, float64 [some trials, rows]."""
    import numpy as np

    if rows <= EXACT_UP_TO:
        every = np.arange(2**rows)[:, None] >> np.arange(rows)
        yield (every & 1).astype(np.float64)
        return
    generator = np.random.default_rng(seed)
    at_once = max(1, _SWAPPED_AT_ONCE // rows)
    for start in range(0, trials, at_once):
        number = min(at_once, trials - start)
        bits = np.frombuffer(generator.bytes(number * (-(-rows // 8))), np.uint8)
        yield np.unpackbits(bits.reshape(number, -1), axis=1, count=rows).astype(np.float64)


def _differences(
    metrics: Sequence[Statistics],
    own: "np.ndarray",
    others: "np.ndarray",
    columns: Sequence[slice],
) -> "list[np.ndarray]":
    """For each metric |other - own|, from its columns of the sums [..., k]."""
    import numpy as np

    return [
        np.abs(one.of_sums(others[..., part]) - one.of_sums(own[..., part]))
        for one, part in zip(metrics, columns, strict=True)
    ]


def _check_tables(base: Sequence[Statistics], tuned: Sequence[Statistics]) -> int:
    """The number of rows."""
    if len(base) != len(tuned):
        raise ValueError(f"{len(base)} metrics of one model and {len(tuned)} of the other")
    for place, (one, other) in enumerate(zip(base, tuned, strict=True)):
        if one.table.shape != other.table.shape:
            raise ValueError(
                f"metric {place}: tables of the shapes {one.table.shape} and {other.table.shape} cannot be paired"
            )
    lengths = {len(one.table) for one in base}
    if len(lengths) > 1:
        raise ValueError(f"tables of {sorted(lengths)} rows cannot be tested together")
    if lengths == {0}:
        raise ValueError("no rows to test")
    return lengths.pop() if lengths else 0
