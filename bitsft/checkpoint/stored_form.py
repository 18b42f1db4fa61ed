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

The two packed forms look alike, and a file with the wrong linear_class loads without an error into a model that talks
nonsense. It is recognised by its size: γ of a trained model is mostly 0.005 to 0.3, so 1/γ read as γ gives 3 to
200. Limit: around 1 the two cannot be told apart, and microsoft/bitnet-b1.58-2B-4T has γ of about 1.5
(microsoft/BitNet pull request 616 quotes 1.555); so only a median above 4 is refused, where the other convention
would give a plausible one.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

from bitsft.checkpoint.files import CheckpointFiles
from bitsft.ternary.pack import CODES_PER_BYTE, check_packed, unpack_unchecked

ScaleConvention = Literal["divide", "multiply"]

LARGEST_PLAUSIBLE_SCALE = 4.0
"""A median γ above this, with one between it and SMALLEST the other way round, is the wrong convention."""
SMALLEST_PLAUSIBLE_SCALE = 1e-4

CONVENTIONS = (
    "There are two conventions: transformers' BitLinear (linear_class 'bitlinear') divides by weight_scale, which "
    "then holds 1/γ; AutoBitLinear (linear_class 'autobitlinear') multiplies by it, and it holds γ."
)


@dataclass(frozen=True)
class StoredForm:
    """How a checkpoint's ternary weights are stored.

    Attributes:
        kind: `"dense"`, `"online"`, `"packed"` or `"rows"` (not packed, a scale per row).
        quantization_config: That of config.json; empty where it has none.
        convention: Of a packed checkpoint: whether `weight_scale` divides or multiplies; else None.
        scales: `weight_scale` of each layer that has one, by name, float32 `()`: γ of packed layers, 1 where
            each row has its own γ.
    """

    kind: Literal["dense", "online", "packed", "rows"]
    quantization_config: dict[str, Any]
    convention: ScaleConvention | None
    scales: dict[str, Tensor]

    def read_packed(self, files: CheckpointFiles, layer: str) -> tuple[Tensor, Tensor]:
        """Codes and γ of a packed layer.

        Args:
            files: The checkpoint.
            layer: A name out of `scales`.

        Returns:
            `(codes, scale)`: int8 `[out_features, in_features]` and float32 `()`.

        Raises:
            ValueError: A byte holds something else than four codes.
        """
        packed, scale = self.read_packed_bytes(files, layer)
        return unpack_unchecked(packed), scale

    def read_packed_bytes(self, files: CheckpointFiles, layer: str) -> tuple[Tensor, Tensor]:
        """`read_packed` without unpacking: the codes as `pack_codes` packs them, uint8 `[out_features / 4, in_features]`."""
        name = f"{layer}.weight"
        try:
            packed = files.read(name)
            check_packed(packed)
            return packed, self.scales[layer]
        except ValueError as error:
            raise ValueError(f"{files.file_of(name)}: tensor {name!r}: {error}") from error

    def read_dense(self, files: CheckpointFiles, name: str) -> Tensor:
        """A tensor that is no packed weight or scale, in its stored dtype; the bias of an AutoBitLinear as γ·bias.

        Args:
            files: The checkpoint.
            name: The tensor's name in it.

        Returns:
            The tensor; a bias that had to be scaled is float32.
        """
        tensor = files.read(name)
        if self._is_scaled_bias(name):
            return tensor.float() * self.scales[name.rpartition(".")[0]]
        return tensor

    def dense_dtype(self, files: CheckpointFiles, name: str) -> torch.dtype:
        """The dtype of what `read_dense` gives for a name."""
        return torch.float32 if self._is_scaled_bias(name) else files.dtype(name)

    def _is_scaled_bias(self, name: str) -> bool:
        layer, _, kind = name.rpartition(".")
        autobitlinear = self.quantization_config.get("linear_class") == "autobitlinear"
        return kind == "bias" and layer in self.scales and autobitlinear

    def tensors(self, files: CheckpointFiles, dtype: torch.dtype) -> "dict[str, StoredTensor]":
        """What a model is loaded from: the files' tensors by name, packed weights as γ·codes in `dtype`."""

        def read_weight(layer: str) -> Tensor:
            codes, scale = self.read_packed(files, layer)
            return codes.to(dtype).mul_(scale.to(dtype))

        tensors = {}
        for name in files.names:
            layer, _, kind = name.rpartition(".")
            if self.kind == "packed" and layer in self.scales and kind == "weight":
                rows, columns = files.shape(name)
                shape: Sequence[int] = (rows * CODES_PER_BYTE, columns)
                tensors[name] = StoredTensor(shape, partial(read_weight, layer))
            elif layer not in self.scales or kind != "weight_scale":
                tensors[name] = StoredTensor(
                    files.shape(name), partial(self.read_dense, files, name)
                )
        return tensors


class StoredTensor:
    """A tensor that is made when it is indexed; transformers takes it for a slice of a safetensors file."""

    def __init__(self, shape: Sequence[int], read: Callable[[], Tensor]) -> None:
        self._shape = list(shape)
        self._read = read

    def get_shape(self) -> list[int]:
        """Its shape; costs nothing."""
        return self._shape

    def __getitem__(self, index: Any) -> Tensor:
        return self._read()[index]


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
        _check_plausible(scales, convention, files, str(path))
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


def scale_of_stored(stored: Tensor, convention: ScaleConvention | None) -> Tensor:
    """γ of a packed layer from its `weight_scale`.

    Args:
        stored: `weight_scale`, float32 `()`.
        convention: What it does.
    """
    return _reciprocal(stored) if convention == "divide" else stored


def _reciprocal(stored: Tensor) -> Tensor:
    """The γ whose float32 reciprocal is exactly `stored` where there is one: forward divides by 1/γ."""
    nearest = 1 / stored
    infinity = torch.tensor(math.inf)
    for scale in (
        nearest,
        torch.nextafter(nearest, infinity),
        torch.nextafter(nearest, -infinity),
    ):
        if 1 / scale == stored:
            return scale
    return nearest


def _check_plausible(
    scales: Mapping[str, Tensor], convention: ScaleConvention, files: CheckpointFiles, path: str
) -> None:
    median = statistics.median(scale.item() for scale in scales.values())
    if median <= LARGEST_PLAUSIBLE_SCALE or 1 / median < SMALLEST_PLAUSIBLE_SCALE:
        return
    layer = next(iter(scales))
    name = f"{layer}.weight_scale"
    stored = files.read(name).float().item()
    right = "autobitlinear" if convention == "divide" else "bitlinear"
    other = "multiply" if convention == "divide" else "divide"
    remedy = f"Set linear_class to {right!r} in {path}, or pass scale_convention={other!r}"
    if any(f"{layer}.bias" in files for layer in scales):
        remedy = (
            f"Pass scale_convention={other!r} (the other linear_class would change the biases, too)"
        )
    raise ValueError(
        f"The scales are in the wrong convention: read as config.json says ({convention}), the median γ of "
        f"{len(scales)} layers is {median:.4g}, while γ of a ternary model is mostly 0.005 to 0.3; the other way round "
        f"it is {1 / median:.4g}. For example {name!r} in {files.file_of(name)} is {stored:.4g}. {CONVENTIONS} "
        f"{remedy}; if the scales really are this large, pass scale_convention={convention!r}."
    )
