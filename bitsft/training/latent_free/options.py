"""The options of training without latent weights, and where it cannot work."""

from dataclasses import dataclass, field

from torch import nn
from transformers import TrainingArguments
from transformers.training_args import OptimizerNames

from bitsft.ternary.linear import ternary_layers


@dataclass
class LatentFreeOptions:
    """Options of `projection="stochastic"`, part of `TernarySFTConfig`, which describes them."""

    grid_learning_rate: float = field(
        default=0.02,
        metadata={
            "help": "projection='stochastic': how far a step moves a ternary weight, in units of its scale."
        },
    )
    scale_learning_rate: float = field(
        default=1e-3,
        metadata={
            "help": "projection='stochastic': by which share of itself a step moves a scale; 0 keeps scales fixed."
        },
    )

    def check_latent_free_options(self) -> None:
        """Raises:
        ValueError: A value is outside its range.
        """
        if not 0 < self.grid_learning_rate <= 1:
            raise ValueError(
                f"grid_learning_rate is {self.grid_learning_rate}; it is in units of the scale, above 0, at most 1 (every "
                "step moves a weight by a whole code). Use 0.005 to 0.05."
            )
        if not 0 <= self.scale_learning_rate < 1:
            raise ValueError(
                f"scale_learning_rate is {self.scale_learning_rate}; it is the share of itself by which a step moves "
                "a scale, from 0 up to but not including 1. Use 0.0003 to 0.003, or 0 for fixed scales."
            )


def check_latent_free_fits(
    args: TrainingArguments,
    *,
    optimizer_given: bool,
    deepspeed: bool,
    fsdp: bool,
) -> None:
    """Refuse what would take the place of the optimizer, or hide the weights from it.

    Args:
        args: The trainer's arguments.
        optimizer_given: Whether an optimizer, or its class, was passed to the trainer.
        deepspeed: Whether DeepSpeed trains the model.
        fsdp: Whether FSDP does.

    Raises:
        ValueError: Names the reason and the remedy.
    """
    if deepspeed or fsdp:
        raise ValueError(
            f"projection='stochastic' rounds whole matrices after each step, but {'DeepSpeed' if deepspeed else 'FSDP'} "
            "keeps the weights in partitions. Use projection='latent', or train on one device or with DDP."
        )
    if optimizer_given or args.optim not in ("adamw_torch", "adamw_torch_fused"):
        chosen = (
            "an optimizer given to the trainer"
            if optimizer_given
            else f"optim={OptimizerNames(args.optim).value!r}"
        )
        raise ValueError(
            f"projection='stochastic' brings its own optimizer, which {chosen} would replace: the update has to be "
            f"rounded before the weight is written. Leave it out (optim='adamw_torch'), or use projection='latent'."
        )


def trains_ternary_weights(model: nn.Module) -> bool:
    """Whether any ternary weight is trained; under PEFT the base is frozen."""
    return any(layer.weight.requires_grad for layer in ternary_layers(model).values())
