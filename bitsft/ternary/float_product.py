"""The product in floating point: weight-only layers, and the warm-up of λ, whose operands lie between full and ternary.

    W_λ = (1-λ)·W + λ·γ·codes        x_λ = (1-λ)·x + λ·s·x_i8        y = x_λ · W_λᵀ

Gradients pass straight through both to W and x. A layer at λ = 1 with 8-bit activations uses product.py instead, whose
integer product is exact and faster.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from bitsft.ternary.quantize import quantize_activations


def float_product(
    x: Tensor,
    weight: Tensor,
    codes: Tensor,
    scale: Tensor,
    dtype: torch.dtype,
    *,
    strength: float,
    round_activations: bool,
) -> Tensor:
    """y = x_λ · W_λᵀ.

    Args:
        x: `[..., in_features]`.
        weight: W, `[out_features, in_features]`.
        codes: int8, the shape of `weight`.
        scale: γ, float32 `()` or `[out_features, 1]`.
        dtype: Of the product.
        strength: λ in [0, 1].
        round_activations: Whether x is rounded to 8 bits; else x_λ is x.

    Returns:
        `[..., out_features]` in `dtype`.
    """
    ternary_weight = (codes * scale).to(weight.dtype)
    if strength < 1.0:
        ternary_weight = torch.lerp(weight.detach(), ternary_weight, strength)
    if round_activations:
        x_i8, inverse_scale = quantize_activations(x)
        x = _StraightThrough.apply(
            x, torch.lerp(x.detach(), (x_i8 / inverse_scale).to(x.dtype), strength)
        )
    return F.linear(x.to(dtype), _StraightThrough.apply(weight, ternary_weight).to(dtype))


class _StraightThrough(torch.autograd.Function):
    """Passes `quantized` forward and its gradient back to `value`."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, quantized: Tensor) -> Tensor:
        ctx.dtype = value.dtype
        return quantized.view_as(quantized)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad.to(ctx.dtype), None
