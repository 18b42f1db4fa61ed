"""One tensor of a patch: written against the base's, and made again from it. The ways are those of patch_file.py.

A matrix of codes is recognised by what it holds, not by its name: uint8 beside a `weight_scale`, int8 of nothing but -1, 0 and
1, or floats that are γ·{-1, 0, 1} with one γ, or one a row. Each way is tried out before it is taken: what it gives back
must be the tensor to the bit (a -0.0 would be lost by γ·code), else the difference is written, which always is.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from bitsft.checkpoint.safetensors_header import DTYPE_NAMES
from bitsft.patches.differences import decode_difference, encode_difference
from bitsft.patches.flips import (
    CodedFlips,
    Flips,
    decode_flips,
    encode_flips,
    find_flips,
    flip_,
)
from bitsft.patches.patch_file import PatchFile, PatchWriter
from bitsft.ternary.pack import pack_codes, unpack_codes

FEW_BYTES = 64


def data_of(tensor: Tensor) -> memoryview:
    """A CPU tensor's bytes, not copied where it is contiguous."""
    return memoryview(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().data)


def write_change(
    writer: PatchWriter,
    name: str,
    base: Tensor | None,
    tuned: Tensor,
    *,
    has_scale: bool,
    ternary: bool,
) -> dict[str, Any]:
    """Write a tensor that changed.

    Args:
        writer: What it goes into.
        name: The tensor's name.
        base: The base's tensor of that name and dtype, or None.
        tuned: The tensor.
        has_scale: Whether a `weight_scale` belongs to it.
        ternary: Whether floats may be taken for γ·code.

    Returns:
        Its entry among the manifest's changes.
    """
    same_kind = base is not None and base.shape == tuned.shape and base.dtype == tuned.dtype
    if base is not None and same_kind:
        size = tuned.numel() * tuned.element_size()
        if name.endswith(".weight_scale") and 0 < size <= FEW_BYTES:
            return {
                "how": "values",
                "dtype": DTYPE_NAMES[tuned.dtype],
                "base": data_of(base).hex(),
                "tuned": data_of(tuned).hex(),
            }
        change = _write_flips(writer, base, tuned, has_scale, ternary)
        if change is not None:
            return change
    before = data_of(base) if base is not None and base.dtype == tuned.dtype else b""
    return {"how": "difference", **_write_difference(writer, before, tuned)}


def read_change(
    patch: PatchFile,
    change: Mapping[str, Any],
    base: Tensor | None,
    shape: tuple[int, ...],
    dtype: torch.dtype,
) -> Tensor:
    """Make a changed tensor from the base's.

    Args:
        patch: The patch.
        change: The tensor's entry.
        base: The base's tensor of that name and dtype, or None.
        shape: The tensor's shape.
        dtype: Its dtype.

    Raises:
        ValueError: The patch does not go with the base's tensor.
    """
    how = change["how"]
    if how == "values":
        data = bytearray(bytes.fromhex(change["tuned"]))
        return torch.frombuffer(data, dtype=dtype).reshape(shape)
    if how == "difference":
        before = data_of(base) if base is not None else b""
        size = torch.Size(shape).numel() * dtype.itemsize
        made = read_difference(patch, change, before, size, dtype.itemsize)
        return (
            torch.frombuffer(made, dtype=dtype).reshape(shape)
            if size
            else torch.empty(shape, dtype=dtype)
        )
    if base is None or base.shape != shape or base.dtype != dtype:
        raise ValueError("it has flips, and the base has no such matrix")
    codes, scale = _as_codes(base, change["codes"], change.get("per", "tensor"))
    flip_(codes, read_flips(patch, change, codes.numel()))
    if scale is not None:
        scale = read_scales(patch, change, scale)
    return _from_codes(codes, scale, change["codes"])


def read_flips(patch: PatchFile, change: Mapping[str, Any], size: int) -> Flips:
    """The flips of a matrix of `size` codes."""
    coded = CodedFlips(change["count"], change["k"], change["unary"], patch.read("flips", change))
    return decode_flips(coded, size)


def read_scales(
    patch: PatchFile, change: Mapping[str, Any], scale: Tensor, *, backwards: bool = False
) -> Tensor:
    """γ of a matrix of floats on the other side, from those on this one; in their dtype."""
    place = change["scales"]
    data = data_of(scale)
    made = read_difference(patch, place, data, len(data), scale.element_size(), backwards=backwards)
    return torch.frombuffer(made, dtype=scale.dtype).reshape(scale.shape)


