"""Layers that read the same input (q, k, v; gate, up) quantize it once.

The last input and its int8 form are remembered, one of each per thread: a layer that is called with the same tensor
object next gets the same int8 tensor, and what a training step saves for backward is shared, too. No model code is
touched and no order of layers assumed; the input itself is held weakly, and its int8 form goes when it goes.

An input that was changed in place since is quantized again (its version counter says so; tensors made under
`torch.inference_mode` have none and are never shared). Under `torch.compile` nothing is remembered: the compiler sees
the common work by itself. Limits: writes around the version counter (`.data`, raw pointers) to an input between two
layers that read it are not seen.
"""

import threading
import weakref

import torch
from torch import Tensor

from bitsft.ternary.kernels import kernels_for


class _Last(threading.local):
    """The last input of this thread and what was made of it."""

    def __init__(self) -> None:
        self.reference: weakref.ref[Tensor] | None = None
        self.state: tuple[object, ...] = ()
        self.quantized: tuple[Tensor, Tensor] | None = None

    def forget(self, reference: "weakref.ref[Tensor]") -> None:
        if self.reference is reference:
            self.reference = self.quantized = None


_last = _Last()


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
    state = (x._version, x.data_ptr(), x.shape, kernels)
    last = _last
    known = last.quantized
    if known is None or last.reference is None or last.reference() is not x or last.state != state:
        known = kernels.quantize_rows(x.detach().reshape(-1, x.shape[-1]))
        last.reference = weakref.ref(x, last.forget)
        last.state = state
        last.quantized = known
    return known
