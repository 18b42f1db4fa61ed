"""The fast paths of a ternary layer, and the one place where they are chosen.

    reference   plain PyTorch: the truth, for any device and dtype
    blocked     the same on blocks of rows, for CPUs

`BITSFT_KERNELS=reference` in the environment forces the first, to find out whether a kernel is to blame.
"""

import os
from types import ModuleType

from torch import Tensor

from bitsft.ternary.kernels import blocked, reference

KERNELS_VARIABLE = "BITSFT_KERNELS"


def kernels_for(x: Tensor) -> ModuleType:
    """The kernels for an input: a module with the functions of `reference`.

    Args:
        x: The layer's input.

    Raises:
        ValueError: The environment variable asks for kernels that do not exist.
    """
    forced = os.environ.get(KERNELS_VARIABLE, "")
    if forced not in ("", "reference"):
        raise ValueError(f"{KERNELS_VARIABLE}={forced!r}; it may be unset, or 'reference'.")
    return reference if forced or x.device.type != "cpu" else blocked
