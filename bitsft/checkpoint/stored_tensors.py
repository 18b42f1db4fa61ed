"""The tensors of a checkpoint whose form is known (stored_form.py), read one by one as what they mean: codes, γ, dense values."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

from bitsft.checkpoint.files import CheckpointFiles
from bitsft.checkpoint.scale_convention import ScaleConvention
from bitsft.ternary.pack import CODES_PER_BYTE, check_packed, unpack_unchecked


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
