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
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from bitsft.checkpoint.files import DTYPES
from bitsft.checkpoint.identity import base_ternary_layers, ternary_base_identity
from bitsft.checkpoint.stored_form import scale_of_stored
from bitsft.patches.flips import Flips, step_codes
from bitsft.patches.folder import SHORT_HASH
from bitsft.patches.patch_file import PatchFile
from bitsft.patches.tensors import data_of, read_difference, read_flips, read_scales, touched_hash
from bitsft.ternary.linear import BitLinear158
from bitsft.ternary.pack import CODES_PER_BYTE
from bitsft.ternary.packed_linear import PackedLinear158
from bitsft.ternary.quantize import SMALLEST_MAGNITUDE

Check = Literal["all", "touched"]
TernaryLayer = BitLinear158 | PackedLinear158


@dataclass(frozen=True)
class LoadedPatch:
    """A patch decoded for switching: keep it to switch often. Made by `load_patch`.

    Attributes:
        file: The file that it was read from; differences of dense tensors are read from it when they are needed.
        flips: Of each layer that has some, by the layer's name.
        scales: Of each layer whose γ changes and that was stored packed: γ in the base and in the tuned model.
    """

    file: PatchFile
    flips: dict[str, Flips]
    scales: dict[str, tuple[Tensor, Tensor]]

    @property
    def layers(self) -> list[str]:
        """Names of the ternary layers that it changes."""
        return list(dict.fromkeys([*self.flips, *self.scales]))


def load_patch(patch: str | os.PathLike[str]) -> LoadedPatch:
    """Read a patch and decode its flips.

    Args:
        patch: The file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, or cannot be applied to loaded models; the message says why.
    """
    file = PatchFile(patch)
    loaded = file.manifest["loaded"]
    if "refused" in loaded:
        raise ValueError(
            f"{file.path} patches folders (`bitsft patch`), not loaded models: {loaded['refused']}"
        )
    flips, scales = {}, {}
    for name, change in file.manifest["changes"].items():
        layer = name.rpartition(".")[0]
        try:
            if change["how"] == "flips":
                flips[layer] = read_flips(file, change, 1 << 62)
            elif change["how"] == "values":
                convention = loaded["convention"]
                base, tuned = (_scale(change, side, convention) for side in ("base", "tuned"))
                scales[layer] = (base, tuned)
        except (ValueError, KeyError, RuntimeError) as error:
            raise ValueError(f"{file.path}: tensor {name!r}: {error}") from error
    return LoadedPatch(file, flips, scales)


