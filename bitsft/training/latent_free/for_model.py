"""The optimizer of `projection="stochastic"` for a model, from the trainer's arguments."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from torch import nn

from bitsft.ternary.linear import ternary_layers
from bitsft.training.latent_free.optimizer import LatentFreeOptimizer

if TYPE_CHECKING:
    from bitsft.training.config import TernarySFTConfig


def latent_free_optimizer(
    model: nn.Module, args: "TernarySFTConfig", decaying: Collection[str]
) -> LatentFreeOptimizer:
    """Ternary matrices at `grid_learning_rate`, the other trained parameters at their dense rate.

    Args:
        model: With trained ternary layers; their weights are moved to the grid.
        args: The trainer's arguments.
        decaying: Names of the parameters that weight decay applies to.

    Returns:
        The optimizer; its first group is that of the ternary weights, whose rate Trainer logs.
    """
    layers = [layer for layer in ternary_layers(model).values() if layer.weight.requires_grad]
    ternary = {id(layer.weight) for layer in layers}
    dense = [
        (name in decaying, parameter)
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and id(parameter) not in ternary
    ]
    decay = args.weight_decay if args.dense_weight_decay is None else args.dense_weight_decay
    rate = args.learning_rate if args.dense_learning_rate is None else args.dense_learning_rate
    return LatentFreeOptimizer(
        layers,
        [
            {"params": [p for decays, p in dense if decays], "weight_decay": decay},
            {"params": [p for decays, p in dense if not decays], "weight_decay": 0.0},
        ],
        lr=rate,
        betas=(args.adam_beta1, args.adam_beta2),
        eps=args.adam_epsilon,
        grid_lr=args.grid_learning_rate,
        scale_lr=args.scale_learning_rate,
        weight_decay=args.weight_decay,
        seed=args.seed,
    )
