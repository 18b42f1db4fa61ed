"""TRL's `BEMACallback` (arXiv 2508.00180) beside ternary training.

The callback averages the trained weights on a copy of the model, which it builds as `type(model)(config)` and saves to
`<output_dir>/bema` at the end. That copy has dense layers: what it saves are averaged latent weights, with which the
dense model computes something that was never trained. `pack_bema` puts the packed ternary model in its place, the
projection of the average.

Limits of the callback itself, which stay: its model is not what evaluation sees, and a resumed run averages from the
checkpoint on. `latent_average_decay` has neither.
"""

import logging
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback
from trl import BEMACallback

from bitsft.checkpoint.save import save_ternary
from bitsft.ternary.linear import BitLinear158, ternary_layers
from bitsft.ternary.replace import replace_linear_with_bitlinear

logger = logging.getLogger(__name__)


def check_bema_fits(
    callbacks: Iterable[TrainerCallback], model: nn.Module, *, latent: bool, resumed: bool
) -> None:
    """Refuse a `BEMACallback` that could not build its copy, and say what a resumed one forgets.

    Args:
        callbacks: The trainer's.
        model: The model to be trained.
        latent: Whether it is trained with latent weights.
        resumed: Whether the run goes on from a checkpoint.

    Raises:
        ValueError: The model is wrapped by PEFT, has parameters that its class does not make, or has no latent
            weights.
    """
    if not any(isinstance(callback, BEMACallback) for callback in callbacks):
        return
    remedy = "Use latent_average_decay instead, or leave the callback out."
    if not isinstance(model, PreTrainedModel):
        raise ValueError(
            f"BEMACallback builds its copy from the model's class, and {type(model).__name__} wraps the model. "
            "Leave the callback out, or train without PEFT."
        )
    if not latent:
        raise ValueError(
            "BEMACallback averages latent weights, which projection='stochastic' does not keep. Use "
            "projection='latent', or leave the callback out."
        )
    with torch.device("meta"):
        made = {name for name, _ in type(model)(model.config).named_parameters()}
    frozen = [name for name, p in model.named_parameters() if not p.requires_grad]
    unlike = sorted(made ^ {name for name, _ in model.named_parameters()})
    if unlike or frozen:
        reason = f"{unlike[0]!r} is not among those" if unlike else f"{frozen[0]!r} is not trained"
        raise ValueError(
            f"BEMACallback needs a model with just the parameters that {type(model).__name__} makes, all of them "
            f"trained, but {reason}. {remedy}"
        )
    if resumed:
        logger.warning(
            "BEMACallback keeps no state in checkpoints: its average starts anew from the checkpoint. "
            "latent_average_decay goes on exactly."
        )


def pack_bema(
    callbacks: Iterable[TrainerCallback],
    model: nn.Module,
    output_dir: str,
    tokenizer: PreTrainedTokenizerBase | None,
) -> None:
    """Replace the dense folder that each `BEMACallback` wrote by the packed ternary model.

    Args:
        callbacks: The trainer's.
        model: The trained model: which layers are ternary, and how.
        output_dir: Of the trainer.
        tokenizer: Saved with the packed model.
    """
    layers = ternary_layers(model)
    for callback in callbacks:
        if not isinstance(callback, BEMACallback) or callback.running_model is None:
            continue
        averaged = callback.running_model
        replace_linear_with_bitlinear(averaged, filter_fn=lambda _, name: name in layers)
        for name, layer in ternary_layers(averaged).items():
            _take_options(layer, layers[name])
        save_ternary(averaged, Path(output_dir) / "bema", tokenizer=tokenizer, overwrite=True)


def _take_options(layer: BitLinear158, trained: BitLinear158) -> None:
    layer.activation_bits = trained.activation_bits
    layer.granularity = trained.granularity