def apply_patch(
    model: nn.Module, patch: LoadedPatch | str | os.PathLike[str], *, check: Check = "all"
) -> None:
    """Make a loaded base the tuned model, in place.

    Args:
        model: The base as `load_ternary` gives it, packed or not, with PEFT adapters over it or without.
        patch: The file, or what `load_patch` made of it.
        check: `"all"`, or `"touched"` for what the patch changes only: see the module.

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
    side = _Side(loaded, backwards)
    with torch.no_grad():
        layers = base_ternary_layers(model)
        _check_layers(side, layers)
        changes = [_layer_change(side, name, layers[name]) for name in loaded.layers]
        if check == "all":
            for name, layer in layers.items():
                if name not in loaded.layers and isinstance(layer, BitLinear158):
                    _check_on_grid(name, layer)
            found = ternary_base_identity(model)
            side.check("its ternary weights", found, loaded.file.manifest["loaded"]["ternary"])
        changes += _dense_changes(side, model, everything=check == "all")
    writes_inference_tensors = any(t.is_inference() for change in changes for t in change.targets)
    with torch.inference_mode() if writes_inference_tensors else nullcontext(), torch.no_grad():
        _write(changes)


@dataclass(frozen=True)
class _Side:
    """Where the model stands: on the base's side, or (backwards) on the tuned model's."""

    patch: LoadedPatch
    backwards: bool

    def check(self, what: str, found: str, hashes: list[str]) -> None:
        """Refuse a model that is not on this side; `hashes` are the base's and the tuned model's."""
        here, there = hashes[:: -1 if self.backwards else 1]
        if found == here:
            return
        path = self.patch.file.path
        if found == there:
            said = "is not applied to" if self.backwards else "is applied already to"
            raise ValueError(f"{path} {said} this model ({what} say so). The model is as it was.")
        name = "the tuned model" if self.backwards else "the base"
        raise ValueError(
            f"This model is not {name} of {path}: {what} are others (SHA-256 {found[:16]}, not {here[:16]}). The model is as it "
            "was. Load that model, in the dtype of its file (dtype='auto' or 'float32') so that nothing is rounded; other "
            "patches have to be reverted first."
        )


@dataclass(frozen=True)
class _Change:
    """Tensors to write together: `write(True)` writes them, `write(False)` takes that back."""

    targets: list[Tensor]
    write: Callable[[bool], None]


def _write(changes: list[_Change]) -> None:
    done: list[_Change] = []
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


def _check_layers(side: _Side, layers: Mapping[str, TernaryLayer]) -> None:
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


def _check_on_grid(name: str, layer: BitLinear158) -> Tensor:
    """γ of a layer on the grid, `()` or `[out_features, 1]`, 0 where all is 0."""
    per_row = layer.granularity == "row"
    size = layer.weight.abs()
    scale = size.amax(dim=1, keepdim=True) if per_row else size.amax()
    if layer.weight.is_meta or not layer.on_grid or not bool(((size == scale) | (size == 0)).all()):
        raise ValueError(
            f"{name} holds latent weights, which are not γ·code: a model in training, or one made of master weights. Its "
            "state was left as it is. Save it (save_ternary) and load that."
        )
    return scale.float()


def _layer_change(side: _Side, name: str, layer: TernaryLayer) -> _Change:
    change = side.patch.file.manifest["changes"].get(f"{name}.weight", {})
    flips = side.patch.flips.get(name)
    codes = _codes_at(layer, flips)
    scale = _check_on_grid(name, layer) if isinstance(layer, BitLinear158) else layer.weight_scale
    new_scale = scale
    if "scales" in change:
        dtype = DTYPES[change["dtype"]]
        stored = _scale_in_file(layer, scale, change["per"], dtype)
        side.check(f"codes and γ of {name}", touched_hash(codes, stored), change["touched"])
        new_scale = read_scales(side.patch.file, change, stored, backwards=side.backwards)
        new_scale = new_scale.float().reshape(scale.shape)
    elif flips is not None:
        side.check(f"codes of {name}", touched_hash(codes, None), change["touched"])
    if name in side.patch.scales:
        known = side.patch.scales[name][:: -1 if side.backwards else 1]
        if bool(scale != 0) and not bool(1 / scale.cpu() == 1 / known[0]):
            hashes = [f"γ = {g.item()}" for g in side.patch.scales[name]]
            side.check(f"γ of {name}", f"γ = {scale.item()}", hashes)
        new_scale = known[1]
    new_scale = new_scale.to(scale.device)
    forwards = flips.reversed() if flips is not None and side.backwards else flips
    back = forwards.reversed() if forwards is not None else None

    if isinstance(layer, BitLinear158):
        _check_dtype_holds(name, layer.weight, new_scale)

        def write(onwards: bool) -> None:
            codes = layer.weight.sign().to(torch.int8)
            _flip_codes(codes, forwards if onwards else back)
            torch.mul(codes, new_scale if onwards else scale, out=layer.weight.detach())
            layer.drop_codes()

        return _Change([layer.weight.detach()], write)
    return _packed_change(layer, forwards, back, scale.clone(), new_scale)


def _packed_change(
    layer: PackedLinear158,
    forwards: Flips | None,
    back: Flips | None,
    scale: Tensor,
    new_scale: Tensor,
) -> _Change:
    valid = torch.where(new_scale == 0, SMALLEST_MAGNITUDE, new_scale)  # as load_ternary has it
    held = cast(Tensor, layer.codes if layer.packed is None else layer.packed)

    def write(onwards: bool) -> None:
        flip = _flip_codes if layer.packed is None else _flip_packed
        flip(held, forwards if onwards else back)
        layer.weight_scale.copy_(valid if onwards else scale)

    return _Change([held, layer.weight_scale], write)


def _dense_changes(side: _Side, model: nn.Module, *, everything: bool) -> list[_Change]:
    patch = side.patch.file
    tensors = _base_model(model).state_dict()
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
        stored = tensor.to("cpu", dtype)
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


def _dense_change(tensor: Tensor, old: Tensor, new: Tensor) -> _Change:
    def write(onwards: bool) -> None:
        tensor.copy_(new if onwards else old)

    return _Change([tensor], write)


def _base_model(model: nn.Module) -> nn.Module:
    from peft import PeftModel

    return model.get_base_model() if isinstance(model, PeftModel) else model


def _codes_at(layer: TernaryLayer, flips: Flips | None) -> Tensor:
    """int8 codes at the places of the flips, on the CPU."""
    if flips is None:
        return torch.empty(0, dtype=torch.int8)
    if isinstance(layer, BitLinear158):
        places = torch.from_numpy(flips.places).to(layer.weight.device)
        return layer.weight.reshape(-1)[places].sign().to("cpu", torch.int8)
    if layer.packed is None:
        codes = cast(Tensor, layer.codes)
        return codes.view(-1)[torch.from_numpy(flips.places).to(codes.device)].cpu()
    flat = layer.packed.view(-1)
    found = [
        (flat[places] >> shift & 3).to(torch.int8) - 1 for places, _, shift in _lanes(flips, flat)
    ]
    return torch.cat(found).cpu()


def _flip_codes(codes: Tensor, flips: Flips | None) -> None:
    if flips is not None:
        flat = codes.view(-1)
        places = torch.from_numpy(flips.places).to(flat.device)
        flat[places] = step_codes(flat[places], torch.from_numpy(flips.steps).to(flat.device))


def _flip_packed(packed: Tensor, flips: Flips | None) -> None:
    flat = packed.view(-1)
    for places, steps, shift in _lanes(flips, flat) if flips is not None else ():
        bytes_ = flat[places]
        codes = ((bytes_ >> shift & 3) + steps) % 3
        flat[places] = (bytes_ & (255 - (3 << shift))) | (codes << shift)


def _lanes(flips: Flips, flat: Tensor) -> Iterator[tuple[Tensor, Tensor, int]]:
    """Code number p of a matrix stands in byte p mod n of n, in its bits 2·(p div n) and the next one (ternary/pack.py).

    Yields:
        For each of the four pairs of bits: the bytes, each once, the steps, and how far to shift.
    """
    ends = np.searchsorted(flips.places, len(flat) * np.arange(1, CODES_PER_BYTE + 1))
    start = 0
    for lane, end in enumerate(ends.tolist()):
        places = torch.from_numpy(flips.places[start:end] - lane * len(flat)).to(flat.device)
        steps = torch.from_numpy(flips.steps[start:end]).to(flat.device)
        yield places, steps, 2 * lane
        start = end


def _scale(change: Mapping[str, Any], side: str, convention: Any) -> Tensor:
    dtype = DTYPES[change["dtype"]]
    stored = torch.frombuffer(bytearray(bytes.fromhex(change[side])), dtype=dtype)
    return scale_of_stored(stored.float().reshape(()), convention)


def _scale_in_file(layer: TernaryLayer, scale: Tensor, per: str, dtype: torch.dtype) -> Tensor:
    """γ as a file of floats shows it: 0 where all codes are 0."""
    if per != layer.granularity:
        raise ValueError(
            f"{layer.full_name} has a scale per {layer.granularity}, the patch one per {per}. The model is as it was; load it "
            f"with granularity={per!r}."
        )
    if isinstance(layer, PackedLinear158):
        nonzero = (
            layer.ternary()[0].any(dim=1, keepdim=True) if scale.dim() else layer.ternary()[0].any()
        )
        scale = torch.where(nonzero, scale, 0.0)
    return scale.to("cpu", dtype)


def _check_dtype_holds(name: str, weight: Tensor, scale: Tensor) -> None:
    if not torch.equal(scale.to(weight.dtype).float(), scale.float()):
        raise ValueError(
            f"{name}: the weight is {weight.dtype}, which does not hold the tuned γ. The model is as it was; load it in "
            "float32, or packed (trainable=False)."
        )
