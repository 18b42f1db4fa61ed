"""The options of the stabilisers, and where they cannot work."""

from dataclasses import dataclass, field

from torch import nn

from bitsft.ternary.linear import ternary_layers


@dataclass
class StabiliserOptions:
    """Options of the stabilisers, part of `TernarySFTConfig`, which describes them."""

    dead_zone_strength: float = field(
        default=0.0,
        metadata={
            "help": "How strongly weights whose code is 0 add to the output while training; fades to 0."
        },
    )
    freeze_oscillating_ratio: float = field(
        default=0.0,
        metadata={"help": "Share of the steps, at the end, in which oscillating codes are frozen."},
    )
    latent_average_decay: float | None = field(
        default=None,
        metadata={
            "help": "Decay of the moving average of the weights that evaluation and the final model use."
        },
    )

    def stabilisers_in_use(self) -> list[str]:
        """The names of the options that are not at their defaults."""
        return [
            name
            for name, is_set in {
                "dead_zone_strength": self.dead_zone_strength != 0,
                "freeze_oscillating_ratio": self.freeze_oscillating_ratio > 0,
                "latent_average_decay": self.latent_average_decay is not None,
            }.items()
            if is_set
        ]

    def stabilisers_with_state(self) -> list[str]:
        """Those of them that move weights and keep state in checkpoints."""
        return [name for name in self.stabilisers_in_use() if name != "dead_zone_strength"]

    def check_stabiliser_options(self) -> None:
        """Raises:
        ValueError: A value is outside its range.
        """
        if not 0 <= self.dead_zone_strength <= 1:
            raise ValueError(
                f"dead_zone_strength is {self.dead_zone_strength}; it lies from 0 (off) to 1. Tequila's paper uses "
                "0.001."
            )
        if not 0 <= self.freeze_oscillating_ratio <= 1:
            raise ValueError(
                f"freeze_oscillating_ratio is {self.freeze_oscillating_ratio}; it is a share of the steps, from 0 "
                "(off) to 1. Use 0.1 to 0.3."
            )
        if self.latent_average_decay is not None and not 0 < self.latent_average_decay < 1:
            raise ValueError(
                f"latent_average_decay is {self.latent_average_decay}; it lies between 0 and 1, both excluded. "
                "Use 0.99 to 0.999, or None."
            )


def check_stabilisers_fit(
    options: StabiliserOptions, model: nn.Module, *, deepspeed: bool, fsdp: bool
) -> None:
    """Refuse stabilisers that the way of training leaves without effect or without their state.

    Args:
        options: The trainer's arguments.
        model: Its model, wrapped by PEFT or not.
        deepspeed: Whether DeepSpeed trains it.
        fsdp: Whether FSDP does.

    Raises:
        ValueError: Names the option, the reason and the remedy.
    """
    used = options.stabilisers_in_use()
    if not used:
        return
    names = " and ".join(used)
    if not any(layer.weight.requires_grad for layer in ternary_layers(model).values()):
        raise ValueError(
            f"{names}: no ternary weight of this model is trained, so there is no latent weight to stabilise (with "
            "peft_config the base is frozen; see also frozen_parameters). Train without PEFT, or leave the option at "
            "its default."
        )
    stateful = options.stabilisers_with_state()
    if stateful and (deepspeed or fsdp):
        raise ValueError(
            f"{' and '.join(stateful)} cannot reach weights that {'DeepSpeed' if deepspeed else 'FSDP'} keeps in "
            "partitions. Train on one device or with DDP, or leave the option at its default."
        )
