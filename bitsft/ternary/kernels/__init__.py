"""The fast paths of a ternary layer, and the one place where they are chosen.

    reference   plain PyTorch: the truth, for any device and dtype
    blocked     the same on blocks of rows, for CPUs

`BITSFT_KERNELS=reference` in the environment of the process forces the first, to find out whether a kernel is to blame.
"""

import os
from types import ModuleType

import torch
from torch import Tensor

from bitsft.ternary.kernels import blocked, reference

KERNELS_VARIABLE = "BITSFT_KERNELS"


def _forced() -> bool:
    value = os.environ.get(KERNELS_VARIABLE, "")
    if value not in ("", "reference"):
        raise ValueError(f"{KERNELS_VARIABLE}={value!r}; it may be unset, or 'reference'.")
    return value == "reference"


reference_is_forced = _forced()
"""Read once: a look into the environment in each forward would be felt when one token is decoded."""


def kernels_for(x: Tensor) -> ModuleType:
    """The kernels for a tensor: a module with the functions of `reference`.

    Args:
        x: The layer's input, or its weight.
    """
    if reference_is_forced or not x.is_cpu or torch.compiler.is_compiling():
        return reference  # a compiler fuses the plain formulas better than blocks of them
    return blocked