def read_difference(
    patch: PatchFile,
    place: Mapping[str, Any],
    before: bytes | memoryview,
    size: int,
    width: int,
    *,
    backwards: bool = False,
) -> bytearray:
    """`size` bytes made from those before and a difference in the patch."""
    parts = [(str(codec), int(length)) for codec, length in place["parts"]]
    if any(length < 0 for _, length in parts):
        raise ValueError("a plane of a difference has a negative length")
    data = memoryview(patch.read("differences", place))
    return decode_difference(before, parts, data, size, width, backwards=backwards)


def touched_hash(codes: Tensor, scale: Tensor | None) -> str:
    """16 digits of the SHA-256 of the codes at the places of the flips, and of γ where floats hold it."""
    digest = hashlib.sha256(data_of(codes))
    if scale is not None:
        digest.update(data_of(scale))
    return digest.hexdigest()[:16]


def magnitudes(weight: Tensor, per: str) -> Tensor:
    """γ of a matrix on the grid, `[]` or `[rows, 1]`, in its dtype: its largest magnitude, 0 where all is 0."""
    return weight.abs().amax() if per == "tensor" else weight.abs().amax(dim=1, keepdim=True)


def _write_flips(
    writer: PatchWriter, base: Tensor, tuned: Tensor, has_scale: bool, ternary: bool
) -> dict[str, Any] | None:
    if tuned.dim() != 2 or not tuned.numel():
        return None
    if tuned.dtype == torch.uint8 and has_scale:
        kinds = [("packed", "tensor")]
    elif tuned.dtype == torch.int8:
        kinds = [("int8", "tensor")]
    elif tuned.is_floating_point() and ternary and tuned.element_size() > 1:
        kinds = [("float", "tensor"), ("float", "row")]
    else:
        return None
    for kind, per in kinds:
        try:
            codes, scale = _as_codes(base, kind, per)
            tuned_codes, tuned_scale = _as_codes(tuned, kind, per)
        except ValueError:  # not codes: the difference is written
            continue
        made = _from_codes(tuned_codes, tuned_scale, kind)
        if bytes(data_of(made)) != bytes(data_of(tuned)):
            continue
        flips = find_flips(codes, tuned_codes)
        coded = encode_flips(flips)
        change: dict[str, Any] = {
            "how": "flips",
            "codes": kind,
            "count": coded.count,
            "k": coded.parameter,
            "unary": coded.unary_bytes,
            "touched": [
                touched_hash(side.view(-1)[torch.from_numpy(flips.places)], its_scale)
                for side, its_scale in ((codes, scale), (tuned_codes, tuned_scale))
            ],
            **writer.add("flips", coded.data),
        }
        if scale is not None and tuned_scale is not None:
            change["per"] = per
            change["dtype"] = DTYPE_NAMES[tuned.dtype]
            change["scales"] = _write_difference(writer, data_of(scale), tuned_scale)
        return change
    return None


def _write_difference(
    writer: PatchWriter, before: bytes | memoryview, tuned: Tensor
) -> dict[str, Any]:
    parts, data = encode_difference(before, data_of(tuned), tuned.element_size())
    place = {"at": writer.size("differences"), "stored": sum(map(len, data))}
    for piece in data:
        writer.add("differences", piece)
    return {**place, "parts": [list(part) for part in parts]}


def _as_codes(tensor: Tensor, kind: str, per: str) -> tuple[Tensor, Tensor | None]:
    """Codes, and γ of floats.

    Raises:
        ValueError: It does not hold codes of that kind.
    """
    if kind == "packed":
        return unpack_codes(tensor), None
    if kind == "int8":
        if bool((tensor.abs() > 1).any() | (tensor == -128).any()):
            raise ValueError("an int8 tensor holds more than -1, 0 and 1")
        return tensor.clone(), None
    first = tensor[:1]
    if not bool(_on_grid(first, magnitudes(first, per)).all()):  # settles it for nearly all others
        raise ValueError("a matrix of floats is not γ·{-1, 0, 1}")
    scale = magnitudes(tensor, per)
    if not bool(_on_grid(tensor, scale).all()):
        raise ValueError("a matrix of floats is not γ·{-1, 0, 1}")
    return tensor.sign().to(torch.int8), scale


def _on_grid(weight: Tensor, scale: Tensor) -> Tensor:
    size = weight.abs()
    return (size == scale) | (size == 0)


def _from_codes(codes: Tensor, scale: Tensor | None, kind: str) -> Tensor:
    if kind == "packed":
        return pack_codes(codes)
    if scale is None:
        return codes
    return codes.to(scale.dtype) * scale
