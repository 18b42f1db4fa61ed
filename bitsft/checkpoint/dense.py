"""`format="dense"`: an ordinary checkpoint whose linear weights are γ·codes, for anything that reads dense models.

    <layer>.weight  γ·codes in bfloat16 (or the dtype that is asked for)

Lost: the activations are not quantized by whoever runs it, and bfloat16 rounds each γ and every other tensor to 8
bits of mantissa (up to 0.4 % of γ; the codes stay); with `dtype=torch.float32` γ is exact. bitsft recognises
such weights when it loads them: they lie on the grid.
"""

import torch
from torch import Tensor
from transformers import PreTrainedModel

from bitsft.checkpoint.safetensors_format import SafetensorsFormat
from bitsft.checkpoint.source import TernarySource, require_ternary_layers


def _check(model: PreTrainedModel) -> None:
    require_ternary_layers(model)


def _encode(source: TernarySource, name: str, dtype: torch.dtype | None) -> dict[str, Tensor]:
    codes, scale = source.read_layer(name)
    dtype = dtype or torch.float32
    return {"weight": codes.to(dtype) * scale.to(dtype)}


DENSE = SafetensorsFormat(
    "dense", _check, _encode, lambda model: None, default_dtype=torch.bfloat16
)
