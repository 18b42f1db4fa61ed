"""What a ternary adapter adds to the codes, and the product that it trains through.

    factors    A_q = round(A / a), B_q = round(B / b)            integers, from float latents A [r, in] and B [out, r]
    change     Δ = strength · a · b · (B_q · A_q)                in units of a code
    update     u = clip(floor(Δ + t), -1, 1)                     in {-1, 0, 1}; t in (0, 1) belongs to the place in the matrix
    forward    codes' = clip(codes + Σ u, -1, 1);  y = (x_i8 · codes'ᵀ) · s · γ + bias
    backward   ∂L/∂x = (γ · ∂L/∂y) · codes'                      as in any ternary layer
               G = (γ · ∂L/∂y)ᵀ · (s · x_i8)                     straight through clip and floor; never formed:
               ∂L/∂B = G · (a A_q)ᵀ · strength                   two thin products, as in LoRA
               ∂L/∂A = (b B_q)ᵀ · G · strength

`"dithered"` rounding: t is spread evenly over (0, 1) along rows and columns (the additive R2 sequence, M. Roberts 2018), so
that a share Δ of the codes flips where the change is Δ, and u is Δ on average. With `"nearest"`, t = 1/2, a change below
1/2 does nothing. docs/adapters.md has what that does to training.

The factors are whole numbers, so their product is exact in any order of summation and on any device: whoever computes the update
from the same latents gets the same codes, to the last one. With `"int8"` factors a = max|A| / 127; with `"ternary"`
ones a = mean|A| and A_q in {-1, 0, 1}, as in LoTA-QAF (arXiv 2505.18724), which adds such a product to the integer
weights of a GPTQ model. The low rank inside the rounding is LR-QAT's (arXiv 2406.06385).

Limits: rank up to 1,040, above which sums of int8 products could round in float32; no double backward.
"""

from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from bitsft.ternary.kernels import kernels_for
from bitsft.ternary.kernels.shared_input import quantized_input
from bitsft.ternary.quantize import absmean_scale, ternary_codes

Factors = Literal["int8", "ternary"]
Rounding = Literal["dithered", "nearest"]

LARGEST_RANK = (2**24) // (127 * 127)
"""Ranks up to which a float32 sum of products int8 · int8 cannot round."""

BLOCK_ELEMENTS = 2**20
"""Largest intermediate result, as in ternary/kernels/blocked.py."""

_STEPS = 2**23
_ROW_STEP, _COLUMN_STEP = 6_332_373, 4_780_167  # 2^23 over p and p², where p³ = p + 1
_SMALLEST = torch.finfo(torch.float32).tiny


def whole_factor(latent: Tensor, factors: Factors) -> tuple[Tensor, Tensor]:
    """The whole numbers that a factor is computed with, and their unit.

    Args:
        latent: `[rows, columns]`, any float dtype.
        factors: `"int8"` or `"ternary"`.

    Returns:
        `(whole, unit)`: float32 of the latent's shape with whole numbers, and float32 `()`.

    Raises:
        ValueError: `factors` is neither of the two.
    """
    latent = latent.detach().float()
    if factors == "ternary":
        unit = absmean_scale(latent)
        return ternary_codes(latent, unit).float(), unit
    if factors != "int8":
        raise ValueError(f"factors is {factors!r}; use one of {', '.join(get_args(Factors))}.")
    unit = (latent.abs().amax() / 127).clamp(min=_SMALLEST)
    return (latent / unit).round_().clamp_(-127, 127), unit


