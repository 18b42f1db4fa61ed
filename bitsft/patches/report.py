"""What a patch holds, in numbers."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bitsft.patches.folder import CheckpointFolder


@dataclass(frozen=True)
class FlipCount:
    """Flips among the codes of one kind of layer.

    Attributes:
        codes: Number of codes in the layers that have flips.
        flips: How many of them changed.
        bytes: What their flips take in the patch.
    """

    codes: int
    flips: int
    bytes: int

    @property
    def share(self) -> float:
        """Share of codes that changed, in [0, 1]."""
        return self.flips / self.codes if self.codes else 0.0

    @property
    def bound(self) -> float:
        """Bytes that flips of this share need at least: H(p) bits a code for the places, a bit a flip for the values."""
        p = self.share
        if not 0 < p < 1:
            return self.flips / 8
        places = -p * math.log2(p) - (1 - p) * math.log2(1 - p)
        return (self.codes * places + self.flips) / 8


@dataclass(frozen=True)
class PatchReport:
    """What a patch holds.

    Attributes:
        patch: The file.
        patch_bytes: Its size.
        tuned_bytes: Size of all files that it restores.
        weights_bytes: Of those, the weights.
        flips: By kind of layer (the last part of its name), in the order of the model.
        flip_bytes: What all flips take.
        dense_tensors: How many other tensors changed.
        dense_bytes: What these and new scales of float matrices take.
        changed_files: Other files that changed, by name.
        file_bytes: What they, and headers of weights, take.
        manifest_bytes: What names, hashes, places and scales take.
        left_out: Folders and hidden files of the tuned folder, which are not in the patch.
        not_for_loaded_models: Why `apply_patch` will refuse it; empty where it will not.
    """

    patch: Path
    patch_bytes: int
    tuned_bytes: int
    weights_bytes: int
    flips: dict[str, FlipCount]
    flip_bytes: int
    dense_tensors: int
    dense_bytes: int
    changed_files: list[str]
    file_bytes: int
    manifest_bytes: int
    left_out: list[str]
    not_for_loaded_models: str

    @property
    def all_flips(self) -> FlipCount:
        """All kinds of layers together."""
        return FlipCount(
            sum(kind.codes for kind in self.flips.values()),
            sum(kind.flips for kind in self.flips.values()),
            sum(kind.bytes for kind in self.flips.values()),
        )

    def __str__(self) -> str:
        lines = [
            f"{self.patch}: {_size(self.patch_bytes)}, {self.patch_bytes / max(1, self.tuned_bytes):.2%} of the tuned "
            f"model ({_size(self.tuned_bytes)}, weights {_size(self.weights_bytes)})"
        ]
        for name, kind in {**self.flips, "all flips": self.all_flips}.items():
            if kind.codes:
                lines.append(
                    f"  {name:16} {kind.share:9.4%} of {kind.codes:,} codes flipped, {_size(kind.bytes)}"
                    f" (at least {_size(kind.bound)})"
                )
        lines.append(
            f"  {'other tensors':16} {self.dense_tensors} changed, {_size(self.dense_bytes)}"
        )
        named = ": " + ", ".join(self.changed_files) if self.changed_files else ""
        lines.append(
            f"  {'files':16} {len(self.changed_files)} changed{named}; with headers {_size(self.file_bytes)}"
        )
        lines.append(f"  {'names and hashes':16} {_size(self.manifest_bytes)}")
        if self.left_out:
            lines.append(f"  not in the patch: {', '.join(self.left_out)}")
        return "\n".join(lines)


def report_on(
    path: Path, manifest: Mapping[str, Any], codes: Mapping[str, int], tuned: CheckpointFolder
) -> PatchReport:
    """Count what was written.

    Args:
        path: The patch.
        manifest: Its manifest.
        codes: Number of codes of each tensor with flips.
        tuned: The folder that it restores.
    """
    changes = manifest["changes"]
    flips: dict[str, FlipCount] = {}
    for name, size in codes.items():
        kind = _kind(name)
        so_far = flips.get(kind, FlipCount(0, 0, 0))
        change = changes[name]
        flips[kind] = FlipCount(
            so_far.codes + size, so_far.flips + change["count"], so_far.bytes + change["stored"]
        )
    others = [c for c in changes.values() if c["how"] == "difference"]
    scales = [c["scales"] for c in changes.values() if "scales" in c]
    stored = [
        f["header"]["stored"] if "header" in f else f.get("stored", 0) for f in manifest["files"]
    ]
    weights = sum(f["bytes"] for f in manifest["files"] if "header" in f)
    patch_bytes = path.stat().st_size
    flip_bytes = sum(kind.bytes for kind in flips.values())
    dense_bytes = sum(c["stored"] for c in [*others, *scales])
    return PatchReport(
        patch=path,
        patch_bytes=patch_bytes,
        tuned_bytes=sum(f["bytes"] for f in manifest["files"]),
        weights_bytes=weights,
        flips=flips,
        flip_bytes=flip_bytes,
        dense_tensors=len(others),
        dense_bytes=dense_bytes,
        changed_files=[f["name"] for f in manifest["files"] if "codec" in f],
        file_bytes=sum(stored),
        manifest_bytes=patch_bytes - flip_bytes - dense_bytes - sum(stored),
        left_out=tuned.left_out,
        not_for_loaded_models=manifest["loaded"].get("refused", ""),
    )


def _kind(name: str) -> str:
    """`model.layers.3.mlp.up_proj.weight` is an up_proj."""
    parts = [part for part in name.split(".") if not re.fullmatch(r"\d+", part)]
    return parts[-2] if len(parts) > 1 else name


def _size(count: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.2f} {unit}"
    return f"{count:.0f} bytes"
