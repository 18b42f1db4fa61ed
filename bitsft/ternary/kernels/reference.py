"""The truth: each kernel in plain PyTorch, one line of the formulas after the other.

    quantize_weight   W -> codes, γ                                      (quantize.py)
    requantize_weight W, old codes -> codes, γ, number of flips
    quantize_rows     x -> x_i8, 1/s                                     (quantize.py)
    ternary_product   x_i8, 1/s, codes, γ, bias -> x_i8 · codesᵀ · s · γ + bias
    packed_product    the same with codes packed four to a byte          (pack.py)
    input_gradient    ∂L/∂y, codes, γ -> (γ · ∂L/∂y) · codes
    packed_input_gradient  the same with packed codes
    weight_gradient   ∂L/∂y, x_i8, 1/s -> (∂L/∂y)ᵀ · (s · x_i8)

Float operations are in float32 and in the order of transformers' `BitLinear`, so that a saved model computes the
same bits there. Limits: each line makes a tensor of the whole size; on a CPU, tensors above 32 MB cost more in fresh
memory pages than in arithmetic (blocked.py).
"""

import torch
from torch import Tensor

from bitsft.ternary.kernels.int8_matmul import int8_matmul
from bitsft.ternary.pack import unpack_unchecked
from bitsft.ternary.quantize import Granularity, quantize_activations
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


def packed_product(
    x_i8: Tensor,
    inverse_scale: Tensor,
    packed: Tensor,
    scale: Tensor,
    bias: Tensor | None,
    dtype: torch.dtype,
) -> Tensor:
    """`ternary_product` with codes that are packed four to a byte.

    Args:
        x_i8: int8 `[tokens, in_features]`.
        inverse_scale: 1/s, float32 `[tokens, 1]`.
        packed: uint8 `[out_features / 4, in_features]`, as `pack_codes` makes it; not checked.
        scale: γ, float32 `()` or `[out_features, 1]`.
        bias: `[out_features]`, any float dtype, or None.
        dtype: Of the result.

    Returns:
        `[tokens, out_features]` in `dtype`.
    """
    codes = unpack_unchecked(packed)
    return ternary_product(x_i8, inverse_scale, codes, scale, bias, dtype)


def requantize_weight(
    weight: Tensor, old_codes: Tensor, granularity: Granularity = "tensor", *, on_grid: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """`quantize_weight`, and how many codes it changed.

    Args:
        weight: See `quantize_weight`; so for the arguments that follow.
        old_codes: int8, the shape of `weight`.
        granularity: See `quantize_weight`.
        on_grid: See `quantize_weight`.

    Returns:
        `(codes, scale, flips)`: as from `quantize_weight`, and the number of codes that differ from
        `old_codes`, int64 `()`.
    """
    codes, scale = quantize_weight(weight, granularity, on_grid=on_grid)
    return codes, scale, (codes != old_codes).sum()


def input_gradient(grad: Tensor, codes: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    """∂L/∂x = (γ · ∂L/∂y) · codes.

    Args:
        grad: ∂L/∂y, `[tokens, out_features]`, any float dtype.
        codes: int8 `[out_features, in_features]` in {-1, 0, 1}.
        scale: γ, float32 `()` or `[out_features, 1]`.
        dtype: Of γ · ∂L/∂y in the product, and of the result; sums are float32.

    Returns:
        `[tokens, in_features]` in `dtype`.
    """
    return (grad.float() * scale.reshape(1, -1)).to(dtype) @ codes.to(dtype)


def packed_input_gradient(
    grad: Tensor, packed: Tensor, scale: Tensor, dtype: torch.dtype
) -> Tensor:
    """`input_gradient` with codes that are packed four to a byte.

    Args:
        grad: See `input_gradient`; so for `scale` and `dtype`.
        packed: uint8 `[out_features / 4, in_features]`, as `pack_codes` makes it; not checked.
        scale: γ.
        dtype: Of the product.

    Returns:
        `[tokens, in_features]` in `dtype`.
    """
    return input_gradient(grad, unpack_unchecked(packed), scale, dtype)


def weight_gradient(
    grad: Tensor, x_i8: Tensor, inverse_scale: Tensor, dtype: torch.dtype
) -> Tensor:
    """∂L/∂W = (∂L/∂y)ᵀ · (s · x_i8).

    Args:
        grad: ∂L/∂y, `[tokens, out_features]`, any float dtype.
        x_i8: int8 `[tokens, in_features]`; nobody writes to it.
        inverse_scale: 1/s, float32 `[tokens, 1]`.
        dtype: Of both factors in the product, and of the result; sums are float32.

    Returns:
        `[out_features, in_features]` in `dtype`.
    """
    return grad.to(dtype).t() @ (x_i8 / inverse_scale).to(dtype)
