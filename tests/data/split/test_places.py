import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitsft.data.split.places import by_hash, exactly, point

SHARES = [0.8, 0.1, 0.1]


def test_points_do_not_change_between_versions() -> None:
    # Computed once with hashlib; if they changed, rows would change sides.
    assert point(b"\x01" * 16, 0) == 8255061356107674566
    assert point(b"\x01" * 16, 1) != point(b"\x01" * 16, 0)


def test_hash_cuts_the_line_at_the_cumulative_ratios() -> None:
    end = 2**64
    points = [0, int(0.79 * end), int(0.81 * end), int(0.89 * end), int(0.91 * end), end - 1]
    assert by_hash(points, SHARES) == [0, 0, 1, 1, 2, 2]


def test_5000_random_groups_meet_the_ratios() -> None:
    generator = random.Random(0)
    keys = [generator.randbytes(16) for _ in range(5_000)]
    for seed in range(5):
        sides = by_hash([point(key, seed) for key in keys], SHARES)
        for side, share in enumerate(SHARES):
            four_sigma = 4 * math.sqrt(5_000 * share * (1 - share))
            assert abs(sides.count(side) - 5_000 * share) < four_sigma
    sides = exactly([point(key, 0) for key in keys], [1] * 5_000, [0] * 5_000, SHARES)
    assert [sides.count(side) for side in range(3)] == [4_000, 500, 500]


def test_small_strata_owe_each_other_their_remainders() -> None:
    generator = random.Random(1)
    points = [generator.randrange(2**64) for _ in range(300)]
    strata = [number // 3 for number in range(300)]  # 3 rows cannot be split 8:1:1
    sides = exactly(points, [1] * 300, strata, SHARES)
    assert [sides.count(side) for side in range(3)] == [240, 30, 30]


GROUPS = st.lists(
    st.tuples(st.integers(0, 2**64 - 1), st.integers(1, 9), st.integers(0, 3)),
    min_size=3,
    max_size=60,
    unique_by=lambda group: group[0],
)


@given(GROUPS)
def test_exact_is_exact_to_the_largest_group(groups: list[tuple[int, int, int]]) -> None:
    points, sizes, strata = (list(column) for column in zip(*groups, strict=True))
    sides = exactly(points, sizes, strata, SHARES)
    assert set(sides) == {0, 1, 2}  # none empty
    total = sum(sizes)
    for side, share in enumerate(SHARES):
        got = sum(size for size, own in zip(sizes, sides, strict=True) if own == side)
        # A cut at either end, and one group given to a split that would be empty.
        assert abs(got - share * total) <= 3 * max(sizes)


@given(GROUPS, st.randoms(use_true_random=False))
def test_exact_does_not_depend_on_the_order(groups: list, shuffler) -> None:
    sides = dict(zip(groups, exactly(*map(list, zip(*groups, strict=True)), SHARES), strict=True))
    other = list(groups)
    shuffler.shuffle(other)
    assert exactly(*map(list, zip(*other, strict=True)), SHARES) == [sides[g] for g in other]


def test_exact_moves_few_groups_when_one_is_added() -> None:
    generator = random.Random(2)
    points = [generator.randrange(2**64) for _ in range(1_001)]
    before = exactly(points[:-1], [1] * 1_000, [0] * 1_000, SHARES)
    after = exactly(points, [1] * 1_001, [0] * 1_001, SHARES)
    assert sum(one != other for one, other in zip(before, after, strict=False)) <= 2


@pytest.mark.parametrize("groups", [2, 1])
def test_fewer_groups_than_splits_leave_some_empty(groups: int) -> None:
    sides = exactly(list(range(groups)), [1] * groups, [0] * groups, SHARES)
    assert len(set(sides)) == groups
