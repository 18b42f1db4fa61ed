"""The ternary product with its straight-through gradients, as one autograd function.

    forward    y = (x_i8 · codesᵀ) · s · γ + bias
    backward   ∂L/∂x = (γ · ∂L/∂y) · codes        ∂L/∂W = (∂L/∂y)ᵀ · (s · x_i8)        ∂L/∂bias = Σ ∂L/∂y

Saved for backward: int8 activations and one float per token, shared by layers that read the same input, and the codes
that the layer holds anyway, or nothing in their place where they are to be computed anew. The products of the backward pass run in the forward's dtype (bf16 under autocast). Limits: no
double backward.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bitsft.ternary.kernels import kernels_for
from bitsft.ternary.kernels.shared_input import quantized_input


class TernaryProduct(torch.autograd.Function):
    """y = x_i8 · codesᵀ · s · γ + bias, straight-through gradients for x and for the latent weight."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        codes: Tensor,
        scale: Tensor,
        dtype: torch.dtype,
        anew: Callable[[], tuple[Tensor, Tensor]] | None = None,
    ) -> Tensor:
        kernels = kernels_for(x)
        x_i8, inverse_scale = quantized_input(x)
        y = kernels.ternary_product(x_i8, inverse_scale, codes, scale, bias, dtype)
        # The activations are needed for the weight's gradient only: an adapter's frozen base keeps none.
        kept = (x_i8, inverse_scale) if ctx.needs_input_grad[1] else (None, None)
        # The weight in the codes' place costs nothing, and autograd sees to it that it is still the same.
        ctx.save_for_backward(codes if anew is None else weight, scale, *kept)
        ctx.anew = anew
        ctx.kernels = kernels
        ctx.dtypes = (x.dtype, weight.dtype, None if bias is None else bias.dtype, dtype)
        ctx.x_shape = x.shape
        # no view of y: PEFT's AdaLoRA adds to the result in place, which autograd forbids for views made here
        return torch.ops.aten._unsafe_view(y, (*x.shape[:-1], codes.shape[0]))

    @staticmethod
    def backward(ctx: Any, grad_y: Tensor) -> tuple[Tensor | None, ...]:
        codes, scale, x_i8, inverse_scale = ctx.saved_tensors
        x_dtype, weight_dtype, bias_dtype, dtype = ctx.dtypes
        flat = grad_y.reshape(-1, grad_y.shape[-1])
        grad_x = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            if ctx.anew is not None:
                codes, _ = ctx.anew()
            grad_x = ctx.kernels.input_gradient(flat, codes, scale, dtype)
            grad_x = grad_x.to(x_dtype).reshape(ctx.x_shape)
        if ctx.needs_input_grad[1]:
            grad_weight = ctx.kernels.weight_gradient(flat, x_i8, inverse_scale, dtype)
            grad_weight = grad_weight.to(weight_dtype)
        if ctx.needs_input_grad[2]:
            grad_bias = flat.sum(0, dtype=torch.float32).to(bias_dtype)
        return grad_x, grad_weight, grad_bias, None, None, None, None
