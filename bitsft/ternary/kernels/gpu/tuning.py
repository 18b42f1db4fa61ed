"""Which tile sizes Triton tries, and when it tries anew.

A kernel is tuned once for each bucket of sizes: the number of tokens rises to the next power of two, so that batches of
varying length share one result. Under Triton's interpreter (`TRITON_INTERPRET=1`, for tests without a GPU) there is
nothing to tune: the first, small configuration is taken.
"""

from typing import Any

import triton


def is_interpreted() -> bool:
    """Whether kernels run in Triton's interpreter, on tensors of any device."""
    return bool(triton.knobs.runtime.interpret)


def configs(small: dict[str, int], *candidates: dict[str, int]) -> list[Any]:
    """Configurations for `triton.autotune`.

    Args:
        small: Tile sizes for the interpreter.
        candidates: For GPUs: tile sizes, and with them `num_warps` and `num_stages`.

    Returns:
        `triton.Config`s: the small one alone under the interpreter, else the candidates.
    """
    if is_interpreted():
        return [triton.Config(small)]
    return [
        triton.Config(
            {k: v for k, v in candidate.items() if k not in ("num_warps", "num_stages")},
            num_warps=candidate["num_warps"],
            num_stages=candidate["num_stages"],
        )
        for candidate in candidates
    ]


def bucket(size: int) -> int:
    """The next power of two; the key by which kernels are tuned for a number of tokens."""
    return 1 << max(0, size - 1).bit_length()
