"""A patch for loaded models, decoded."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bitsft.checkpoint.safetensors_header import DTYPES
from bitsft.checkpoint.scale_convention import scale_of_stored
from bitsft.patches.flips import Flips
from bitsft.patches.patch_file import PatchFile
from bitsft.patches.tensors import read_flips


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

    Returns:
        What `apply_patch` and `revert_patch` take, as often as wanted.

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


def _scale(change: Mapping[str, Any], side: str, convention: Any) -> Tensor:
    dtype = DTYPES[change["dtype"]]
    stored = torch.frombuffer(bytearray(bytes.fromhex(change[side])), dtype=dtype)
    return scale_of_stored(stored.float().reshape(()), convention)
