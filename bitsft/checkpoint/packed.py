"""`format="transformers"`: the packed checkpoint that stock transformers loads.

    <layer>.weight        uint8 [out_features / 4, in_features], four codes a byte (ternary/pack.py)
    <layer>.weight_scale  float32 [1], 1/γ: transformers divides by it, bitsft multiplies by γ
    config.json           quant_method "bitnet", linear_class "bitlinear", and the layers that stay dense

A model with a scale per row is not packed, because transformers' packed layer holds one scale:

    <layer>.weight        float [out_features, in_features], γ·codes with each row's own γ
    <layer>.weight_scale  float [1], 1
    config.json           linear_class "autobitlinear", quantization_mode "offline"

transformers' `AutoBitLinear` multiplies int8 activations by that weight: the same product, at the size of the
dense model. transformers 5.0 takes a vector as `weight_scale` of the packed layer, too; 5.23 refuses it.

This variant was chosen because every transformers from 4.51 to 5.23 reads it, as do mlx-lm and llama.cpp's
converter. Source of the format: `transformers/integrations/bitnet.py`.

Limits: int8 activations, out_features a multiple of 4; `check_packable` says so before
any training starts. transformers unpacks with compiled functions: without a C++ compiler set
`TORCHDYNAMO_DISABLE=1` in the process that loads the model.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from bitsft.checkpoint.safetensors_format import (
    SafetensorsFormat,
    check_int8_activations,
    check_same_layers_convert_back,
    dense_linear_names,
    refusal,
)
from bitsft.checkpoint.source import TernarySource, require_ternary_layers
from bitsft.ternary.pack import CODES_PER_BYTE, pack_codes
from bitsft.ternary.packed_linear import layers_with_codes


def check_packable(model: PreTrainedModel) -> None:
    """Refuse a model whose ternary layers the packed format cannot hold; quick, meant for before training.

    Args:
        model: A model with ternary layers, packed in memory or not.

    Raises:
        ValueError: No ternary layer; a layer without activation quantization, or with out_features that are
            no multiple of 4; or a layer that transformers would not convert back.
    """
    layers = require_ternary_layers(model)
    check_int8_activations(model, "transformers")
    for name, layer in layers.items():
        if layer.out_features % CODES_PER_BYTE:
            raise refusal(
                name,
                f"has {layer.out_features} output features, not a multiple of {CODES_PER_BYTE}",
                "transformers",
            )
    check_same_layers_convert_back(model)


def _encode(source: TernarySource, name: str, dtype: torch.dtype | None) -> dict[str, Tensor]:
    codes, scale = source.read_layer(name)
    if not _has_row_scales(source.model):
        return {"weight": pack_codes(codes), "weight_scale": (1 / scale).reshape(1)}
    weight = (codes * scale).to(dtype or source.layers[name].weight.dtype)
    return {
        "weight": weight,
        "weight_scale": torch.ones(1, dtype=weight.dtype, device=weight.device),
    }


def _has_row_scales(model: nn.Module) -> bool:
    return any(layer.granularity == "row" for layer in layers_with_codes(model).values())


def _quantization_config(model: nn.Module) -> dict[str, Any]:
    return {
        "quant_method": "bitnet",
        "linear_class": "autobitlinear" if _has_row_scales(model) else "bitlinear",
        "quantization_mode": "offline",
        "modules_to_not_convert": dense_linear_names(model),
    }


PACKED = SafetensorsFormat("transformers", check_packable, _encode, _quantization_config)
