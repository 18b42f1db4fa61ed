"""The way from a model's last hidden states to its logits, as data: weight, bias, scale, soft cap.

    logits = cap(scale · (hidden · weightᵀ + bias)),  cap(x) = c · tanh(x / c) where the config has a cap c

The names under which configs keep scale and cap are those that TRL's `add_fused_lm_head` knows: `logit_scale` (Cohere),
`output_multiplier`, `lm_head_multiplier` (Falcon-H1), `logits_scaling` (Granite divides by it, HyperCLOVA X
multiplies), `final_logit_softcapping` (Gemma 2).
"""

from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn
from transformers import PreTrainedModel


@dataclass(frozen=True)
class OutputHead:
    """A head over a vocabulary.

    Attributes:
        weight: [vocabulary, width].
        bias: [vocabulary], or None.
        scale: Factor of the logits.
        cap: Bound of the logits' magnitude, or None.
    """

    weight: torch.Tensor
    bias: torch.Tensor | None = None
    scale: float = 1.0
    cap: float | None = None

    @property
    def words(self) -> int:
        """Rows of the head, padding of the vocabulary included."""
        return self.weight.shape[0]


def output_head(model: nn.Module) -> OutputHead:
    """The head of a causal language model, wrapped by PEFT or not.

    Raises:
        ValueError: The model has no head, or one whose weight is not a plain float matrix (a quantized head), or is
            not all of it (an adapter on the head).
    """
    base = unwrapped(model)
    head = base.get_output_embeddings()
    weight = getattr(head, "weight", None)
    if not isinstance(weight, torch.Tensor) or not weight.is_floating_point() or weight.dim() != 2:
        raise ValueError(
            f"distillation: the output head of {type(base).__name__} is "
            f"{'missing' if head is None else f'a {type(head).__name__} without a plain float weight'}; its logits "
            "are computed from that weight. Use a causal language model, and keep its head out of quantization."
        )
    if isinstance(head, BaseTunerLayer):
        raise ValueError(
            f"distillation: the output head of {type(base).__name__} has an adapter, and its logits are computed from "
            "the weight below. Merge the adapter (merge_and_unload), or leave the head out of target_modules."
        )
    config = base.config.get_text_config()
    return OutputHead(
        weight=weight,
        bias=getattr(head, "bias", None),
        scale=_scale(config),
        cap=getattr(config, "final_logit_softcapping", None),
    )


def backbone(model: nn.Module) -> nn.Module:
    """The part below the head, whose output has `last_hidden_state`.

    Raises:
        ValueError: The model is not divided into backbone and head.
    """
    base = unwrapped(model)
    below: nn.Module = base.base_model
    if below is base:
        raise ValueError(
            f"distillation: {type(base).__name__} has no backbone apart from its head. Use a causal language model."
        )
    return below


def unwrapped(model: nn.Module) -> PreTrainedModel:
    """The transformers model itself; adapters that are part of its layers stay."""
    base = model.get_base_model() if isinstance(model, PeftModel) else model
    if not isinstance(base, PreTrainedModel):
        raise ValueError(
            f"distillation needs a transformers model; this is a {type(base).__name__}."
        )
    return base


def _scale(config: Any) -> float:
    for name in ("logit_scale", "output_multiplier", "lm_head_multiplier"):
        value = getattr(config, name, None)
        if value is not None:
            return float(value)
    divisor = getattr(config, "logits_scaling", None)
    if divisor is None:
        return 1.0
    return float(divisor) if config.model_type == "hyperclovax" else 1 / divisor
