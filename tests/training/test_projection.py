"""What is logged of the ternary weights, where a layer's training ends or begins in mid-run."""

from pathlib import Path

import torch
from torch import nn

from bitsft.ternary.held_codes import hold_codes
from bitsft.ternary.linear import BitLinear158
from bitsft.training import TernarySFTConfig
from bitsft.training.projection import Projection


def shares(projection: Projection) -> tuple[float, float, float]:
    found = projection.statistics()
    return found["share_minus_1"], found["share_0"], found["share_plus_1"]


def test_statistics_follow_a_layer_that_is_unfrozen_and_frozen_again(tmp_path: Path) -> None:
    layer = BitLinear158(4, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 1.0, 1.0, -1.0], [1.0, 0.0, 0.0, -1.0]]))
    layer.requires_grad_(False)
    projection = Projection(nn.Sequential(layer), TernarySFTConfig(str(tmp_path)))
    with hold_codes(layer):
        assert shares(projection) == (0.25, 0.25, 0.5)

        layer.requires_grad_(True)
        layer.on_grid = False
        layer.weight.data[0, 0] = -1.0
        projection.after_optimizer_step(0)
        assert shares(projection) == (0.375, 0.25, 0.375)

        layer.weight.data[0, 1] = -1.0
        projection.after_optimizer_step(1)
        layer.requires_grad_(False)
        assert shares(projection) == (0.5, 0.25, 0.25)

        layer.requires_grad_(True)
        layer.weight.data[0, 2] = -1.0
        projection.after_optimizer_step(2)
        layer.requires_grad_(False)
        assert shares(projection) == (0.625, 0.25, 0.125)
