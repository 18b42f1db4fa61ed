"""`sub_norms=True`: the trainer inserts sub-norms before it makes the model ternary.

The norms are calibrated on the first tokens of the training set as TRL prepared it, in its own order, so a second start
finds the same weights. A resumed run takes them from its checkpoint, like all weights.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn
from transformers import BitNetForCausalLM, PreTrainedModel
from transformers.integrations.deepspeed import is_deepspeed_zero3_enabled

from bitsft.ternary.sub_norm_calibration import calibrate_sub_norms
from bitsft.ternary.sub_norms import insert_sub_norms

logger = logging.getLogger(__name__)

CALIBRATION_TOKENS = 4096
"""How much of the training set is read; 512 tokens give nearly the same weights (docs/sub_norms.md)."""


@dataclass
class SubNormOptions:
    """The option of sub-norms, part of `TernarySFTConfig`, which describes it."""

    sub_norms: bool = field(
        default=False,
        metadata={
            "help": "Insert an RMSNorm before o_proj and down_proj; the model becomes a BitNetForCausalLM."
        },
    )


def with_sub_norms(model: Any, peft_config: Any) -> PreTrainedModel:
    """The model that `sub_norms=True` trains; weights of new norms are 1.

    Args:
        model: As the trainer was given it, or loaded it.
        peft_config: As the trainer was given it.

    Returns:
        The model itself where it has sub-norms, otherwise a `BitNetForCausalLM` over its layers.

    Raises:
        ValueError: Sub-norms cannot be inserted (`insert_sub_norms`), or would not be saved with an adapter, or
            DeepSpeed has partitioned the weights.
    """
    if isinstance(model, BitNetForCausalLM):
        return model
    if peft_config is not None:
        raise ValueError(
            "sub_norms=True and peft_config exclude each other: a saved adapter does not hold the norms of its base, "
            "and the frozen base would not learn to use them. Train a base with sub_norms=True first and pass that, "
            "or leave sub_norms out."
        )
    if is_deepspeed_zero3_enabled():
        raise ValueError(
            "sub_norms=True does not work on weights that DeepSpeed's stage 3 has partitioned. Insert them before: "
            "save_ternary(replace_linear_with_bitlinear(insert_sub_norms(model)), folder, format='latent'), and "
            "train from that folder."
        )
    return insert_sub_norms(model)


def calibrate_on_dataset(model: nn.Module, dataset: Any) -> None:
    """Calibrate new sub-norms on the first `CALIBRATION_TOKENS` tokens of a prepared training set.

    Args:
        model: The trainer's model, a `BitNetForCausalLM`.
        dataset: Rows with `input_ids`. Where there are none the norms keep weights of 1; that is logged.
    """
    rows = list(_first_rows(dataset))
    if rows and isinstance(model, BitNetForCausalLM):
        calibrate_sub_norms(model, rows)
        return
    logger.warning(
        "The training set has no rows with input_ids to calibrate the new sub-norms on; their weights are 1, so "
        "training starts from a model that is further from the given one. Pass a model from "
        "insert_sub_norms(model, calibration=...) instead."
    )


def _first_rows(dataset: Iterable[Any] | None) -> Iterator[list[int]]:
    left = CALIBRATION_TOKENS
    for row in dataset or ():
        if left <= 0 or not isinstance(row, Mapping) or "input_ids" not in row:
            return
        ids = list(row["input_ids"])[:left]
        left -= len(ids)
        if ids:
            yield ids
