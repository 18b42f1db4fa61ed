"""A checkpoint folder as a `TernarySource`: each tensor is read from its file when it is asked for.

Layers are quantized as `load_ternary` would with its default dtype, float32: packed ones have their own codes and
γ, masters are projected, full-precision weights too unless they lie on the grid already.

Limits: the names in the files must be those of the model's modules, but for a prefix (names_in_files.py). Where transformers
renames or stacks tensors on loading (experts in one parameter, say) the model is loaded whole instead, which is logged.
"""

import logging
import os
from pathlib import Path

import torch
from torch import Tensor

from bitsft.checkpoint.load import load_ternary
from bitsft.checkpoint.names_in_files import names_in_files
from bitsft.checkpoint.outline import TernaryCheckpoint, open_ternary
from bitsft.checkpoint.source import TernarySource, outline_of, source_from_model, untied_names
from bitsft.ternary.kernels import kernels_for
from bitsft.ternary.linear import ternary_layers
from bitsft.ternary.quantize import grid_scale, latents_from_grid

logger = logging.getLogger(__name__)


def source_from_folder(
    directory: str | os.PathLike[str], *, trust_remote_code: bool = False
) -> TernarySource:
    """The source that reads from a folder in any form that `load_ternary` reads.

    Args:
        directory: The folder.
        trust_remote_code: Allow model code that lies in the folder.

    Returns:
        The source.

    Raises:
        FileNotFoundError, ValueError: As `load_ternary`; from the source's functions: a weight holds NaN
            or infinite values.
    """
    folder = Path(directory)
    checkpoint = open_ternary(folder, dtype="auto", trust_remote_code=trust_remote_code)
    names = _names_of_all(checkpoint)
    if names is None:
        logger.warning(
            "%s: transformers renames or stacks its tensors on loading, so the whole model is loaded instead of one "
            "tensor at a time.",
            folder,
        )
        return source_from_model(load_ternary(folder, trust_remote_code=trust_remote_code))
    return _source(checkpoint, names)


def _names_of_all(checkpoint: TernaryCheckpoint) -> dict[str, str] | None:
    """The model's tensors, tied ones once, and what the files call them; None where that cannot be told of all."""
    model, files = checkpoint.outline, checkpoint.files
    names = names_in_files(checkpoint, untied_names(model, model.state_dict()))
    if names is None:
        return None
    scales = {f"{layer}.weight_scale" for layer in checkpoint.form.scales}
    tied = set(model.all_tied_weights_keys)
    return None if set(files.names) - set(names.values()) - scales - tied else names


def _source(checkpoint: TernaryCheckpoint, names: dict[str, str]) -> TernarySource:
    model, files, form = checkpoint.outline, checkpoint.files, checkpoint.form
    layers = ternary_layers(model)
    # online layers take γ from the mean, whatever the weight
    may_lie_on_grid = form.kind in ("dense", "rows")

    def stored_layer(name: str) -> str:
        return names[f"{name}.weight"].removesuffix(".weight")

    def read_masters(name: str) -> Tensor:
        return files.read(names[f"{name}.weight"]).float()

    def read_layer(name: str) -> tuple[Tensor, Tensor]:
        if form.kind == "packed":
            return form.read_packed(files, stored_layer(name))
        masters = read_masters(name)
        quantize = kernels_for(masters).quantize_weight
        codes, scale = quantize(masters, layers[name].granularity, on_grid=may_lie_on_grid)
        if not bool(torch.isfinite(scale).all()):
            stored = names[f"{name}.weight"]
            raise ValueError(
                f"{files.file_of(stored)}: tensor {stored!r} holds NaN or infinite values, so there is nothing to export."
            )
        return codes, scale

    def read_latent(name: str) -> Tensor:
        if form.kind != "packed":
            weight = read_masters(name)
            on_grid = grid_scale(weight, layers[name].granularity)[1]
            if not (may_lie_on_grid and bool(on_grid.all())):
                return weight
        return latents_from_grid(*read_layer(name))

    def read_packed(name: str) -> tuple[Tensor, Tensor]:
        return form.read_packed_bytes(files, stored_layer(name))

    ternary_weights = {f"{name}.weight" for name in layers}
    dense = {
        name: torch.empty(files.shape(stored), dtype=form.dense_dtype(files, stored), device="meta")
        for name, stored in names.items()
        if name not in ternary_weights
    }
    return TernarySource(
        model,
        layers,
        list(dense),
        read_layer,
        read_latent,
        read_dense=lambda name: form.read_dense(files, names[name]),
        outline=outline_of(model, layers, dense, dict.fromkeys(layers, torch.float32)),
        read_packed=read_packed if form.kind == "packed" else None,
    )
