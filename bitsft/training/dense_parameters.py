"""Learning rate and weight decay of the dense parameters, apart from those of the ternary weights.

    ternary   `BitLinear158.weight`                         args.learning_rate, args.weight_decay
    dense     embeddings, output head, norms, biases        dense_learning_rate, dense_weight_decay

A latent weight must cross γ/2 to change anything, which asks for about ten times the dense rate; the parameters
that stayed dense feel that rate at once. Microsoft's training FAQ for BitNet b1.58 takes weight decay away in the
second half of training: it makes latent weights small, and the codes of small ones flip back and forth.

The optimizer is the one that Trainer makes; its groups are split before its first step. The learning rate
schedule multiplies each group's own initial rate. Norms and biases never decay, as in Trainer.

Limits: not with `optimizers=` (its groups are the caller's), DeepSpeed (its groups are its own), adapters or
`frozen_parameters` that leave no ternary weight to train, or an optimizer without ordinary groups (LOMO, the layer-wise ones).
"""

from collections.abc import Collection
from dataclasses import dataclass, field

import torch
from torch import nn

from bitsft.ternary.linear import ternary_layers


@dataclass
class DenseParameterOptions:
    """Options of the dense parameters, part of `TernarySFTConfig`, which describes them."""

    dense_learning_rate: float | None = field(
        default=None,
        metadata={
            "help": "Initial learning rate of embeddings, head, norms and biases; default: learning_rate."
        },
    )
    dense_weight_decay: float | None = field(
        default=None,
        metadata={"help": "Weight decay of embeddings and head; default: weight_decay."},
    )

    @property
    def splits_parameters(self) -> bool:
        """Whether ternary and dense parameters need groups of their own."""
        return self.dense_learning_rate is not None or self.dense_weight_decay is not None

    def check_dense_parameter_options(self) -> None:
        """Refuse values outside their range.

        Raises:
            ValueError: A rate or a decay is negative or no number.
        """
        for name in ("dense_learning_rate", "dense_weight_decay"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise ValueError(
                    f"{name} is {value}; use 0 or more, or None for that of the others."
                )


def check_parameters_can_be_split(
    model: nn.Module, *, optimizer_given: bool, deepspeed: bool
) -> None:
    """Refuse, before training, a run whose dense parameters cannot have settings of their own.

    Args:
        model: The trainer's model, wrapped by PEFT or not.
        optimizer_given: The optimizer was made outside.
        deepspeed: DeepSpeed is in use.

    Raises:
        ValueError: With the reason and what to do.
    """
    options = "dense_learning_rate and dense_weight_decay"
    if optimizer_given:
        raise ValueError(
            f"{options} do not reach an optimizer that was made outside. Give its parameter groups their own "
            "'lr' and 'weight_decay', or leave optimizers= out."
        )
    if deepspeed:
        raise ValueError(
            f"{options} do not work with DeepSpeed, which regroups the parameters. Leave them at None, or train "
            "with DDP or FSDP."
        )
    if not any(layer.weight.requires_grad for layer in ternary_layers(model).values()):
        raise ValueError(
            f"{options} need ternary weights that are trained; here they are frozen (by frozen_parameters, or as the "
            "base of adapters). Set learning_rate and weight_decay, which are then those of the adapters, or of "
            "whatever is trained."
        )


def split_parameter_groups(
    optimizer: torch.optim.Optimizer,
    model: nn.Module,
    decaying: Collection[str],
    options: DenseParameterOptions,
) -> None:
    """Split the groups of a fresh optimizer into ternary ones, which come first, and dense ones.

    Trainer logs the learning rate of the first group: it stays that of the ternary weights.

    Args:
        optimizer: Before its first step; its groups are changed in place.
        model: The model whose parameters it holds.
        decaying: Names of the parameters that weight decay applies to.
        options: Rates and decay of the dense parameters.

    Raises:
        ValueError: The optimizer does not hold the model's trained parameters in groups with a learning rate.
    """
    ternary = {id(layer.weight) for layer in ternary_layers(model).values()}
    trained = {id(p): name for name, p in model.named_parameters() if p.requires_grad}
    held = [id(p) for group in optimizer.param_groups for p in group["params"]]
    if sorted(held) != sorted(trained) or not ternary & set(held):
        raise ValueError(_ungrouped(optimizer))
    ternary_groups, dense_groups = [], []
    for group in optimizer.param_groups:
        if "lr" not in group:
            raise ValueError(_ungrouped(optimizer))
        weights = [p for p in group["params"] if id(p) in ternary]
        if weights:
            ternary_groups.append({**group, "params": weights})
        for decays in (True, False):
            rest = [
                p
                for p in group["params"]
                if id(p) not in ternary and (trained[id(p)] in decaying) == decays
            ]
            if rest:
                dense = {**group, "params": rest}
                if options.dense_learning_rate is not None:
                    dense["lr"] = options.dense_learning_rate
                if decays and options.dense_weight_decay is not None:
                    dense["weight_decay"] = options.dense_weight_decay
                dense_groups.append(dense)
    groups = [*ternary_groups, *dense_groups]
    optimizer.param_groups[:] = groups
    if len(optimizer.param_groups) != len(groups):  # several optimizers behind one list of groups
        raise ValueError(_ungrouped(optimizer))


def _ungrouped(optimizer: torch.optim.Optimizer) -> str:
    return (
        f"{type(optimizer).__name__} does not hold the model's parameters one by one in groups with a learning rate, "
        "so dense_learning_rate and dense_weight_decay cannot be set in it. Use another optim, adamw_torch for "
        "example, or leave them at None."
    )
