"""Layers that read the same input (q, k, v; gate, up) quantize it once, and in backward dequantize it once.

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
from typing import Any

import torch
from torch import Tensor

from bitsft.ternary.kernels import kernels_for


class _Last(threading.local):
    """The last tensor of this thread and what was made of it."""

    def __init__(self) -> None:
        self.reference: weakref.ref[Tensor] | None = None
        self.state: tuple[object, ...] = ()
        self.made: Any = None

    def get(self, tensor: Tensor, state: tuple[object, ...]) -> Any:
        """What was made of this tensor, or None."""
        reference = self.reference
        known = reference is not None and reference() is tensor and self.state == state
        return self.made if known else None

    def put(self, tensor: Tensor, state: tuple[object, ...], made: Any) -> None:
        self.reference = weakref.ref(tensor, self._forget)
        self.state = state
        self.made = made

    def _forget(self, reference: "weakref.ref[Tensor]") -> None:
        if self.reference is reference:
            self.reference = self.made = None


_last_input = _Last()
_last_int8 = _Last()


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
    made = _last_input.get(x, state)
    if made is None:
        made = kernels.quantize_rows(x.detach().reshape(-1, x.shape[-1]))
        _last_input.put(x, state, made)
    return made


def dequantized_input(x_i8: Tensor, inverse_scale: Tensor, dtype: torch.dtype) -> Tensor:
    """s · x_i8 for the gradients of layers that shared an input; nobody else writes to `x_i8`.

    Args:
        x_i8: int8 `[tokens, features]`, from `quantized_input`.
        inverse_scale: 1/s, float32 `[tokens, 1]`.
        dtype: Of the result.

    Returns:
        `[tokens, features]` in `dtype`.
    """
    kernels = kernels_for(x_i8)
    if torch.compiler.is_compiling():
        return kernels.dequantize_rows(x_i8, inverse_scale, dtype)
    state = (x_i8._version, x_i8.data_ptr(), dtype, kernels)
    made = _last_int8.get(x_i8, state)
    if made is None:
        made = kernels.dequantize_rows(x_i8, inverse_scale, dtype)
        _last_int8.put(x_i8, state, made)
    return made
