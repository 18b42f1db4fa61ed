"""How a checkpoint stores its ternary weights, decided from config.json and from the tensors, which must agree.

    form      quantization_config in config.json              <layer>.weight       <layer>.weight_scale
    dense     none                                            float                none
    online    bitnet, autobitlinear, online                   float (masters)      none; γ = mean|W| in each forward
    packed    bitnet, bitlinear (or no linear_class)          uint8, 4 codes/byte  1/γ: BitLinear divides by it
    packed    bitnet, autobitlinear, offline                  uint8, 4 codes/byte  γ: AutoBitLinear multiplies by it
    rows      bitnet, autobitlinear, offline                  float, γ·codes       1; γ is the row's magnitude

Source: `transformers/integrations/bitnet.py`, and `BitNetQuantConfig` for the defaults. A bias is added to the
scaled product by BitLinear, but before scaling by AutoBitLinear offline: (x·codes + bias)·γ; there it is read as
γ·bias.

The two packed forms look alike: scale_convention.py.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from bitsft.checkpoint.files import CheckpointFiles
from bitsft.checkpoint.scale_convention import ScaleConvention, check_plausible, scale_of_stored
from bitsft.checkpoint.stored_tensors import StoredForm


def stored_form(
    files: CheckpointFiles,
    config: Mapping[str, Any],
    scale_convention: ScaleConvention | None = None,
) -> StoredForm:
    """Decide how the ternary weights are stored; of the weights it reads the scales only.

    Args:
        files: The checkpoint's files.
        config: Its config.json.
        scale_convention: What `weight_scale` does, where config.json is known to be wrong; it is then believed
            without a check of the size.

    Returns:
        The form.

    Raises:
        ValueError: Another quantization method; config.json and the tensors disagree; a scale is NaN, infinite,
            zero, negative or of the wrong shape; the scales are in the other convention; `scale_convention`
            is given for a checkpoint that is not packed, or is neither of the two.
    """
    if scale_convention not in (None, "divide", "multiply"):
        raise ValueError(f"scale_convention is {scale_convention!r}; use 'divide' or 'multiply'.")
    path = files.directory / "config.json"
    quantization = _quantization_config(config, str(path))
    rows = _layers_with_row_scales(files, quantization)
    if rows:
        if scale_convention is not None:
            raise ValueError(
                f"scale_convention={scale_convention!r} is for packed checkpoints; {files.directory} holds float "
                "weights with a scale per row. Leave it out."
            )
        return StoredForm("rows", quantization, None, dict.fromkeys(rows, torch.ones(())))
    packed = _packed_layers(files)
    wants_packed = bool(quantization) and not _is_online(quantization)
    if wants_packed and not packed:
        raise _config_says_packed(files, str(path))
    if packed and not wants_packed:
        says = "says online (float weights)" if quantization else "has no quantization_config"
        raise ValueError(
            f"{path} {says}, but tensor {packed[0] + '.weight'!r} in {files.file_of(packed[0] + '.weight')} is packed "
            "(uint8). Fetch the config.json that belongs to these weights."
        )
    if not packed:
        if scale_convention is not None:
            raise ValueError(
                f"scale_convention={scale_convention!r} is for packed checkpoints; {files.directory} holds float "
                "weights without scales. Leave it out."
            )
        return StoredForm("online" if quantization else "dense", quantization, None, {})
    declared: ScaleConvention = (
        "multiply" if quantization.get("linear_class") == "autobitlinear" else "divide"
    )
    convention = scale_convention or declared
    scales = {layer: _read_scale(files, layer, convention) for layer in packed}
    if scale_convention is None:
        check_plausible(scales, convention, files, str(path))
    return StoredForm("packed", quantization, convention, scales)


def _quantization_config(config: Mapping[str, Any], path: str) -> dict[str, Any]:
    quantization = config.get("quantization_config")
    if quantization is None:
        return {}
    if not isinstance(quantization, dict) or "quant_method" not in quantization:
        raise ValueError(f"{path}: quantization_config names no quant_method: {quantization!r}.")
    method = quantization["quant_method"]
    if method != "bitnet":
        raise ValueError(
            f"{path}: quant_method is {method!r}; bitsft reads ternary ('bitnet') and full-precision checkpoints. "
            "Load the model that it was quantized from, or dequantize it first and save that."
        )
    for key, allowed in (
        ("linear_class", ("bitlinear", "autobitlinear")),
        ("quantization_mode", ("offline", "online")),
    ):
        if quantization.get(key, allowed[0]) not in allowed:
            raise ValueError(
                f"{path}: {key} is {quantization[key]!r}; transformers knows {allowed[0]!r} and {allowed[1]!r}."
            )
    if quantization.get("use_rms_norm"):
        raise ValueError(
            f"{path}: use_rms_norm is true: transformers' layers then normalize their input, which BitLinear158 does "
            "not. Set it to false where the model was trained without, or keep stock transformers for it."
        )
    return quantization


def _is_online(quantization: Mapping[str, Any]) -> bool:
    # linear_class "bitlinear" is packed in either mode: transformers looks at the class first.
    return (
        quantization.get("linear_class") == "autobitlinear"
        and quantization.get("quantization_mode") == "online"
    )


def _layers_with_row_scales(files: CheckpointFiles, quantization: Mapping[str, Any]) -> list[str]:
    """Layers of the form `rows`; empty for any other form, or where not all of them have it."""
    if quantization.get("linear_class") != "autobitlinear" or _is_online(quantization):
        return []
    layers = [n.rpartition(".")[0] for n in files.names if n.endswith(".weight_scale")]
    for layer in layers:
        weight, scale = f"{layer}.weight", f"{layer}.weight_scale"
        if weight not in files or not files.dtype(weight).is_floating_point:
            return []
        if math.prod(files.shape(scale)) != 1 or files.read(scale).float().item() != 1:
            raise ValueError(
                f"{files.file_of(scale)}: tensor {scale!r} stands beside a float weight, with a scale per row in it, "
                "and must then be 1, shape (1,). Fetch the weights again."
            )
    return layers


def _packed_layers(files: CheckpointFiles) -> list[str]:
    """Layers with packed weights, each with its scale; nothing else may be stored as integers."""
    layers = []
    for name in files.names:
        layer, _, kind = name.rpartition(".")
        where = f"{files.file_of(name)}: tensor {name!r}"
        if kind == "weight_scale":
            weight = f"{layer}.weight"
            if weight not in files:
                raise ValueError(f"{where} has no {weight!r} beside it. Fetch the weights again.")
            if files.dtype(weight) != torch.uint8:
                raise ValueError(
                    f"{where} stands beside a weight that is {files.dtype(weight)}; with a scale it must be packed "
                    "(uint8). These are tensors of two checkpoints, or a format that bitsft does not read."
                )
        elif kind == "weight" and not files.dtype(name).is_floating_point:
            if files.dtype(name) != torch.uint8:
                raise ValueError(
                    f"{where} is {files.dtype(name)}; bitsft reads float weights and packed ones (uint8)."
                )
            if f"{layer}.weight_scale" not in files:
                raise ValueError(
                    f"{where} is packed (uint8) but {layer + '.weight_scale'!r} is missing. Fetch the weights again."
                )
            if len(files.shape(name)) != 2:
                raise ValueError(
                    f"{where} is packed (uint8) and has shape {files.shape(name)}; it must be "
                    "[out_features / 4, in_features]."
                )
            layers.append(layer)
    return layers


def _config_says_packed(files: CheckpointFiles, path: str) -> ValueError:
    weight = next(
        (n for n in files.names if n.endswith(".weight") and len(files.shape(n)) == 2), None
    )
    example = f"; {weight!r} in {files.file_of(weight)} is {files.dtype(weight)}" if weight else ""
    return ValueError(
        f"{path} says that the weights are packed (uint8 with a weight_scale), but no tensor is{example}. If these are "
        "master weights, set linear_class to 'autobitlinear' and quantization_mode to 'online' there; if they "
        "are full-precision weights, delete quantization_config."
    )


def _read_scale(files: CheckpointFiles, layer: str, convention: ScaleConvention) -> Tensor:
    name = f"{layer}.weight_scale"
    where = f"{files.file_of(name)}: tensor {name!r}"
    if math.prod(files.shape(name)) != 1 or len(files.shape(name)) > 1:
        raise ValueError(
            f"{where} has shape {files.shape(name)}; transformers' packed format has one scale a matrix, shape (1,)."
        )
    if not files.dtype(name).is_floating_point:
        raise ValueError(f"{where} is {files.dtype(name)}; a scale must be a float.")
    stored = files.read(name).float().reshape(())
    scale = scale_of_stored(stored, convention)
    if not (0 < stored < math.inf and 0 < scale < math.inf):
        raise ValueError(
            f"{where} is {stored.item()}; a scale must be finite and above zero. The file is damaged, or training had "
            "diverged before it was written."
        )
    return scale