def ternary_update(
    whole_a: Tensor, whole_b: Tensor, unit: Tensor, strength: float, rounding: Rounding
) -> Tensor:
    """u = clip(floor(Δ + t), -1, 1).

    Args:
        whole_a: A_q, `[r, in_features]`.
        whole_b: B_q, `[out_features, r]`.
        unit: a · b, float32 `()`.
        strength: Factor of the change.
        rounding: `"dithered"` or `"nearest"`.

    Returns:
        int8 `[out_features, in_features]` in {-1, 0, 1}.

    Raises:
        ValueError: `rounding` is neither of the two.
    """
    if rounding not in get_args(Rounding):
        raise ValueError(f"rounding is {rounding!r}; use one of {', '.join(get_args(Rounding))}.")
    out_features, in_features = len(whole_b), whole_a.shape[1]
    update = torch.empty(out_features, in_features, dtype=torch.int8, device=whole_a.device)
    rows = max(32, BLOCK_ELEMENTS // max(1, in_features))
    with torch.autocast(whole_a.device.type, enabled=False):
        for start in range(0, out_features, rows):
            block = slice(start, min(start + rows, out_features))
            change = (whole_b[block] @ whole_a).mul_(unit * strength)
            offset = (
                dither(block.start, block.stop, in_features, whole_a.device)
                if rounding == "dithered"
                else 0.5
            )
            up = (change >= 1 - offset).to(torch.int8)
            update[block] = up.sub_((change < -offset).to(torch.int8))
    return update


def dither(start: int, stop: int, in_features: int, device: torch.device) -> Tensor:
    """t of some rows of a matrix: (k + 1/2) / 2²³ with k = (row · 2²³/p + column · 2²³/p²) mod 2²³.

    Args:
        start: First row.
        stop: Row after the last.
        in_features: Number of columns.
        device: Where.

    Returns:
        float32 `[stop - start, in_features]` in (0, 1), the same bits everywhere.
    """
    rows = (torch.arange(start, stop, device=device) * _ROW_STEP) % _STEPS
    columns = (torch.arange(in_features, device=device) * _COLUMN_STEP) % _STEPS
    steps = rows.to(torch.int32).unsqueeze(1) + columns.to(torch.int32)
    return (steps & (_STEPS - 1)).float().add_(0.5).div_(_STEPS)


class AdaptedProduct(torch.autograd.Function):
    """y = x_i8 · codes'ᵀ · s · γ + bias, with gradients for x and for the factors behind codes'."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        latent_a: Tensor,
        latent_b: Tensor,
        bias: Tensor | None,
        used_a: Tensor,
        used_b: Tensor,
        codes: Tensor,
        scale: Tensor,
        dtype: torch.dtype,
        activation_bits: int | None,
        adds_bias_inside: bool,
    ) -> Tensor:
        """See the module.

        Args:
            ctx: Autograd's.
            x: `[..., in_features]`.
            latent_a: A, `[r, in_features]`: receives the gradient.
            latent_b: B, `[out_features, r]`: receives the gradient.
            bias: `[out_features]`, or None.
            used_a: strength · a · A_q, float32: what ∂L/∂B is formed with.
            used_b: strength · b · B_q, float32: what ∂L/∂A is formed with.
            codes: The merged codes, int8.
            scale: γ.
            dtype: Of the result, and of the products in backward.
            activation_bits: 8, or None for activations in full precision.
            adds_bias_inside: Without int8 activations: the product itself adds the bias, as `PackedLinear158` has it.
        """
        kernels = kernels_for(x)
        if activation_bits is None:
            used = x.detach().to(dtype)
            added = None if bias is None else bias.to(dtype)
            y = F.linear(used, (codes * scale).to(dtype), added if adds_bias_inside else None)
            y = y if added is None or adds_bias_inside else y + added
            kept: tuple[Tensor, Tensor | None] = (used.reshape(-1, x.shape[-1]), None)
        else:
            kept = quantized_input(x)
            y = kernels.ternary_product(*kept, codes, scale, bias, dtype)
        ctx.save_for_backward(used_a, used_b, codes, scale, *kept)
        ctx.kernels = kernels
        ctx.dtypes = (x.dtype, latent_a.dtype, latent_b.dtype, dtype)
        ctx.bias_dtype = None if bias is None else bias.dtype
        ctx.x_shape = x.shape
        return y.reshape(*x.shape[:-1], codes.shape[0])

    @staticmethod
    def backward(ctx: Any, grad_y: Tensor) -> tuple[Tensor | None, ...]:
        """See the module."""
        used_a, used_b, codes, scale, x, inverse_scale = ctx.saved_tensors
        x_dtype, a_dtype, b_dtype, dtype = ctx.dtypes
        flat = grad_y.reshape(-1, grad_y.shape[-1])
        grad_x = grad_a = grad_b = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_x = ctx.kernels.input_gradient(flat, codes, scale, dtype)
            grad_x = grad_x.to(x_dtype).reshape(ctx.x_shape)
        scaled = (flat.float() * scale.reshape(1, -1)).to(dtype)
        if ctx.needs_input_grad[1]:
            thin = scaled @ used_b.to(dtype)
            if inverse_scale is None:
                grad_a = thin.t() @ x
            else:
                grad_a = ctx.kernels.weight_gradient(thin, x, inverse_scale, dtype)
            grad_a = grad_a.to(a_dtype)
        if ctx.needs_input_grad[2]:
            thin = x.to(dtype) @ used_a.to(dtype).t()
            if inverse_scale is not None:
                thin = (thin / inverse_scale).to(dtype)
            grad_b = (scaled.t() @ thin).to(b_dtype)
        if ctx.needs_input_grad[3]:
            grad_bias = flat.sum(0, dtype=torch.float32).to(ctx.bias_dtype)
        return grad_x, grad_a, grad_b, grad_bias, None, None, None, None, None, None, None
