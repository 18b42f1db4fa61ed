"""The truth: each kernel in plain PyTorch, one line of the formulas after the other.

    quantize_weight   W -> codes, γ                                      (quantize.py)
    quantize_rows     x -> x_i8, 1/s                                     (quantize.py)
    ternary_product   x_i8, 1/s, codes, γ, bias -> x_i8 · codesᵀ · s · γ + bias
    dequantize_rows   x_i8, 1/s -> s · x_i8, for ∂L/∂W = (∂L/∂y)ᵀ · (s · x_i8)
    scale_columns     grad, γ   -> γ · grad, for ∂L/∂x = (γ · ∂L/∂y) · codes

Float operations are in float32 and in the order of transformers' `BitLinear`, so that a saved model computes the
same bits there. Limits: each line makes a tensor of the whole size; on a CPU, tensors above 32 MB cost more in fresh
memory pages than in arithmetic (blocked.py).
"""

import torch
from torch import Tensor

from bitsft.ternary.kernels.int8_matmul import int8_matmul
from bitsft.ternary.quantize import quantize_activations
from bitsft.ternary.quantize import quantize_weight as quantize_weight


def quantize_rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """int8 activations, one scale per row.

    Args:
        x: `[tokens, features]`, any float dtype.

    Returns:
        `(x_i8, inverse_scale)`: int8 `[tokens, features]` and 1/s, float32 `[tokens, 1]`.
    """
    return quantize_activations(x)


def ternary_product(
    x_i8: Tensor,
    inverse_scale: Tensor,
    codes: Tensor,
    scale: Tensor,
    bias: Tensor | None,
    dtype: torch.dtype,
) -> Tensor:
    """x_i8 · codesᵀ · s · γ + bias; the integer product is exact, the rest float32.

    Args:
        x_i8: int8 `[tokens, in_features]`.
        inverse_scale: 1/s, float32 `[tokens, 1]`.
        codes: int8 `[out_features, in_features]` in {-1, 0, 1}.
        scale: γ, float32 `()` or `[out_features, 1]`.
        bias: `[out_features]`, any float dtype, or None.
        dtype: Of the result.

    Returns:
        `[tokens, out_features]` in `dtype`.
    """
    y = int8_matmul(x_i8, codes).float() / (inverse_scale * (1 / scale).reshape(1, -1))
    if bias is not None:
        y = y + bias.float()
    return y.to(dtype)


def dequantize_rows(x_i8: Tensor, inverse_scale: Tensor, dtype: torch.dtype) -> Tensor:
    """s · x_i8.

    Args:
        x_i8: int8 `[tokens, features]`.
        inverse_scale: 1/s, float32 `[tokens, 1]`.
        dtype: Of the result.

    Returns:
        `[tokens, features]` in `dtype`.
    """
    return (x_i8 / inverse_scale).to(dtype)


def scale_columns(grad: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    """γ · grad, one γ for all, or one per column.

    Args:
        grad: `[tokens, out_features]`, any float dtype.
        scale: γ, float32 `()` or `[out_features, 1]`.
        dtype: Of the result.

    Returns:
        `[tokens, out_features]` in `dtype`.
    """
    return (grad.float() * scale.reshape(1, -1)).to(dtype)
