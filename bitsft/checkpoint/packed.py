"""The packed ternary checkpoint that stock transformers loads: `quant_method: bitnet`, `linear_class: bitlinear`.

    <layer>.weight        uint8 [out_features / 4, in_features], four codes a byte (ternary/pack.py)
    <layer>.weight_scale  float32 [1], 1/γ: transformers divides by it, bitsft multiplies by γ
    config.json           quantization_config names the layers that stay dense

This variant was chosen because every transformers from 4.51 to 5.23 reads it, as do mlx-lm and llama.cpp's
converter. Source of the format: `transformers/integrations/bitnet.py`.

Limits: one γ per matrix, int8 activations, out_features a multiple of 4; `check_packable` says so before
any training starts. transformers unpacks with compiled functions: without a C++ compiler set
`TORCHDYNAMO_DISABLE=1` in the process that loads the model.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.quantizers.quantizer_bitnet import BitNetHfQuantizer
from transformers.quantizers.quantizers_utils import should_convert_module

from bitsft.ternary.linear import ternary_layers
from bitsft.ternary.pack import CODES_PER_BYTE, pack_codes
from bitsft.ternary.quantize import quantize_weight


def save_ternary(model: PreTrainedModel, directory: str | os.PathLike[str]) -> None:
    """Write a packed ternary checkpoint that `AutoModelForCausalLM.from_pretrained` loads without bitsft.

    The model stays as it is, latent weights included.

    Args:
        model: A transformers model with `BitLinear158` layers.
        directory: Where to write config.json, generation_config.json and model.safetensors.

    Raises:
        ValueError: The model has no ternary layer, or one that the format cannot hold.
    """
    with packed_config(model):
        model.save_pretrained(directory, state_dict=packed_state_dict(model))


def packed_state_dict(
    model: nn.Module, state_dict: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """The model's tensors with each ternary weight packed.

    Args:
        model: A model with `BitLinear158` layers.
        state_dict: Its full-precision tensors, where they were gathered from several processes. Default:
            the model's own.

    Returns:
        A new mapping; dense tensors are shared with the model.

    Raises:
        ValueError: See `check_packable`; or a weight holds NaN or infinite values.
    """
    check_packable(model)
    tensors = dict(model.state_dict() if state_dict is None else state_dict)
    for name, layer in ternary_layers(model).items():
        weight = tensors[f"{name}.weight"]
        codes, scale = quantize_weight(weight, layer.granularity, on_grid=layer.on_grid)
        if not bool(torch.isfinite(scale)):
            raise ValueError(
                f"{name}: the weight holds NaN or infinite values, so there is nothing to save. Resume from an "
                "earlier checkpoint with a lower learning rate."
            )
        tensors[f"{name}.weight"] = pack_codes(codes)
        tensors[f"{name}.weight_scale"] = (1 / scale).reshape(1)
    return tensors


@contextmanager
def packed_config(model: PreTrainedModel) -> Iterator[None]:
    """Inside, `model.config` describes the packed checkpoint; on leaving it is as before."""
    config = model.config
    had_one = "quantization_config" in vars(config)
    before = vars(config).get("quantization_config")
    config.quantization_config = _quantization_config(model)
    try:
        yield
    finally:
        if had_one:
            config.quantization_config = before
        else:
            del config.quantization_config


def check_packable(model: nn.Module) -> None:
    """Refuse a model whose ternary layers the packed format cannot hold; quick, meant for before training.

    Args:
        model: A model with `BitLinear158` layers.

    Raises:
        ValueError: No ternary layer; a layer with a scale per row, without activation quantization, or with
            out_features that are no multiple of 4; or a layer that transformers would not convert back.
    """
    layers = ternary_layers(model)
    if not layers:
        raise ValueError(
            f"{type(model).__name__} has no ternary layer; convert it with replace_linear_with_bitlinear(model)."
        )
    for name, layer in layers.items():
        if layer.granularity != "tensor":
            problem = f"has one scale per {layer.granularity} (granularity={layer.granularity!r})"
        elif layer.activation_bits is None:
            problem = "leaves its activations in full precision (activation_bits=None)"
        elif layer.out_features % CODES_PER_BYTE:
            problem = (
                f"has {layer.out_features} output features, not a multiple of {CODES_PER_BYTE}"
            )
        else:
            continue
        raise ValueError(
            f"{name} {problem}, which transformers' packed format cannot hold. Convert with the defaults of "
            "replace_linear_with_bitlinear, and leave such layers out with filter_fn."
        )
    if isinstance(model, PreTrainedModel):
        _check_same_layers_convert_back(model)


def _quantization_config(model: nn.Module) -> dict[str, Any]:
    return {
        "quant_method": "bitnet",
        "linear_class": "bitlinear",
        "quantization_mode": "offline",
        "modules_to_not_convert": _dense_linear_names(model),
    }


def _dense_linear_names(model: nn.Module) -> list[str]:
    ternary = ternary_layers(model)
    linear = (name for name, module in model.named_modules() if isinstance(module, nn.Linear))
    return [name for name in linear if name not in ternary]


def _check_same_layers_convert_back(model: PreTrainedModel) -> None:
    """transformers matches `modules_to_not_convert` as patterns; they must mean exactly our dense layers."""
    dense = _dense_linear_names(model)
    patterns = BitNetHfQuantizer.get_modules_to_not_convert(
        model, dense, model._keep_in_fp32_modules
    )
    for name in ternary_layers(model):
        if not should_convert_module(name, patterns):
            raise ValueError(
                f"{name} is ternary, but transformers would load it as a dense layer: its name matches one of "
                f"{patterns[:5]}. Leave it out with filter_fn."
            )
