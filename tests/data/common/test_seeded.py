import numpy as np
import pytest

from bitsft.data.common.hashing import stable_hash
from bitsft.data.common.seeded import drawing_order, generator, unit


def test_unit_is_spread_evenly() -> None:
    values = [unit("x", number) for number in range(20_000)]
    assert all(0 <= value < 1 for value in values)
    # Five standard deviations of a share of 0.8 in 20,000.
    assert abs(sum(value < 0.8 for value in values) / 20_000 - 0.8) < 5 * (0.16 / 20_000) ** 0.5


def test_generators_do_not_touch_the_global_one() -> None:
    import random

    state = random.getstate()
    assert generator("a").random() == generator("a").random() != generator("b").random()
    assert random.getstate() == state


@pytest.mark.parametrize("size", [0, 1, 7, 1000])
def test_order_has_every_index_once(size: int) -> None:
    keys = np.array([stable_hash(n) for n in range(size)], dtype=np.uint64)
    order = list(drawing_order(keys, stable_hash("row"), 3))
    assert sorted(order) == list(range(size))
    if size > 2:
        assert order != list(drawing_order(keys, stable_hash("other row"), 3))


def test_order_does_not_depend_on_how_many_are_expected() -> None:
    keys = np.array([stable_hash(n) for n in range(500)], dtype=np.uint64)
    assert list(drawing_order(keys, 7, 1)) == list(drawing_order(keys, 7, 500))


def test_added_items_leave_the_order_of_the_others() -> None:
    keys = np.array([stable_hash(n) for n in range(300)], dtype=np.uint64)
    before = list(drawing_order(keys[:200], 7, 3))
    after = [index for index in drawing_order(keys, 7, 3) if index < 200]
    assert after == before


def test_every_item_comes_first_equally_often() -> None:
    keys = np.array([stable_hash(n) for n in range(10)], dtype=np.uint64)
    first = [next(drawing_order(keys, stable_hash("row", n), 1)) for n in range(5000)]
    counts = np.bincount(first, minlength=10)
    # Chi-square with 9 degrees of freedom: 27.9 is exceeded once in a thousand.
    assert ((counts - 500) ** 2 / 500).sum() < 27.9
