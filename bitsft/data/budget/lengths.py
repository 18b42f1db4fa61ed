"""`Lengths` and `Histogram`: what a set of token counts looks like.

A percentile here is a length that occurs: the smallest one that at least this share of the rows do
not exceed (the inverse of the empirical distribution function; numpy's method "inverted_cdf").
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

_BINS = 20


@dataclass(frozen=True)
class Lengths:
    """Mean and percentiles of token counts, in tokens.

    Attributes:
        mean: The mean.
        p50: The middle one.
        p95: What 95 % of the rows do not exceed.
        p99: What 99 % do not exceed.
        max: The largest.
    """

    mean: float
    p50: int
    p95: int
    p99: int
    max: int

    @classmethod
    def of(cls, lengths: Sequence[int]) -> "Lengths":
        """Measure at least one length.

        Raises:
            ValueError: For none.
        """
        if not lengths:
            raise ValueError("there are no lengths to measure")
        ordered = sorted(lengths)
        p50, p95, p99 = (quantile(ordered, share) for share in (0.5, 0.95, 0.99))
        return cls(sum(ordered) / len(ordered), p50, p95, p99, ordered[-1])

    def as_dict(self) -> dict[str, Any]:
        """The numbers by their names."""
        return asdict(self)


@dataclass(frozen=True)
class Histogram:
    """How many lengths fall into each of some bins of equal width.

    Attributes:
        edges: The bins' limits in tokens, from 0: bin i holds `edges[i] <= length < edges[i + 1]`.
        counts: Rows in each bin; one less than `edges`.
    """

    edges: tuple[int, ...]
    counts: tuple[int, ...]

    @classmethod
    def of(cls, lengths: Sequence[int], width: int | None = None) -> "Histogram":
        """Count lengths.

        Args:
            lengths: Token counts.
            width: Of a bin, in tokens. None takes the smallest power of two that needs at most 20 bins.

        Raises:
            ValueError: For a width below 1, or no lengths.
        """
        if not lengths:
            raise ValueError("there are no lengths to count")
        longest = max(lengths)
        if width is None:
            width = 1
            while longest // width >= _BINS:
                width *= 2
        elif width < 1:
            raise ValueError(f"width={width} must be at least 1 token")
        bins = longest // width + 1
        counts = Counter(length // width for length in lengths)
        return cls(tuple(i * width for i in range(bins + 1)), tuple(counts[i] for i in range(bins)))

    def as_dict(self) -> dict[str, Any]:
        """The edges and counts as lists."""
        return {"edges": list(self.edges), "counts": list(self.counts)}

    def __str__(self) -> str:
        most = max(self.counts)
        wide = len(f"{self.edges[-1]:,}")
        lines = []
        for low, high, count in zip(self.edges, self.edges[1:], self.counts, strict=False):
            bar = "#" * math.ceil(30 * count / most)
            lines.append(f"{low:>{wide},} to {high - 1:>{wide},} {count:>9,} {bar}".rstrip())
        return "\n".join(lines)


def quantile(ordered: Sequence[int], share: float) -> int:
    """Return the smallest length that at least `share` of the rows do not exceed.

    Args:
        ordered: The lengths, sorted, at least one.
        share: From 0 to 1.
    """
    # 0.07 * 100 is 7.000000000000001 in floating point: without rounding it would be the 8th.
    return ordered[max(math.ceil(round(share * len(ordered), 6)) - 1, 0)]
