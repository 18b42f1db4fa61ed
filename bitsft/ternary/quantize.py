"""Reference quantization maths: ternary weights, int8 activations (BitNet b1.58).

    γ    = mean(|W|), clamped to >= 1e-5              one per matrix, or one per row
    codes = clip(round(W / γ), -1, 1)                 int8, the shape of W
    s    = max(|x|, last dimension) / 127             one per token; max clamped to >= 1e-5
    x_i8 = clip(round(x / s), -128, 127)
    y    = (x_i8 · codesᵀ) · s · γ                    the integer product is exact

All of it in float32, ties to even. Sources: arXiv 2402.17764 §2; Figure 3 of Microsoft's "The Era of
1-bit LLMs: Training Tips, Code and FAQ". The order of the float operations is that of transformers'
`BitLinear` (multiply by 1/s, divide once by 1/s · 1/γ), so that a saved model gives the same bits there.

A weight that already lies *on the grid* (every element is -c, 0 or +c) has γ = c: its mean would be
smaller than c by the share of nonzeros (about 0.69), and each round trip would shrink the layer.

γ is rounded to the weight's dtype, because a bf16 weight can hold γ·codes only for a bf16 γ;
transformers' online `AutoBitLinear` rounds at the same place.
"""

from typing import Literal

import torch
from torch import Tensor

Granularity = Literal["tensor", "row"]

SMALLEST_MAGNITUDE = 1e-5
"""Lower bound of γ and of a token's largest activation; keeps all-zero inputs finite (same source)."""


def absmean_scale(weight: Tensor, granularity: Granularity = "tensor") -> Tensor:
    """γ = mean(|W|), at least 1e-5.

    The mean is the sum of the rows' sums, so that it has the same bits whatever the number of threads, and whoever
    goes through the matrix row by row can form it.

    Args:
        weight: Latent weight `[out_features, in_features]`, any float dtype.
        granularity: `"tensor"` for one γ, `"row"` for one per output channel.

    Returns:
        float32, shape `()` or `[out_features, 1]`. NaN or infinite when the weight holds such a value.
    """
    row_sums = weight.detach().contiguous().float().abs().sum(dim=1, keepdim=True)
    return absmean_of_row_sums(row_sums, weight.shape[1], granularity)


def absmean_of_row_sums(row_sums: Tensor, in_features: int, granularity: Granularity) -> Tensor:
    """γ from the sums of |W| over each row.

    Args:
        row_sums: float32 `[out_features, 1]`.
        in_features: Length of a row.
        granularity: See `absmean_scale`.

    Returns:
        See `absmean_scale`.
    """
    if granularity == "tensor":
        mean = row_sums.sum() / (len(row_sums) * in_features)
    else:
        mean = row_sums / in_features
    return mean.clamp(min=SMALLEST_MAGNITUDE)


def ternary_codes(weight: Tensor, scale: Tensor) -> Tensor:
    """codes = clip(round(W / γ), -1, 1), ties to even.

    Args:
        weight: `[out_features, in_features]`, any float dtype.
        scale: γ, float32, shape `()` or `[out_features, 1]`.

    Returns:
        int8 in {-1, 0, 1}, the shape of `weight`.
    """
    return (weight.detach().float() / scale).round_().clamp_(-1, 1).to(torch.int8)


def grid_scale(weight: Tensor, granularity: Granularity = "tensor") -> tuple[Tensor, Tensor]:
    """The magnitude of a weight that is already ternary, and whether it is.

    Args:
        weight: `[out_features, in_features]`, any float dtype.
        granularity: Look at the whole matrix or at each row.

    Returns:
        `(magnitude, on_grid)`: float32 and bool, both of shape `()` or `[out_features, 1]`. `on_grid` is
        True where every element is -magnitude, 0 or +magnitude and at least one is not 0.
    """
    magnitudes = weight.detach().float().abs()
    if granularity == "tensor":
        largest = magnitudes.amax() if magnitudes.numel() else magnitudes.new_zeros(())
        on_grid = ((magnitudes == largest) | (magnitudes == 0)).all()
    else:
        largest = magnitudes.amax(dim=1, keepdim=True)
        on_grid = ((magnitudes == largest) | (magnitudes == 0)).all(dim=1, keepdim=True)
    return largest, on_grid & (largest > 0)


def quantize_weight(
    weight: Tensor, granularity: Granularity = "tensor", *, on_grid: bool = False
) -> tuple[Tensor, Tensor]:
    """Ternary codes and the γ that they are multiplied by.

    Args:
        weight: `[out_features, in_features]`, any float dtype.
        granularity: One γ per matrix or per row.
        on_grid: Take γ from a weight that is exactly γ·{-1, 0, 1} instead of from its mean; where the
            weight is not, the mean counts.

    Returns:
        `(codes, scale)`: int8 of the weight's shape; float32 γ of shape `()` or `[out_features, 1]`, a
        value that the weight's dtype holds exactly.
    """
    scale = absmean_scale(weight, granularity)
    if on_grid:
        magnitude, is_ternary = grid_scale(weight, granularity)
        scale = torch.where(is_ternary, magnitude, scale)
    return ternary_codes(weight, scale), scale.to(weight.dtype).float()


def quantize_activations(x: Tensor) -> tuple[Tensor, Tensor]:
    """int8 activations, one scale per token.

    Args:
        x: `[..., features]`, any float dtype.

    Returns:
        `(x_i8, inverse_scale)`: int8 of x's shape, and 1/s = 127 / max(|x|), float32 `[..., 1]`, so that
        x ≈ x_i8 / inverse_scale.
    """
    x = x.detach().float()
    inverse_scale = 127 / x.abs().amax(dim=-1, keepdim=True).clamp(min=SMALLEST_MAGNITUDE)
    return (x * inverse_scale).round_().clamp_(-128, 127).to(torch.int8), inverse_scale


def latents_from_grid(codes: Tensor, scale: Tensor) -> Tensor:
    """Latent weights whose first projection gives back these codes and this γ.

    Zeros stay 0; the others get the magnitude γ / (share of nonzeros), so that mean(|W|) is γ again.

    Args:
        codes: int8 `[out_features, in_features]`.
        scale: γ, float32, shape `()` or `[out_features, 1]`.

    Returns:
        float32 of the shape of `codes`. Where all codes are 0 the latents are 0.
    """
    nonzero = codes != 0
    share = (
        nonzero.float().mean() if scale.dim() == 0 else nonzero.float().mean(dim=1, keepdim=True)
    )
    return codes * (scale / share.clamp(min=torch.finfo(torch.float32).tiny))


def round_to_grid_stochastically(
    weight: Tensor, scale: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """Codes drawn so that their expectation is W / γ, clipped to [-1, 1] (arXiv 2412.04787 §3).

    Args:
        weight: `[out_features, in_features]`, any float dtype.
        scale: γ, float32, shape `()` or `[out_features, 1]`.
        generator: Source of the random numbers, on the weight's device.

    Returns:
        int8 in {-1, 0, 1}, the shape of `weight`.
    """
    position = (weight.detach().float() / scale).clamp_(-1, 1)
    noise = torch.rand(position.shape, generator=generator, device=position.device)
    return position.add_(noise).floor_().clamp_(-1, 1).to(torch.int8)
