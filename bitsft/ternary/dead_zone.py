"""A signal for weights in the dead zone: their sum joins the layer's bias while it is trained.

A weight whose code is 0 has no part in the output, so the loss does not depend on where in the dead zone it lies:
its straight-through gradient says what a weight in its place would do, not what it does. Tequila (arXiv 2509.23809)
gives it a part: for each output channel r

    forward    y_r += b_r,   b_r = λ · Σ W_ri  over i with codes_ri = 0
    backward   ∂L/∂W_ri += λ · Σ ∂L/∂y_r (over the tokens)      where codes_ri = 0, else nothing

In the paper b stays in the model as a bias. Ternary checkpoints of most models have no place for one, so here λ is the
layer's `dead_zone_strength`, which counts in training mode only and which the trainer lets fade to 0.

Limits: one pass over the weight per forward and another in backward; no double backward.
"""

from typing import Any

import torch
from torch import Tensor


class DeadZoneBias(torch.autograd.Function):
    """b = λ · (sum of the weights whose code is 0), per output channel; saved for backward: the codes."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, codes: Tensor, strength: float) -> Tensor:
        ctx.save_for_backward(codes)
        ctx.strength = strength
        ctx.dtype = weight.dtype
        return torch.where(codes == 0, weight, 0).sum(1, dtype=torch.float32) * strength

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (codes,) = ctx.saved_tensors
        per_row = (grad * ctx.strength).to(ctx.dtype).unsqueeze(1)
        return torch.where(codes == 0, per_row, 0), None, None


def with_dead_zone_bias(
    bias: Tensor | None, weight: Tensor, codes: Tensor, strength: float
) -> Tensor:
    """The layer's bias plus the share of its dead weights.

    Args:
        bias: `[out_features]`, any float dtype, or None.
        weight: Latent weight `[out_features, in_features]`, any float dtype.
        codes: int8, the shape of `weight`.
        strength: λ.

    Returns:
        float32 `[out_features]`; gradients reach both `bias` and the dead weights.
    """
    dead = DeadZoneBias.apply(weight, codes, strength)
    return dead if bias is None else bias.float() + dead
