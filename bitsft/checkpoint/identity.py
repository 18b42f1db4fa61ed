"""`ternary_base_identity`: which ternary weights these are, whatever they are kept in.

    codes     = SHA-256 over, for each ternary layer in the order of the names,
                  [name, out_features, in_features] as JSON, a line feed, the codes packed as in ternary/pack.py
    identity  = SHA-256 over codes, then, for each layer, its granularity, a line feed, 1/γ as little-endian float32

It is equal for latent weights, weights on the grid, packed layers in memory and packed files, with adapters over them or
not. 1/γ is taken because that is what packed files hold: several γ may have the same float32 reciprocal, and a model
that was saved and loaded may come back with another of them. Where all codes of a matrix (or row) are 0, γ counts as 0,
as weights on the grid do not say it. Rows of code 0 fill up out_features to a multiple of 4.

An adapter names its base by it (bitsft/adapters). Dense tensors (embeddings, norms, biases, head) are not part of it.

Limits: of a full-precision folder it is the identity of what `load_ternary` makes of it by default. Loading in bfloat16 or float16 rounds γ of layers that hold their weight in it, which is then another
identity with the same `codes`.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bitsft.checkpoint.hub_folder import model_folder
from bitsft.checkpoint.source_folder import source_from_folder
from bitsft.ternary.pack import CODES_PER_BYTE, pack_codes, unpack_unchecked
from bitsft.ternary.packed_linear import PackedLinear158, TernaryLayer, layers_with_codes

_T = TypeVar("_T")
_WRAPPED = re.compile(r"\.(base_layer|original_module)(?=\.|$)")


@dataclass(frozen=True)
class TernaryIdentity:
    """What tells the ternary weights of one model from those of another.

    Attributes:
        sha256: Of names, shapes, codes and γ, in hex.
        codes_sha256: The same without γ.
        scales: γ of each layer by name (the mean of its rows' where each row has its own).
        granularity: `"tensor"`, `"row"`, or `"mixed"`.
        activation_bits: 8 or None; `"mixed"` where layers differ.
        weights: How many ternary weights there are.
    """

    sha256: str
    codes_sha256: str
    scales: dict[str, float]
    granularity: str
    activation_bits: int | str | None
    weights: int


def ternary_base_identity(
    model_or_checkpoint: nn.Module | str | os.PathLike[str], *, trust_remote_code: bool = False
) -> str:
    """SHA-256 of a model's ternary weights: names, shapes, codes and γ.

    Args:
        model_or_checkpoint: A model with ternary layers (latent, packed, with PEFT adapters over them), a folder that
            `load_ternary` reads, or the Hub id of one. A folder is read layer by layer; no model is loaded.
        trust_remote_code: Allow model code that lies in the checkpoint.

    Returns:
        64 hexadecimal digits. Equal for a folder and for the model loaded from it in float32.

    Raises:
        FileNotFoundError: No such folder or Hub model.
        ValueError: There is no ternary layer, or a weight holds NaN or infinite values.
    """
    return identity_of(model_or_checkpoint, trust_remote_code=trust_remote_code).sha256


def identity_of(
    model_or_checkpoint: nn.Module | str | os.PathLike[str], *, trust_remote_code: bool = False
) -> TernaryIdentity:
    """`ternary_base_identity` with what it is made of; arguments and exceptions are the same."""
    if isinstance(model_or_checkpoint, nn.Module):
        found = base_ternary_layers(model_or_checkpoint)
        if not found:
            raise ValueError(
                f"{type(model_or_checkpoint).__name__} has no ternary layer, so its ternary weights have no identity. "
                "Load it with load_ternary, or convert it with replace_linear_with_bitlinear(model)."
            )
        return _identity(found, lambda name: _in_memory(found[name]))
    folder = model_folder(model_or_checkpoint)
    source = source_from_folder(folder, trust_remote_code=trust_remote_code)

    def read(name: str) -> tuple[Tensor, Tensor]:
        codes, scale = source.read_layer(name)
        return _packed(codes), scale

    return _identity(source.layers, source.read_packed or read)


def base_ternary_layers(model: nn.Module) -> dict[str, TernaryLayer]:
    """A model's ternary layers by the names that they have without adapters, each once.

    Args:
        model: A model, wrapped by PEFT or not. Copies that PEFT trains (`modules_to_save`) are left out.
    """
    from peft import PeftModel

    if isinstance(model, PeftModel):
        model = model.get_base_model()
    found = {}
    for name, layer in layers_with_codes(model).items():
        if "modules_to_save" not in name.split("."):
            found[name_without_adapters(name)] = layer
    return found


def name_without_adapters(name: str) -> str:
    """`….q_proj.base_layer.bias` is `….q_proj.bias`, and `lm_head.original_module.weight` is `lm_head.weight`."""
    return _WRAPPED.sub("", name)


def _identity(
    layers: Mapping[str, TernaryLayer],
    read: Callable[[str], tuple[Tensor, Tensor]],
) -> TernaryIdentity:
    """`read(name)` gives packed codes and γ, `()` or `[out_features, 1]`."""
    codes_hash = hashlib.sha256()
    scales: dict[str, Tensor] = {}
    for name in sorted(layers):
        layer = layers[name]
        packed, scale = read(name)
        header = json.dumps([name, layer.out_features, layer.in_features], ensure_ascii=False)
        codes_hash.update(header.encode() + b"\n")
        codes_hash.update(packed.contiguous().numpy().data)
        scales[name] = _without_scales_of_zeros(packed, scale.detach().float().cpu())
    identity_hash = hashlib.sha256(codes_hash.digest())
    for scale in scales.values():
        identity_hash.update(b"row\n" if scale.dim() else b"tensor\n")
        inverse = torch.where(scale == 0, scale, 1 / scale)
        identity_hash.update(inverse.contiguous().numpy().astype("<f4").tobytes())
    return TernaryIdentity(
        sha256=identity_hash.hexdigest(),
        codes_sha256=codes_hash.hexdigest(),
        scales={name: scale.mean().item() for name, scale in scales.items()},
        granularity=_common("row" if scale.dim() else "tensor" for scale in scales.values()),
        activation_bits=_common(layer.activation_bits for layer in layers.values()),
        weights=sum(layer.out_features * layer.in_features for layer in layers.values()),
    )


def _in_memory(layer: TernaryLayer) -> tuple[Tensor, Tensor]:
    if isinstance(layer, PackedLinear158):
        return layer.packed_codes().cpu(), layer.weight_scale
    codes, scale = layer.ternary()
    return _packed(codes), scale


def _packed(codes: Tensor) -> Tensor:
    return pack_codes(F.pad(codes.cpu(), (0, 0, 0, -codes.shape[0] % CODES_PER_BYTE)))


_FOUR_ZEROS = 0b01_01_01_01  # code 0 is stored as 1


def _without_scales_of_zeros(packed: Tensor, scale: Tensor) -> Tensor:
    if scale.dim():
        used = unpack_unchecked(packed)[: len(scale)].any(dim=1, keepdim=True)
    else:  # the first row settles it for nearly all
        used = (packed[:1] != _FOUR_ZEROS).any() or (packed != _FOUR_ZEROS).any()
    return torch.where(used, scale, torch.zeros(()))


def _common(values: Iterable[_T]) -> _T | str:
    distinct = list(dict.fromkeys(values))
    return distinct[0] if len(distinct) == 1 else "mixed"
