"""Layers that read the same input (q, k, v; gate, up) quantize it once.

A layer that is called with the same tensor object as the one before gets the same int8 tensor, and what a training step
saves for backward is shared, too. No model code is touched and no order of layers assumed.

An input that was changed in place since is quantized again (its version counter says so; tensors made under
`torch.inference_mode` have none and are never shared). Under `torch.compile` nothing is remembered: the compiler sees
the common work by itself. Limits: see last_made.py.
"""

import torch
from torch import Tensor

from bitsft.ternary.kernels import kernels_for
from bitsft.ternary.kernels.last_made import LastMade

_last_input = LastMade()


def quantized_input(x: Tensor) -> tuple[Tensor, Tensor]:
    """The int8 form of a layer's input, made once for layers that read it one after the other.

    Args:
        x: `[..., features]`, any float dtype.

    Returns:
        `(x_i8, inverse_scale)`: int8 `[tokens, features]` and 1/s, float32 `[tokens, 1]`.
    """
    kernels = kernels_for(x)
    if torch.compiler.is_compiling() or x.is_inference():
        return kernels.quantize_rows(x.detach().reshape(-1, x.shape[-1]))
    made = _last_input.get(x, kernels)
    if made is None:
        made = kernels.quantize_rows(x.detach().reshape(-1, x.shape[-1]))
        _last_input.put(x, kernels, made=made)
    return made
