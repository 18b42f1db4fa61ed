"""Shares and flips, by hand."""

import pytest
import torch
from torch import nn

from bitsft.ternary import BitLinear158, hold_codes, ternary_stats
from bitsft.ternary.stats import take_flip_share


def model_with(weight: list[list[float]]) -> nn.Sequential:
    layer = BitLinear158(4, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weight))
    return nn.Sequential(layer)


def test_shares_by_hand() -> None:
    stats = ternary_stats(model_with([[1, -1, 0.1, 0], [1, 1, -0.1, 0]]))  # γ = 0.525
    assert (stats.layers, stats.weights) == (1, 8)
    assert (stats.minus, stats.zero, stats.plus, stats.dead_zone) == (0.125, 0.5, 0.375, 0.5)
    assert str(stats) == "8 ternary weights in 1 layers: 12.5% -1, 50.0% 0, 37.5% +1"


def test_flips_add_up_until_they_are_taken() -> None:
    model = model_with([[1, -1, 0.1, 0], [1, 1, -0.1, 0]])
    with hold_codes(model):
        model[0].ternary()
        with torch.no_grad():
            model[0].weight[0, 0] = -1  # one of eight
        model[0].ternary()
        with torch.no_grad():
            model[0].weight[0, 0] = 1
        model[0].ternary()
        assert take_flip_share(model) == 2 / 8
        assert take_flip_share(model) == 0


def test_a_dense_model_has_no_statistics() -> None:
    with pytest.raises(ValueError, match="Linear has no ternary weights"):
        ternary_stats(nn.Linear(2, 2))
