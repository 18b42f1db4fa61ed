"""One ternary model as its exporters see it: tensor by tensor, whether it is in memory or in a folder.

    layers        the ternary layers: name -> BitLinear158 or PackedLinear158 (its shape, bias, options)
    dense_names   every other tensor of the state_dict, tied ones once
    read_layer    name of a ternary layer -> (codes, γ)
    read_dense    name of another tensor -> its values

A source made from a folder holds no weights: its modules are on the meta device, and each tensor is read
from its file when it is asked for, so that a model of any size is exported in the memory of one shard.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from bitsft.ternary.kernels import kernels_for
from bitsft.ternary.packed_linear import PackedLinear158, TernaryLayer, layers_with_codes
from bitsft.ternary.quantize import latents_from_grid


@dataclass(frozen=True)
class TernarySource:
    """A ternary model to export.

    Attributes:
        model: The modules; their parameters are on the meta device where the source is a folder.
        layers: Ternary layers by full name, in the model's order.
        dense_names: state_dict names of all other tensors (norms, embeddings, biases, heads), in the
            model's order; a weight that is tied to another one is left out.
        read_layer: Name of a ternary layer -> `(codes, scale)`: int8 `[out_features, in_features]`,
            float32 γ of shape `()` (or `[out_features, 1]` with one scale per row), on the CPU.
        read_latent: Name of a ternary layer -> its latent weight, float, whose first projection gives
            those codes and that γ.
        read_dense: Name out of `dense_names` -> the tensor, on the CPU, in the dtype it is stored in.
        read_packed: The same as `read_layer` with the codes as they are packed in the files (see ternary/pack.py); None
            where they are not packed.
        outline: The same source, but what it reads are tensors on the meta device: shapes and dtypes only.
    """

    model: PreTrainedModel
    layers: Mapping[str, TernaryLayer]
    dense_names: list[str]
    read_layer: Callable[[str], tuple[Tensor, Tensor]]
    read_latent: Callable[[str], Tensor]
    read_dense: Callable[[str], Tensor]
    outline: "TernarySource | None" = None
    read_packed: Callable[[str], tuple[Tensor, Tensor]] | None = None


def source_from_model(
    model: PreTrainedModel, state_dict: Mapping[str, Tensor] | None = None
) -> TernarySource:
    """The source that reads from a model in memory; the model stays as it is.

    Args:
        model: A transformers model with ternary layers, packed in memory or not.
        state_dict: Its full-precision tensors, where they were gathered from several processes. Default:
            the model's own.

    Returns:
        The source.

    Raises:
        ValueError: The model has no ternary layer; later, from `read_layer`: a weight holds NaN or
            infinite values.
    """
    layers = require_ternary_layers(model)
    tensors = dict(model.state_dict() if state_dict is None else state_dict)

    def read_layer(name: str) -> tuple[Tensor, Tensor]:
        layer = layers[name]
        if isinstance(layer, PackedLinear158):
            codes, scale = layer.ternary()
            return codes.cpu(), scale.cpu()
        weight = tensors[f"{name}.weight"]
        quantize = kernels_for(weight).quantize_weight
        codes, scale = quantize(weight, layer.granularity, on_grid=layer.on_grid)
        if not bool(torch.isfinite(scale).all()):
            raise ValueError(
                f"{name}: the weight holds NaN or infinite values, so there is nothing to save. Resume from an "
                "earlier checkpoint with a lower learning rate."
            )
        if layer.on_grid:
            layer.watch_grid(weight, scale)
        return codes.cpu(), scale.cpu()

    def read_latent(name: str) -> Tensor:
        if _is_on_grid(layers[name]):
            return latents_from_grid(*read_layer(name))
        read_layer(name)  # refuses what is not finite
        return tensors[f"{name}.weight"].detach().cpu()

    ternary_tensors = {
        f"{name}.{tensor}"
        for name in layers
        for tensor in ("weight", "packed", "codes", "weight_scale")
    }
    names = [n for n in untied_names(model, tensors) if n not in ternary_tensors]
    return TernarySource(
        model,
        layers,
        names,
        read_layer,
        read_latent,
        read_dense=lambda name: tensors[name].detach().cpu(),
        outline=outline_of(
            model,
            layers,
            {name: tensors[name].to("meta") for name in names},
            latent_dtypes={
                name: torch.float32 if _is_on_grid(layer) else tensors[f"{name}.weight"].dtype
                for name, layer in layers.items()
            },
        ),
    )


def outline_of(
    model: PreTrainedModel,
    layers: Mapping[str, TernaryLayer],
    dense: dict[str, Tensor],
    latent_dtypes: Mapping[str, torch.dtype],
) -> TernarySource:
    """The outline of a source; see `TernarySource.outline`.

    Args:
        model: Its modules.
        layers: Its ternary layers.
        dense: Its other tensors on the meta device, in order.
        latent_dtypes: Layer name -> dtype of its latent weight.

    Returns:
        A source of tensors on the meta device.
    """

    def read_layer(name: str) -> tuple[Tensor, Tensor]:
        layer = layers[name]
        shape = () if layer.granularity == "tensor" else (layer.out_features, 1)
        return (
            torch.empty(layer.out_features, layer.in_features, dtype=torch.int8, device="meta"),
            torch.empty(shape, dtype=torch.float32, device="meta"),
        )

    def read_latent(name: str) -> Tensor:
        codes, _ = read_layer(name)
        return torch.empty(codes.shape, dtype=latent_dtypes[name], device="meta")

    return TernarySource(
        model, layers, list(dense), read_layer, read_latent, read_dense=dense.__getitem__
    )


def _is_on_grid(layer: TernaryLayer) -> bool:
    return isinstance(layer, PackedLinear158) or layer.on_grid


def require_ternary_layers(model: PreTrainedModel) -> dict[str, TernaryLayer]:
    """The model's ternary layers by name.

    Raises:
        ValueError: It has none.
    """
    layers = layers_with_codes(model)
    if not layers:
        raise ValueError(
            f"{type(model).__name__} has no ternary layer; convert it with replace_linear_with_bitlinear(model)."
        )
    return layers


def untied_names(model: PreTrainedModel, tensors: Mapping[str, Tensor]) -> list[str]:
    """state_dict names without those that are tied to another one: what a checkpoint's files hold."""
    tied = set(model.all_tied_weights_keys)
    return [name for name in tensors if name not in tied]
