import itertools
import random
from typing import Any

import pytest
import torch
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.trainer_pt_utils import get_length_grouped_indices
from trl import pack_dataset

from bitsft.data.budget.padding import PaddingCost, packed_rows, padding_cost


def computed(order: list[int], batch_size: int) -> int:
    """Tokens of an epoch with its padding."""
    batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    return sum(len(batch) * max(batch) for batch in batches)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.integers(1, 7))
@settings(max_examples=60, deadline=None)
def test_random_batches_are_the_mean_over_all_orders(lengths: list[int], batch_size: int) -> None:
    orders = list(itertools.permutations(lengths))
    mean = sum(computed(list(order), batch_size) for order in orders) / len(orders)
    expected = 1 - sum(lengths) / mean
    assert padding_cost(lengths, batch_size).random == pytest.approx(expected, abs=1e-9)


def test_two_lengths_by_hand() -> None:
    # Pairs out of 1, 1, 3, 3: each batch is 3 wide but for the 1 in 6 that hold both ones. So a batch is
    # 8/3 wide, an epoch 2 * 2 * 8/3 = 32/3 tokens, and 8 of them are real.
    cost = padding_cost([1, 1, 3, 3], 2, 3)
    assert cost.random == pytest.approx(0.25)
    assert (cost.packed_rows, cost.packed_unfilled) == (3, pytest.approx(1 / 9))


def test_large_sets() -> None:
    lengths = [random.Random(0).randint(10, 500)] * 10_000 + [1] * 10_000
    cost = padding_cost(lengths, 8)
    width = max(lengths)
    assert cost.random == pytest.approx(
        1 - (width + 1) / 2 / (width * (1 - 2**-8) + 2**-8), rel=1e-2
    )
    assert cost.grouped < 0.02


def test_grouped_is_transformers_order() -> None:
    generator = random.Random(1)
    lengths = [generator.randint(1, 400) for _ in range(3000)]
    widths = []
    for seed in range(5):
        order = get_length_grouped_indices(
            lengths, 4, generator=torch.Generator().manual_seed(seed)
        )
        widths.append(computed([lengths[i] for i in order], 4))
    theirs = 1 - sum(lengths) / (sum(widths) / 5)
    assert padding_cost(lengths, 4).grouped == pytest.approx(theirs, rel=0.05)
    assert padding_cost(lengths, 4).random > 5 * theirs


@pytest.mark.parametrize("rows", [1, 700, 2500])
def test_packing_is_trls(rows: int) -> None:
    generator = random.Random(rows)
    lengths = [generator.randint(1, 150) for _ in range(rows)]
    dataset = Dataset.from_dict({"input_ids": [[1] * n for n in lengths]})
    packed = pack_dataset(dataset, 128, "bfd", {"load_from_cache_file": False})
    assert packed_rows([min(n, 128) for n in lengths], 128) == len(packed)
    cost = padding_cost(lengths, 8, 128)
    tokens = sum(len(ids) for ids in packed["input_ids"])
    assert cost.packed_rows == len(packed)
    assert cost.packed_unfilled == pytest.approx(1 - tokens / (128 * len(packed)))


def test_rows_of_one_length_pad_nothing() -> None:
    cost = padding_cost([5] * 9, 4, 5)
    assert cost == PaddingCost(4, random=0.0, grouped=0.0, packed_rows=9, packed_unfilled=0.0)
    assert padding_cost([1, 9], 1).random == pytest.approx(0)


def test_dropped_rows_are_in_no_batch_but_packed() -> None:
    cost = padding_cost([2, 9], 2, 4, trained=[True, False])
    assert (cost.random, cost.grouped, cost.packed_rows) == (0.0, 0.0, 2)
    assert padding_cost([9], 2, 4, trained=[False]).random == 0.0


def test_the_seed() -> None:
    lengths = [random.Random(2).randint(1, 400) for _ in range(100)] + list(range(100))
    assert padding_cost(lengths, 4, seed=1) == padding_cost(lengths, 4, seed=1)
    assert padding_cost(lengths, 4, seed=1).grouped != padding_cost(lengths, 4, seed=2).grouped


def test_as_text() -> None:
    assert str(PaddingCost(8, 0.25, 0.0312, 3, 0.1)) == (
        "batches of 8: 25.0% padding, 3.1% with group_by_length; packing 'bfd' pads nothing, "
        "makes 3 rows and leaves 10.0% of them unfilled"
    )
    assert str(PaddingCost(8, 0.25, 0.0312)) == (
        "batches of 8: 25.0% padding, 3.1% with group_by_length"
    )
    assert PaddingCost(8, 0.25, 0.0312).as_dict()["packed_rows"] is None


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([1], 0), {}, "batch_size=0 must be at least 1"),
        (([1], 1, 0), {}, "max_length=0 must be at least 1"),
        (([], 1), {}, "there are no rows to count"),
        (([1], 1), {"trained": []}, "trained has 0 values for 1 rows"),
    ],
)
def test_wrong_arguments(arguments: tuple[Any, ...], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        padding_cost(*arguments, **options)
