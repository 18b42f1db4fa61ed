"""`format="latent"`: float weights that transformers, or bitsft, makes ternary as it runs: for going on with training.

    <layer>.weight  the latent weight; for a layer on the grid, latents that project to its codes and γ
    config.json     quant_method "bitnet", linear_class "autobitlinear", quantization_mode "online"

Stock transformers computes the same logits from it: its `AutoBitLinear` projects the weight in each forward,
with gradients straight through. Source: `transformers/integrations/bitnet.py`, and the layout of
microsoft/bitnet-b1.58-2B-4T-bf16.

Limits: one γ per matrix, int8 activations. Always float32: cast to bfloat16, some latents cross a rounding
boundary, and transformers loads in the dtype that config.json names.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from bitsft.checkpoint.safetensors_format import (
    SafetensorsFormat,
    check_int8_activations,
    check_one_scale,
    check_same_layers_convert_back,
    dense_linear_names,
)
from bitsft.checkpoint.source import TernarySource, require_ternary_layers


def _check(model: PreTrainedModel) -> None:
    require_ternary_layers(model)
    check_one_scale(model, "latent")
    check_int8_activations(model, "latent")
    check_same_layers_convert_back(model)


def _encode(source: TernarySource, name: str, dtype: torch.dtype | None) -> dict[str, Tensor]:
    return {"weight": source.read_latent(name).float()}


def _quantization_config(model: nn.Module) -> dict[str, Any]:
    return {
        "quant_method": "bitnet",
        "linear_class": "autobitlinear",
        "quantization_mode": "online",
        "modules_to_not_convert": dense_linear_names(model),
    }


LATENT = SafetensorsFormat(
    "latent",
    _check,
    _encode,
    _quantization_config,
    default_dtype=torch.float32,
    dtypes=(torch.float32,),
)
