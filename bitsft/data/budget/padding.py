"""`padding_cost`: the share of a batch that is padding, without and with sorting or packing.

A batch is as wide as its longest row, so with B rows of lengths l its padding is B·max(l) - sum(l).

- *random*, TRL's default: the expectation over all orders of the rows, exact, not drawn. With the n
  lengths sorted, the k-th is the longest of B rows drawn without putting back with the probability
  C(k-1, B-1) / C(n, B). An epoch has floor(n/B) such batches and one of the rows left over.
- *grouped*, `train_sampling_strategy="group_by_length"`: its order is drawn, as transformers 5.23 does
  (trainer_pt_utils.py, `get_length_grouped_indices`): shuffled, cut into stretches of at most 50
  batches, each sorted by length. The mean of five seeded draws.
- *packed*, `packing=True, packing_strategy="bfd"`: trl 1.16 (data_utils.py, `_pack_bfd`) fills rows of
  `max_length` tokens, best fit decreasing, from 1,000 rows at a time. It then lays a batch out as one
  line of tokens (`padding_free`), so *nothing is padding*; what stays `unfilled` is room that
  the batch had for more tokens. Rows are cut at `max_length` and none is dropped.

Limits: one device; `group_by_length` with gradient accumulation sorts larger groups than counted here;
`pad_to_multiple_of` is not counted.
"""

import bisect
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

_DRAWS = 5
_STRETCH = 50  # batches that are sorted together at most (transformers' mega_batch_mult)
_PACKED_TOGETHER = 1000  # rows, the batch of datasets.map that pack_dataset leaves as it is


@dataclass(frozen=True)
class PaddingCost:
    """What a batch size costs in padding. All shares are of the tokens that the model computes.

    Attributes:
        batch_size: Rows a batch.
        random: Share of padding in batches of random rows.
        grouped: Share of padding with `group_by_length`.
        packed_rows: Rows of `max_length` tokens after packing; None without a `max_length`.
        packed_unfilled: Share of their room that stays empty; it is not computed.
    """

    batch_size: int
    random: float
    grouped: float
    packed_rows: int | None = None
    packed_unfilled: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """The numbers by their names."""
        return asdict(self)

    def __str__(self) -> str:
        line = (
            f"batches of {self.batch_size}: {self.random:.1%} padding, "
            f"{self.grouped:.1%} with group_by_length"
        )
        if self.packed_rows is None:
            return line
        return (
            f"{line}; packing 'bfd' pads nothing, makes {self.packed_rows:,} rows and leaves "
            f"{self.packed_unfilled:.1%} of them unfilled"
        )


def padding_cost(
    lengths: Sequence[int],
    batch_size: int,
    max_length: int | None = None,
    *,
    trained: Sequence[bool] | None = None,
    seed: int = 0,
) -> PaddingCost:
    """Work out the padding of a batch size.

    Args:
        lengths: Tokens of each row before truncation.
        batch_size: Rows a batch (`per_device_train_batch_size`).
        max_length: Rows are cut to so many tokens first; None cuts none, and packs none.
        trained: Which rows TRL keeps; those that lose their whole completion are dropped without
            packing. None means all.
        seed: Of the orders that `grouped` draws.

    Returns:
        The shares.

    Raises:
        ValueError: For a `batch_size` or `max_length` below 1, no rows, or a `trained` of another length.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size} must be at least 1")
    if max_length is not None and max_length < 1:
        raise ValueError(f"max_length={max_length} must be at least 1, or None for no limit")
    if trained is not None and len(trained) != len(lengths):
        raise ValueError(f"trained has {len(trained)} values for {len(lengths)} rows")
    cut = [length if max_length is None else min(length, max_length) for length in lengths]
    if not cut:
        raise ValueError("there are no rows to count")
    kept = (
        cut if trained is None else [n for n, is_kept in zip(cut, trained, strict=True) if is_kept]
    )
    bins = None if max_length is None else packed_rows(cut, max_length)
    return PaddingCost(
        batch_size=batch_size,
        random=_padding(sum(kept), _expected_width(sorted(kept), batch_size)),
        grouped=_padding(sum(kept), _grouped_width(kept, batch_size, seed)),
        packed_rows=bins,
        packed_unfilled=(
            None if bins is None or max_length is None else _padding(sum(cut), bins * max_length)
        ),
    )


def packed_rows(lengths: Sequence[int], max_length: int) -> int:
    """Return how many rows of `max_length` tokens best-fit-decreasing packing fills.

    Args:
        lengths: Tokens of each row, none above `max_length`; empty rows take no room.
        max_length: Tokens of a packed row.
    """
    total = 0
    for start in range(0, len(lengths), _PACKED_TOGETHER):
        spaces: list[int] = []  # what is left in each open row, sorted
        for length in sorted(lengths[start : start + _PACKED_TOGETHER], reverse=True):
            if not length:
                break
            best = bisect.bisect_left(spaces, length)
            if best == len(spaces):
                total += 1
                space = max_length - length
            else:
                space = spaces.pop(best) - length
            if space:
                bisect.insort(spaces, space)
    return total


def _padding(tokens: int, computed: float) -> float:
    # Rounded, so that rows of one length pad nothing and not 1e-16.
    return max(round(1 - tokens / computed, 12), 0.0) if computed else 0.0


def _expected_width(ordered: list[int], batch_size: int) -> float:
    """Return the expected tokens of an epoch, padding included, in random batches."""
    batches, rest = divmod(len(ordered), batch_size)
    full = batches * batch_size * _expected_longest(ordered, batch_size) if batches else 0.0
    return full + (rest * _expected_longest(ordered, rest) if rest else 0.0)


def _expected_longest(ordered: list[int], drawn: int) -> float:
    """Return the expected longest of `drawn` rows out of all, drawn without putting back."""
    rows = len(ordered)
    chance, expected = drawn / rows, 0.0  # C(k-1, B-1) / C(n, B) at k = n, then downwards
    for k in range(rows, drawn - 1, -1):
        expected += chance * ordered[k - 1]
        if k > 1:
            chance *= (k - drawn) / (k - 1)
    return expected


def _grouped_width(lengths: list[int], batch_size: int, seed: int) -> float:
    """Return the mean tokens of an epoch, padding included, in `group_by_length`'s batches."""
    generator = random.Random(seed)
    stretch = batch_size * max(min(len(lengths) // (batch_size * 4), _STRETCH), 1)
    computed = 0
    for _ in range(_DRAWS):
        order = list(lengths)
        generator.shuffle(order)
        parts = [
            sorted(order[start : start + stretch], reverse=True)
            for start in range(0, len(order), stretch)
        ]
        # The longest row of all comes first, so that memory runs out early if it does.
        longest = max(range(len(parts)), key=lambda i: parts[i][0], default=0)
        if parts:
            parts[0][0], parts[longest][0] = parts[longest][0], parts[0][0]
        sampled = [length for part in parts for length in part]
        for start in range(0, len(sampled), batch_size):
            batch = sampled[start : start + batch_size]
            computed += len(batch) * max(batch)
    return computed / _DRAWS
