"""Checkpoints of tiny ternary models in each form that transformers reads, and ways to change them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from bitsft.ternary import ternary_layers
from bitsft.ternary.pack import pack_codes
from tests.checkpoint.tiny_models import logits

BITLINEAR = {"quant_method": "bitnet", "modules_to_not_convert": ["lm_head"]}
OFFLINE = {"quant_method": "bitnet", "linear_class": "autobitlinear"}
ONLINE = {**OFFLINE, "quantization_mode": "online"}
F32, BF16 = torch.float32, torch.bfloat16


@dataclass
class Saved:
    """A checkpoint, what it should compute, and what stock transformers computes from it."""

    folder: Path
    expected: torch.Tensor
    ternary: dict[str, tuple[torch.Tensor, torch.Tensor]]
    exact: bool = False
    stock: torch.Tensor | None = None


def save(
    model: PreTrainedModel,
    folder: Path,
    quantization: dict[str, Any] | None,
    *,
    divide: bool = True,
    scale_dtype: torch.dtype = F32,
    max_shard_size: str = "5GB",
) -> Saved:
    """Save a ternary model in one of the forms; the model then has the scales that were written."""
    tensors = dict(model.state_dict())
    packed = quantization is not None and quantization.get("quantization_mode") != "online"
    exact = packed and divide
    for name, layer in ternary_layers(model).items() if packed else ():
        codes, scale = layer.ternary()
        stored = ((1 / scale) if divide else scale).to(scale_dtype)
        scale = (1 / stored.float()) if divide else stored.float()
        exact &= bool(1 / scale == stored)
        with torch.no_grad():
            layer.weight.copy_(codes * scale)
        layer.on_grid = True
        tensors[f"{name}.weight"] = pack_codes(codes)
        tensors[f"{name}.weight_scale"] = stored.reshape(1)
        if layer.bias is not None and not divide:
            tensors[f"{name}.bias"] = layer.bias / scale  # AutoBitLinear scales the bias, too
    model.save_pretrained(folder, state_dict=tensors, max_shard_size=max_shard_size)
    change_config(folder, quantization_config=quantization)
    layers = {name: layer.ternary() for name, layer in ternary_layers(model).items()}
    return Saved(folder, logits(model), layers, exact)


def rounded_to_bf16(model: PreTrainedModel) -> PreTrainedModel:
    """Parameters that bfloat16 holds; buffers stay."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.bfloat16())
    return model


def change_config(folder: Path, **values: object) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text()) | values
    path.write_text(json.dumps({k: v for k, v in config.items() if v is not None}))


def change_tensors(
    folder: Path, change: Callable[[dict[str, torch.Tensor]], object]
) -> dict[str, torch.Tensor]:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})
    return tensors
