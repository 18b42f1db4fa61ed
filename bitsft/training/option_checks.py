"""Whether the trainer's options can work together with its model, its optimizer and the way weights are spread.

`TernarySFTConfig` refuses values and combinations that can never work; these need the trainer. Each part's own check stands
beside that part.
"""

from torch import nn

from bitsft.training.config import TernarySFTConfig
from bitsft.training.dense_parameters import check_parameters_can_be_split
from bitsft.training.latent_free import check_latent_free_fits, trains_ternary_weights
from bitsft.training.stabilisers import check_stabilisers_fit


def check_deepspeed_reaches_weights(args: TernarySFTConfig, *, deepspeed: bool) -> None:
    """Refuse what writes into the weights beside the optimizer where DeepSpeed holds them.

    Args:
        args: The trainer's arguments.
        deepspeed: Whether DeepSpeed trains the model.

    Raises:
        ValueError: `projection="stochastic"` or `latent_clip` with DeepSpeed.
    """
    if deepspeed and (args.projection != "latent" or args.latent_clip):
        raise ValueError(
            "DeepSpeed keeps the weights in its own partitions, where neither projection='stochastic' nor "
            "latent_clip can reach them. Use projection='latent' without latent_clip."
        )


def check_options_fit(
    args: TernarySFTConfig,
    model: nn.Module,
    *,
    optimizer_made: bool,
    optimizer_class_given: bool,
    deepspeed: bool,
    fsdp: bool,
) -> None:
    """Refuse, before training, options that would have no effect or the wrong one.

    Args:
        args: The trainer's arguments.
        model: Its model, wrapped by PEFT or not, with everything frozen that is to be.
        optimizer_made: Whether an optimizer was made outside (`optimizers`).
        optimizer_class_given: Whether its class was passed (`optimizer_cls_and_kwargs`).
        deepspeed: Whether DeepSpeed trains the model.
        fsdp: Whether FSDP does.

    Raises:
        ValueError: Names the option, the reason and the remedy.
    """
    check_stabilisers_fit(args, model, deepspeed=deepspeed, fsdp=fsdp)
    if args.projection == "stochastic" and trains_ternary_weights(model):
        check_latent_free_fits(
            args,
            optimizer_given=optimizer_made or optimizer_class_given,
            deepspeed=deepspeed,
            fsdp=fsdp,
        )
    if args.splits_parameters:
        check_parameters_can_be_split(model, optimizer_given=optimizer_made, deepspeed=deepspeed)
