"""`apply_patch`, `revert_patch`: a loaded model from one task to the other and back, in place.

    packed codes        the bytes in which codes flip, and γ
    int8 codes          the codes that flip, and γ
    BitLinear158        the weight, γ·code, anew: γ is in every element of it; it has to lie on the grid
    dense tensors       base + difference, tuned - difference, in the dtype of the file

A patch leads both ways by itself (flips.py, differences.py), so the model keeps nothing for the way back. All of it is
decoded and everything is checked before the first element is written; if writing is interrupted, what was written is taken
back.

What is checked: `check="all"` the identity of all ternary weights (checkpoint/identity.py), and the hash of each dense
tensor; `check="touched"`, which takes milliseconds, only what the patch will change: γ of each layer, the codes at the places of
its flips, the dense tensors that change.

Limits: a model on one device or several, not on "meta"; loaded so that γ is not rounded (float32 ternary weights, or packed), dense
tensors at least as wide as in the file. A γ whose reciprocal several floats have may come back as another of them; forward
uses the reciprocal. Do not run forward in another thread meanwhile.
"""

import hashlib
import os
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Literal

import torch
from torch import Tensor, nn

from bitsft.checkpoint.identity import (
    base_ternary_layers,
    name_without_adapters,
    ternary_base_identity,
)
from bitsft.checkpoint.safetensors_header import DTYPES
from bitsft.patches.folder import SHORT_HASH
from bitsft.patches.loaded_layers import (
    Change,
    Side,
    TernaryLayer,
    check_on_grid,
    layer_change,
)
from bitsft.patches.loaded_patch import LoadedPatch, load_patch
from bitsft.patches.tensors import data_of, read_difference
from bitsft.ternary.linear import BitLinear158

Check = Literal["all", "touched"]


def apply_patch(
    model: nn.Module, patch: LoadedPatch | str | os.PathLike[str], *, check: Check = "all"
) -> None:
    """Make a loaded base the tuned model, in place.

    Args:
        model: The base as `load_ternary` gives it, packed or not, with PEFT adapters over it or without.
        patch: The file, or what `load_patch` made of it.
        check: `"all"` (default) hashes all ternary weights and every other tensor before anything is written;
            `"touched"` looks only at what the patch will change, which takes milliseconds.

    Raises:
        ValueError: The patch is damaged, or is for folders only; the model is not its base, is the tuned model already,
            has latent weights off the grid, or was loaded in a dtype that rounds. The model is as it was.

    Example:
        >>> task = load_patch("task.safetensors")
        >>> apply_patch(model, task)
        >>> revert_patch(model, task)
    """
    _switch(model, patch, check, backwards=False)


def revert_patch(
    model: nn.Module, patch: LoadedPatch | str | os.PathLike[str], *, check: Check = "all"
) -> None:
    """Make a tuned model the base again, in place; it need not be one that `apply_patch` made.

    Args:
        model: The tuned model.
        patch: See `apply_patch`.
        check: See `apply_patch`.

    Raises:
        ValueError: As `apply_patch`, with the sides changed.
    """
    _switch(model, patch, check, backwards=True)


def _switch(
    model: nn.Module, patch: LoadedPatch | str | os.PathLike[str], check: Check, backwards: bool
) -> None:
    if check not in ("all", "touched"):
        raise ValueError(f"check is {check!r}; use 'all' or 'touched'.")
    loaded = patch if isinstance(patch, LoadedPatch) else load_patch(patch)
    side = Side(loaded, backwards)
    with torch.no_grad():
        layers = base_ternary_layers(model)
        _check_layers(side, layers)
        changes = [layer_change(side, name, layers[name]) for name in loaded.layers]
        if check == "all":
            for name, layer in layers.items():
                if name not in loaded.layers and isinstance(layer, BitLinear158):
                    check_on_grid(name, layer)
            found = ternary_base_identity(model)
            side.check("its ternary weights", found, loaded.file.manifest["loaded"]["ternary"])
        changes += _dense_changes(side, model, everything=check == "all")
    writes_inference_tensors = any(t.is_inference() for change in changes for t in change.targets)
    with torch.inference_mode() if writes_inference_tensors else nullcontext(), torch.no_grad():
        _write(changes)


def _write(changes: list[Change]) -> None:
    done: list[Change] = []
    for change in changes:
        before = [target.clone() for target in change.targets]
        try:
            change.write(True)
        except BaseException:  # an interrupt, memory: nobody may meet a model between two tasks
            for target, value in zip(change.targets, before, strict=True):
                target.copy_(value)
            for earlier in reversed(done):
                earlier.write(False)
            raise
        done.append(change)


def _check_layers(side: Side, layers: Mapping[str, TernaryLayer]) -> None:
    for name in side.patch.layers:
        if name not in layers:
            raise ValueError(
                f"{side.patch.file.path} changes {name}, which is no ternary layer of this model (it has {len(layers)}). "
                "Load the patch's base with load_ternary."
            )
        layer, flips = layers[name], side.patch.flips.get(name)
        if (
            flips is not None
            and len(flips)
            and flips.places[-1] >= layer.in_features * layer.out_features
        ):
            raise ValueError(
                f"{side.patch.file.path} has flips beyond {name} ({layer.out_features} x {layer.in_features}): this is "
                "not its base."
            )


def _dense_changes(side: Side, model: nn.Module, *, everything: bool) -> list[Change]:
    patch = side.patch.file
    state = _base_model(model).state_dict()
    tensors = {name_without_adapters(name): value for name, value in state.items()}
    changes = []
    for name, (dtype_name, *hashes) in patch.manifest["loaded"]["dense"].items():
        change = patch.manifest["changes"].get(name)
        if change is None and (not everything or name not in tensors):
            continue
        if name not in tensors:
            raise ValueError(
                f"{patch.path} changes tensor {name!r}, which this model does not hold under that name. The model is as it "
                "was; use `bitsft patch` on its folder."
            )
        tensor, dtype = tensors[name], DTYPES[dtype_name]
        stored = tensor.to("cpu", dtype, copy=True)  # what an interrupt is taken back to
        if not torch.equal(stored.to(tensor.dtype), tensor.cpu()):
            raise ValueError(
                f"{name} is {tensor.dtype} in this model and {dtype} in the files, which does not hold its values: it was "
                "trained since, or is another model. The model is as it was; load the patch's base."
            )
        digest = hashlib.sha256(data_of(stored)).hexdigest()[:SHORT_HASH]
        side.check(f"the values of {name}", digest, [hashes[0], hashes[-1]])
        if change is None:
            continue
        data = data_of(stored)
        made = read_difference(
            patch, change, data, len(data), stored.element_size(), backwards=side.backwards
        )
        new = torch.frombuffer(made, dtype=dtype).reshape(tensor.shape)
        new_hash = hashlib.sha256(data_of(new)).hexdigest()[:SHORT_HASH]
        if new_hash != (hashes[0] if side.backwards else hashes[1]):
            raise ValueError(
                f"{patch.path}: {name} would not become what it has to. The model is as it was."
            )
        changes.append(_dense_change(tensor, stored, new))
    return changes


def _dense_change(tensor: Tensor, old: Tensor, new: Tensor) -> Change:
    def write(onwards: bool) -> None:
        tensor.copy_(new if onwards else old)

    return Change([tensor], write)


def _base_model(model: nn.Module) -> nn.Module:
    from peft import PeftModel

    return model.get_base_model() if isinstance(model, PeftModel) else model
