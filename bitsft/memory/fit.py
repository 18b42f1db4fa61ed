"""The largest batch or length whose training fits into so much memory.

Both are found by bisection over forecasts from a few traces (`Predictor.rough_forecast`): memory grows with
either.
"""

import re
from collections.abc import Callable
from typing import Any

from bitsft.memory.forecast import Predictor

LONGEST, LARGEST_BATCH = 131_072, 1024
_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


def bytes_of(text: str) -> int:
    """A size as people write it.

    Args:
        text: `"8G"`, `"8GiB"`, `"8GB"`, `"7.5g"`, `"500M"`, or bytes; units are powers of 1024, as with GPUs.

    Raises:
        ValueError: It is not a size above 0.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", text, re.IGNORECASE)
    size = int(float(match[1]) * _UNITS[match[2].upper()]) if match else 0
    if size < 1:
        raise ValueError(f"{text!r} is not a size; write 8G or 24GiB, for example.")
    return size


def largest_that_fits(
    model: Any,
    method: str,
    device_memory: int,
    *,
    batch_size: int = 1,
    length: int = 1024,
    **options: Any,
) -> tuple[int, int]:
    """How far batch and length can grow, each by itself.

    Args:
        model: As in `predict_memory`; so for what is not named here.
        method: See there.
        device_memory: Bytes of the device, the runtime's own included.
        batch_size: Kept while the length grows.
        length: Kept while the batch grows.
        options: Further arguments of `predict_memory`.

    Returns:
        `(batch_size, length)`: about the largest batch at this length and the largest length (a multiple of 64) at this batch; 0 where
        not even the smallest fits. At most 1,024 rows and 131,072 tokens are looked at.
    """

    predictor = Predictor(model, method, **options)

    def fits(batch_size: int, length: int) -> bool:
        return predictor.rough_forecast(batch_size, length).total <= device_memory

    batch = _largest(lambda rows: fits(rows, length), LARGEST_BATCH)
    blocks = _largest(lambda number: fits(batch_size, 64 * number), LONGEST // 64)
    return batch, 64 * blocks


def _largest(fits: Callable[[int], bool], limit: int) -> int:
    """The largest number up to `limit` that fits, where all below one that fits do, too; 0 for none."""
    if not fits(1):
        return 0
    low, high = 1, 2
    while high <= limit and fits(high):
        low, high = high, 2 * high
    high = min(high, limit + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
