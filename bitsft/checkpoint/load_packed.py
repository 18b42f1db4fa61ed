"""A checkpoint as a frozen model of packed layers; no ternary weight is ever whole in floating point beside another.

    1  transformers builds the model and loads its dense tensors; of each ternary weight it gets one zero that is expanded
       to the weight's shape, so the matrices take no memory
    2  layer by layer, the codes come from the files: packed bytes as they are; float weights quantized in float32, one
       at a time
    3  the device that was asked for gets the model when it is packed (load.py)

Memory: the packed model, its dense tensors, and one layer in float32. γ is that of the files, in float32 whatever the dtype
of the dense tensors: nothing is rounded.

Limits: where transformers renames tensors on loading by more than a prefix, the model is loaded whole and packed then,
which is logged.
"""

from functools import partial
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from bitsft.checkpoint.layer_weight import give_weight
from bitsft.checkpoint.outline import TernaryCheckpoint
from bitsft.checkpoint.stored_tensors import StoredTensor
from bitsft.ternary.linear import BitLinear158
from bitsft.ternary.packed_linear import CodesInMemory, PackedLinear158


def load_packed(
    checkpoint: TernaryCheckpoint, names: dict[str, str], codes_in_memory: CodesInMemory
) -> PreTrainedModel:
    """Load a checkpoint on the CPU, its ternary layers packed.

    Args:
        checkpoint: The checkpoint.
        names: What its files call the weights of the ternary layers, by their names in the model (names_in_files.py).
        codes_in_memory: See `pack_model`.

    Returns:
        The model, in evaluation mode; its dense tensors are as they were loaded.

    Raises:
        ValueError: A weight is damaged, or holds NaN or infinite values.
    """
    tensors: dict[str, Any] = dict(checkpoint.form.tensors(checkpoint.files, checkpoint.dtype))
    for name in names.values():
        shape = tensors[name].get_shape()
        one_zero = torch.zeros((), dtype=checkpoint.dtype)
        tensors[name] = StoredTensor(shape, partial(one_zero.expand, shape))
    model: PreTrainedModel = checkpoint.from_pretrained(tensors)
    made: dict[BitLinear158, PackedLinear158] = {}
    for name, layer in checkpoint.outline.named_modules(remove_duplicate=False):
        if not isinstance(layer, BitLinear158):
            continue
        if layer not in made:
            layer.bias = model.get_submodule(name).bias
            made[layer] = _packed_layer(
                checkpoint, layer, name, names[f"{name}.weight"], codes_in_memory
            )
        model.set_submodule(name, made[layer].eval())
    return model


def single_device(device_map: Any) -> torch.device:
    """The one device that a `device_map` names.

    Args:
        device_map: As in `from_pretrained`; `"auto"` and its like mean the accelerator where there is one.

    Raises:
        ValueError: It names several devices.
    """
    devices = list(device_map.values()) if isinstance(device_map, dict) else [device_map]
    if len(set(map(str, devices))) != 1:
        raise ValueError(
            f"device_map={device_map!r} names several devices; ternary layers stay on one. Pass one device, or None."
        )
    if isinstance(devices[0], str) and devices[0].startswith(("auto", "balanced", "sequential")):
        return torch.accelerator.current_accelerator() or torch.device("cpu")
    return torch.device(devices[0])


def _packed_layer(
    checkpoint: TernaryCheckpoint,
    layer: BitLinear158,
    name: str,
    stored: str,
    codes_in_memory: CodesInMemory,
) -> PackedLinear158:
    files, form = checkpoint.files, checkpoint.form
    options: dict[str, Any] = {"codes_in_memory": codes_in_memory, "dtype": checkpoint.dtype}
    if form.kind == "packed":
        scale = form.scales[stored.removesuffix(".weight")]
        if layer.granularity == "row":
            scale = scale.expand(layer.out_features, 1)
        try:
            made = PackedLinear158.from_packed(
                files.read(stored), scale, layer.bias, layer.activation_bits, **options
            )
        except ValueError as error:
            raise ValueError(f"{files.file_of(stored)}: tensor {stored!r}: {error}") from error
    else:
        outlined = layer.weight
        weight = nn.Parameter(files.read(stored).float(), requires_grad=False)
        give_weight(layer, weight, checkpoint, name)
        codes, scale = layer.ternary()
        made = PackedLinear158(codes, scale, layer.bias, layer.activation_bits, **options)
        layer.weight = outlined
    made.full_name = layer.full_name
    return made
