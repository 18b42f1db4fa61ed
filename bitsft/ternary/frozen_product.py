"""The product of a frozen ternary layer: a gradient for its input, none for its weight.

    forward    y = (x_i8 · codesᵀ) · s · γ + bias
    backward   ∂L/∂x = (γ · ∂L/∂y) · codes

For layers that are trained see product.py. Limit: no double backward.
"""

from typing import Any

import torch
from torch import Tensor

from bitsft.ternary.kernels import kernels_for
from bitsft.ternary.kernels.shared_input import quantized_input


class FrozenProduct(torch.autograd.Function):
    """`apply(x, held, scale, bias, dtype)`; packed codes are unpacked in backward again, not saved.

    Args:
        x: `[..., in_features]`.
        held: Codes, int8 `[out_features, in_features]`, or packed, uint8 `[out_features / 4, in_features]`.
        scale: γ, float32 `()` or `[out_features, 1]`.
        bias: `[out_features]`, or None.
        dtype: Of y.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, held: Tensor, scale: Tensor, bias: Tensor | None, dtype: torch.dtype
    ) -> Tensor:
        kernels = kernels_for(x)
        x_i8, inverse_scale = quantized_input(x)
        is_packed = held.dtype == torch.uint8
        product = kernels.packed_product if is_packed else kernels.ternary_product
        y = product(x_i8, inverse_scale, held, scale, bias, dtype)
        ctx.save_for_backward(held, scale)
        ctx.dtypes = (x.dtype, dtype)
        # no view of y: PEFT's AdaLoRA adds to the result in place, which autograd forbids for views made here
        return torch.ops.aten._unsafe_view(y, (*x.shape[:-1], y.shape[-1]))

    @staticmethod
    def backward(ctx: Any, grad_y: Tensor) -> tuple[Tensor | None, ...]:
        held, scale = ctx.saved_tensors
        x_dtype, dtype = ctx.dtypes
        if not ctx.needs_input_grad[0]:
            return None, None, None, None, None
        flat = grad_y.reshape(-1, grad_y.shape[-1])
        kernels = kernels_for(flat)
        is_packed = held.dtype == torch.uint8
        gradient = kernels.packed_input_gradient if is_packed else kernels.input_gradient
        grad_x = gradient(flat, held, scale, dtype).to(x_dtype)
        return grad_x.reshape(*grad_y.shape[:-1], held.shape[1]), None, None, None, None
