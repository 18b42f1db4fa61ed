"""A ternary layer of a loaded model, packed, int8 or on the grid: what a patch does to it, and how that is taken back."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor

from bitsft.checkpoint.safetensors_header import DTYPES
from bitsft.patches.flips import Flips, step_codes
from bitsft.patches.loaded_patch import LoadedPatch
from bitsft.patches.tensors import read_scales, touched_hash
from bitsft.ternary.linear import BitLinear158
from bitsft.ternary.pack import CODES_PER_BYTE
from bitsft.ternary.packed_linear import PackedLinear158
from bitsft.ternary.quantize import SMALLEST_MAGNITUDE

TernaryLayer = BitLinear158 | PackedLinear158


@dataclass(frozen=True)
class Side:
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
            name = "the base" if self.backwards else "the tuned model"
            raise ValueError(
                f"{path} {said} this model, or this is a model of another origin: {what} are those of {name}. The model is "
                "as it was."
            )
        name = "the tuned model" if self.backwards else "the base"
        raise ValueError(
            f"This model is not {name} of {path}: {what} are others (SHA-256 {found[:16]}, not {here[:16]}). The model is as it "
            "was. Load that model, in the dtype of its file (dtype='auto' or 'float32') so that nothing is rounded; other "
            "patches have to be reverted first."
        )


@dataclass(frozen=True)
class Change:
    """Tensors to write together: `write(True)` writes them, `write(False)` takes that back."""

    targets: list[Tensor]
    write: Callable[[bool], None]


def check_on_grid(name: str, layer: BitLinear158) -> Tensor:
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


def layer_change(side: Side, name: str, layer: TernaryLayer) -> Change:
    change = side.patch.file.manifest["changes"].get(f"{name}.weight", {})
    flips = side.patch.flips.get(name)
    codes = _codes_at(layer, flips)
    scale = check_on_grid(name, layer) if isinstance(layer, BitLinear158) else layer.weight_scale
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

        return Change([layer.weight.detach()], write)
    return _packed_change(layer, forwards, back, scale.clone(), new_scale)


def _packed_change(
    layer: PackedLinear158,
    forwards: Flips | None,
    back: Flips | None,
    scale: Tensor,
    new_scale: Tensor,
) -> Change:
    valid = torch.where(new_scale == 0, SMALLEST_MAGNITUDE, new_scale)  # as load_ternary has it
    held = cast(Tensor, layer.codes if layer.packed is None else layer.packed)

    def write(onwards: bool) -> None:
        flip = _flip_codes if layer.packed is None else _flip_packed
        flip(held, forwards if onwards else back)
        layer.weight_scale.copy_(valid if onwards else scale)

    return Change([held, layer.weight_scale], write)


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
