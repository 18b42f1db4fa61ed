"""Who sees every change of the weights may say how long a model's ternary layers keep their codes.

    hold_codes              once a change of the weight                       a byte a weight      evaluation, latent training
    codes_at_each_use       in each forward, and once more in its backward    nothing kept         latent-free training
    held_codes_set_aside    other weights for a while                                              averages of the weights

Outside of all three a layer computes its codes in each forward (linear.py, which does what is asked for here).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from bitsft.ternary.linear import ternary_layers


@contextmanager
def hold_codes(model: nn.Module) -> Iterator[None]:
    """Inside, each layer computes its codes once per change of its weight instead of once per forward.

    For callers that see every change of the weights: call `drop_codes` on the layers after anything that
    writes around PyTorch's version counter (raw pointers, `.data`). Nests; on leaving, layers that were
    not held before release their codes.
    """
    entered = [layer for layer in ternary_layers(model).values() if not layer._holds_codes]
    for layer in entered:
        layer._holds_codes = True
    try:
        yield
    finally:
        for layer in entered:
            layer._holds_codes = False
            layer._held = None


@contextmanager
def codes_at_each_use(model: nn.Module) -> Iterator[None]:
    """Inside, trained layers compute their codes in each forward and once more in its backward, and keep none between.

    That spares a byte a weight where `hold_codes` spares time. As there, weights that are not finite are the
    caller's to report; flips are those that the caller counts (`count_flips`). Layers that are not trained hold theirs.
    """
    trained = [layer for layer in ternary_layers(model).values() if layer.weight.requires_grad]
    frozen = [layer for layer in ternary_layers(model).values() if not layer.weight.requires_grad]
    for layer in trained:
        layer._spares_codes = True
    try:
        with hold_codes(nn.ModuleList(frozen)):
            yield
    finally:
        for layer in trained:
            layer._spares_codes = False


@contextmanager
def held_codes_set_aside(model: nn.Module) -> Iterator[None]:
    """Inside, the layers may get other weights for a while: codes made of those count no flips.

    The caller puts the first weights back before the end.
    """
    layers = ternary_layers(model).values()
    before = [(layer, layer._held, layer.flip_count) for layer in layers]
    for layer in layers:
        layer._held = None
    try:
        yield
    finally:
        for layer, held, flip_count in before:
            layer._held, layer.flip_count = held, flip_count
            layer.drop_codes()
