"""What the ternary weights of a model look like: shares of -1, 0, +1 and flips.

The *dead zone* holds the latent weights with |W| < γ/2, whose code is 0. A *flip* is a code that changed
between two projections. Both are shares of all ternary weights of the model, not means over layers.
"""

from dataclasses import dataclass

import torch
from torch import nn

from bitsft.ternary.linear import ternary_layers
from bitsft.ternary.packed_linear import PackedLinear158, layers_with_codes


@dataclass(frozen=True)
class TernaryStats:
    """Counts over all ternary layers of a model.

    Attributes:
        layers: Number of ternary layers, packed ones included.
        weights: Number of ternary weights in them.
        minus: Share of codes that are -1, in [0, 1].
        zero: Share of codes that are 0, in [0, 1].
        plus: Share of codes that are +1, in [0, 1].
        dead_zone: Share of weights with |W| < γ/2, in [0, 1].
    """

    layers: int
    weights: int
    minus: float
    zero: float
    plus: float
    dead_zone: float

    def __str__(self) -> str:
        return (
            f"{self.weights:,} ternary weights in {self.layers} layers: "
            f"{self.minus:.1%} -1, {self.zero:.1%} 0, {self.plus:.1%} +1"
        )


@torch.no_grad()
def ternary_stats(model: nn.Module) -> TernaryStats:
    """Count the codes of every ternary layer.

    Args:
        model: Any model with `BitLinear158` or `PackedLinear158` layers; it stays as it is.

    Returns:
        Counts and shares over all of them together.

    Raises:
        ValueError: The model has no ternary layer.
    """
    layers = layers_with_codes(model)
    weights = sum(layer.out_features * layer.in_features for layer in layers.values())
    if weights == 0:
        raise ValueError(
            f"{type(model).__name__} has no ternary weights; convert it with replace_linear_with_bitlinear(model)."
        )
    minus = plus = dead = 0
    for layer in layers.values():
        codes, scale = layer.ternary()
        below, above = int((codes == -1).sum()), int((codes == 1).sum())
        minus += below
        plus += above
        if isinstance(layer, PackedLinear158):
            dead += codes.numel() - below - above
        else:
            dead += int((layer.weight.float().abs() < scale / 2).sum())
    return TernaryStats(
        layers=len(layers),
        weights=weights,
        minus=minus / weights,
        zero=(weights - minus - plus) / weights,
        plus=plus / weights,
        dead_zone=dead / weights,
    )


def take_flip_share(model: nn.Module) -> float:
    """Share of ternary weights whose code changed since the last call; counted while codes are held.

    Several projections add up: a weight that flips twice counts twice.
    """
    layers = ternary_layers(model).values()
    weights = sum(layer.weight.numel() for layer in layers)
    flips = 0
    for layer in layers:
        counted = int(layer.flip_count)
        layer.flips_taken += counted
        layer.flip_count = 0
        flips += counted
    return flips / weights if weights else 0.0


def flip_counts(model: nn.Module) -> dict[str, int]:
    """How often codes flipped in each layer whose weight is trained, since the layer was made; by its name.

    Calling it right after `take_flip_share`, as the trainer's log does, costs no synchronization with a GPU.
    """
    return {
        name: layer.flips_taken + int(layer.flip_count)
        for name, layer in ternary_layers(model).items()
        if layer.weight.requires_grad
    }
