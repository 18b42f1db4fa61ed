"""`format="compressed-tensors"`: int8 weights and activations (W8A8), the form of ternary that vLLM can run.

    <layer>.weight        int8 [out_features, in_features] in {-1, 0, 1}
    <layer>.weight_scale  float32 [out_features, 1], γ in every row (or the row's own)
    config.json           quant_method "compressed-tensors", format "int-quantized": weights static per channel,
                          activations dynamic per token, symmetric

vLLM has no method for packed ternary weights; its W8A8 kernels compute the same integer product, with one byte
a weight instead of a quarter. Source of the format: the compressed-tensors library, 0.20.

Limits: int8 activations. transformers needs `pip install compressed-tensors` to load it, and there
it computes in floating point: equal to rounding, not to the bit.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from bitsft.checkpoint.safetensors_format import (
    SafetensorsFormat,
    check_int8_activations,
    dense_linear_names,
)
from bitsft.checkpoint.source import TernarySource, require_ternary_layers


def _check(model: PreTrainedModel) -> None:
    require_ternary_layers(model)
    check_int8_activations(model, "compressed-tensors")
    for name, parameter in model.named_parameters():
        if parameter.dim() == 3 and "experts" in name.split("."):
            raise ValueError(
                f"{name} holds all experts in one parameter {tuple(parameter.shape)}, which stays dense; "
                "transformers and vLLM expect every expert of a compressed-tensors checkpoint to be quantized. "
                "Use format='transformers'."
            )


def _encode(source: TernarySource, name: str, dtype: torch.dtype | None) -> dict[str, Tensor]:
    codes, scale = source.read_layer(name)
    per_row = scale.reshape(-1, 1).expand(codes.shape[0], 1).contiguous()
    return {"weight": codes, "weight_scale": per_row}


def _quantization_config(model: nn.Module) -> dict[str, Any]:
    int8 = {"num_bits": 8, "type": "int", "symmetric": True}
    return {
        "quant_method": "compressed-tensors",
        "format": "int-quantized",
        "quantization_status": "compressed",
        "ignore": dense_linear_names(model),
        "config_groups": {
            "group_0": {
                "targets": ["Linear"],
                "weights": {**int8, "strategy": "channel", "dynamic": False},
                "input_activations": {**int8, "strategy": "token", "dynamic": True},
                "output_activations": None,
            }
        },
    }


COMPRESSED_TENSORS = SafetensorsFormat("compressed-tensors", _check, _encode, _quantization_config)
