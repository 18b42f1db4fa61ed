"""What the formats that transformers reads have in common: a folder of safetensors with a config.json.

They differ in three things: which layers they can hold, the tensors that a ternary layer becomes, and the
`quantization_config` that tells the reader so. Everything else (embeddings, norms, biases, the head) is
written as it is, or cast where a format or the caller asks for a dtype.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.quantizers.quantizer_bitnet import BitNetHfQuantizer
from transformers.quantizers.quantizers_utils import should_convert_module

from bitsft.checkpoint.source import TernarySource
from bitsft.ternary.packed_linear import layers_with_codes


@dataclass(frozen=True)
class SafetensorsFormat:
    """One way to store a ternary model in safetensors.

    Attributes:
        name: As in `save_ternary(format=...)`.
        check: Raises ValueError for a model that the format cannot hold; reads no weight.
        encode: `encode(source, layer_name, dtype)` -> the layer's tensors by what follows the layer's name
            ("weight", "weight_scale"); the bias is none of them. `dtype` is the caller's or None.
        quantization_config: What config.json says of the model; None for nothing.
        default_dtype: Of floating-point tensors where the caller names none; None: as they are.
        dtypes: Those that the caller may name.
    """

    name: str
    check: Callable[[PreTrainedModel], None]
    encode: Callable[[TernarySource, str, torch.dtype | None], dict[str, Tensor]]
    quantization_config: Callable[[PreTrainedModel], dict[str, Any] | None]
    default_dtype: torch.dtype | None = None
    dtypes: tuple[torch.dtype, ...] = (torch.float32, torch.bfloat16, torch.float16)


class CheckpointTensors:
    """The tensors of one checkpoint by name, each made when it is asked for.

    Args:
        source: The model.
        layout: The format.
        dtype: Of floating-point tensors; None: the format's default.

    Attributes:
        outline: Name -> tensor on the meta device: what the checkpoint will hold, in order.
        dtype: Of floating-point tensors outside the ternary layers; None: as they are.
    """

    def __init__(
        self, source: TernarySource, layout: SafetensorsFormat, dtype: torch.dtype | None = None
    ) -> None:
        self._source = source
        self._layout = layout
        self.dtype = dtype or layout.default_dtype
        # A layer's tensors are asked for one after the other: quantize it once.
        self._encode = lru_cache(maxsize=1)(self._encoded)
        self.outline: dict[str, Tensor] = {}
        shapes = source.outline or source
        for name in source.dense_names:
            self.outline[name] = self._cast(shapes.read_dense(name))
        for layer in source.layers:
            for suffix, tensor in layout.encode(shapes, layer, self.dtype).items():
                self.outline[f"{layer}.{suffix}"] = tensor

    def read(self, name: str) -> Tensor:
        """The tensor of a name out of `outline`."""
        layer, _, suffix = name.rpartition(".")
        if layer in self._source.layers and suffix != "bias":
            return self._encode(layer)[suffix]
        return self._cast(self._source.read_dense(name))

    def read_all(self) -> dict[str, Tensor]:
        """All of them, for those who save from memory; what needs no change is shared with the model."""
        return {name: self.read(name) for name in self.outline}

    def _encoded(self, layer: str) -> dict[str, Tensor]:
        return self._layout.encode(self._source, layer, self.dtype)

    def _cast(self, tensor: Tensor) -> Tensor:
        keep = self.dtype is None or not tensor.is_floating_point()
        return tensor if keep else tensor.to(self.dtype)


@contextmanager
def config_for(
    model: PreTrainedModel, layout: SafetensorsFormat, dtype: torch.dtype | None = None
) -> Iterator[PreTrainedConfig]:
    """Inside, `model.config` describes the checkpoint; on leaving it is as before."""
    config = model.config
    before = {name: vars(config)[name] for name in _CHANGED if name in vars(config)}
    described = layout.quantization_config(model)
    try:
        vars(config).pop("quantization_config", None)
        if described is not None:
            config.quantization_config = described
        if dtype or layout.default_dtype:
            config.dtype = dtype or layout.default_dtype
        yield config
    finally:
        for name in _CHANGED:
            vars(config).pop(name, None)
        vars(config).update(before)


_CHANGED = (
    "quantization_config",
    "dtype",
    "_dtype",
    "architectures",
)  # save_pretrained sets the last


def check_int8_activations(model: PreTrainedModel, format_name: str) -> None:
    """Refuse ternary layers whose activations stay in full precision.

    Raises:
        ValueError: There is one.
    """
    for name, layer in layers_with_codes(model).items():
        if layer.activation_bits is None:
            raise refusal(
                name, "leaves its activations in full precision (activation_bits=None)", format_name
            )


def check_one_scale(model: PreTrainedModel, format_name: str) -> None:
    """Refuse ternary layers with a scale per row.

    Raises:
        ValueError: There is one.
    """
    for name, layer in layers_with_codes(model).items():
        if layer.granularity != "tensor":
            raise refusal(
                name,
                f"has one scale per {layer.granularity} (granularity={layer.granularity!r})",
                format_name,
            )


def refusal(layer: str, problem: str, format_name: str) -> ValueError:
    """The error for a layer that a format cannot hold."""
    return ValueError(
        f"{layer} {problem}, which format={format_name!r} cannot hold. Use format='dense' "
        "(any layer, activations in full precision), or convert with the defaults of "
        "replace_linear_with_bitlinear and leave such layers out with filter_fn."
    )


def dense_linear_names(model: nn.Module) -> list[str]:
    """Names of the model's linear layers that are not ternary."""
    ternary = layers_with_codes(model)
    linear = (name for name, module in model.named_modules() if isinstance(module, nn.Linear))
    return [name for name in linear if name not in ternary]


def check_same_layers_convert_back(model: PreTrainedModel) -> None:
    """transformers matches `modules_to_not_convert` as patterns; they must mean exactly our dense layers.

    Raises:
        ValueError: A ternary layer would be loaded as a dense one.
    """
    dense = dense_linear_names(model)
    patterns = BitNetHfQuantizer.get_modules_to_not_convert(
        model, dense, model._keep_in_fp32_modules
    )
    for name in layers_with_codes(model):
        if not should_convert_module(name, patterns):
            raise ValueError(
                f"{name} is ternary, but transformers would load it as a dense layer: its name matches one of "
                f"{patterns[:5]}. Leave it out with filter_fn."
            )
