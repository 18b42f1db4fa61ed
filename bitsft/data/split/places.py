"""Two ways to place groups: by their hash alone, or so that the ratios are met.

Every group has a point on a line: BLAKE2b of the seed and the group's key, a number below 2^64.

`by_hash`: the line is cut at the cumulative ratios, and a group goes where its point lies. What other rows
there are plays no part, so a group never moves. A split gets its ratio in expectation: of n groups it
gets n·r ± √(n·r·(1-r)), e.g. 500 ± 21 of 5,000 at r = 0.1. Between two runs whose ratios differ, only
groups near the cuts move.

`exactly`: the groups of a stratum are lined up by their points, and the line is cut where the rows so far
make up the ratios. A group on a cut goes where its larger part lies, so that each split is off by less
than a group. What a stratum leaves over or lacks (3 rows cannot be split 8:1:1) is owed to the next
one, so that the sums are right as well. A row more shifts each cut by at most a group or two.
"""

from bisect import bisect_right
from collections.abc import Sequence
from hashlib import blake2b
from itertools import accumulate

_END = 2**64


def point(key: bytes, seed: int) -> int:
    """Where a group lies on the line from 0 to 2^64."""
    return int.from_bytes(blake2b(b"%d:%b" % (seed, key), digest_size=8).digest(), "big")


def by_hash(points: Sequence[int], ratios: Sequence[float]) -> list[int]:
    """Return the number of the split for each group's point."""
    cuts = [int(share * _END) for share in accumulate(ratios)][:-1]
    return [bisect_right(cuts, at) for at in points]


def exactly(
    points: Sequence[int], sizes: Sequence[int], strata: Sequence[int], ratios: Sequence[float]
) -> list[int]:
    """Return the number of the split for each group, with the ratios met to a group in each stratum.

    Args:
        points: Each group's point.
        sizes: Each group's number of rows.
        strata: Each group's stratum; they are filled in rising order.
        ratios: Each split's share.
    """
    sides = [0] * len(points)
    filled = [0] * len(ratios)
    seen = 0
    members: dict[int, list[int]] = {}
    for group, stratum in enumerate(strata):
        members.setdefault(stratum, []).append(group)
    for stratum in sorted(members):
        groups = sorted(members[stratum], key=points.__getitem__)
        rows = sum(sizes[group] for group in groups)
        seen += rows
        owed = [max(0.0, ratio * seen - full) for ratio, full in zip(ratios, filled, strict=True)]
        cuts = [share * rows / sum(owed) for share in accumulate(owed)][:-1]
        before = 0
        for group in groups:
            side = bisect_right(cuts, before + sizes[group] / 2)
            sides[group] = side
            filled[side] += sizes[group]
            before += sizes[group]
    return _none_empty(sides, points, sizes, len(ratios))


def _none_empty(
    sides: list[int], points: Sequence[int], sizes: Sequence[int], splits: int
) -> list[int]:
    """Give each empty split the smallest group of the split with the most groups."""
    counts = [0] * splits
    for side in sides:
        counts[side] += 1
    for empty in range(splits):
        if counts[empty]:
            continue
        donor = max(range(splits), key=counts.__getitem__)
        if counts[donor] < 2:
            break
        given = [group for group, side in enumerate(sides) if side == donor]
        smallest = min(given, key=lambda group: (sizes[group], points[group]))
        sides[smallest] = empty
        counts[donor] -= 1
        counts[empty] += 1
    return sides
