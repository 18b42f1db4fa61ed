"""`patch_checkpoint`: a base and a patch make the tuned folder, every file of it to the byte.

The patch and the base are checked in full before anything is written; the folder appears when all of it is there and the
SHA-256 of each file is that of the original. One tensor and what becomes of it are in memory at a time.
"""

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor
from tqdm.auto import tqdm

from bitsft.checkpoint.hub_folder import model_folder
from bitsft.checkpoint.replaced_folder import replaced_folder
from bitsft.checkpoint.safetensors_header import DTYPE_NAMES, DTYPES
from bitsft.patches.codecs import decompress
from bitsft.patches.folder import (
    CheckpointFolder,
    header_of,
    in_order,
    look_into,
    sha256_of,
    tensors_identity,
)
from bitsft.patches.patch_file import PatchFile
from bitsft.patches.tensors import data_of, read_change


def patch_checkpoint(
    base: str | os.PathLike[str],
    patch: str | os.PathLike[str] | PatchFile,
    output: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: bool = True,
) -> list[Path]:
    """Restore the tuned checkpoint.

    Args:
        base: The folder that the patch was made against, or its Hub id.
        patch: The patch.
        output: The folder to write.
        overwrite: Replace a folder that is not empty.
        progress: Whether to show a bar.

    Returns:
        The files, all equal to those that `diff_checkpoints` read.

    Raises:
        FileNotFoundError: The patch, the base or its weights are missing.
        FileExistsError: The folder is not empty and `overwrite` is False, or holds folders.
        ValueError: The patch is damaged, or this is not its base. Nothing has been written then.
        OSError: The disk is full, say; the old folder is as it was.
    """
    opened = patch if isinstance(patch, PatchFile) else PatchFile(patch)
    files = opened.manifest["files"]
    folder = look_into(model_folder(base, beside=[entry["name"] for entry in files]))
    size = folder.files.total_bytes + sum(entry["bytes"] for entry in files)
    with tqdm(
        total=size, unit="B", unit_scale=True, desc="Patching", disable=not progress, delay=1
    ) as bar:
        _check_base(opened, folder, bar)
        with replaced_folder(output, overwrite=overwrite) as target:
            for entry in files:
                try:
                    _write_file(opened, entry, folder, target / entry["name"], bar)
                except (ValueError, KeyError, TypeError) as error:
                    raise ValueError(
                        f"{opened.path} cannot make {entry['name']}: {error}. Nothing was written to {output}."
                    ) from error
    return [Path(output) / entry["name"] for entry in files]


def _check_base(patch: PatchFile, base: CheckpointFolder, bar: Any) -> None:
    hashes = []
    for name in base.files.names:
        value = base.files.read(name)
        bar.update(value.nbytes)
        digest = hashlib.sha256(data_of(value)).digest()
        hashes.append((name, DTYPE_NAMES[value.dtype], tuple(value.shape), digest))
    found = tensors_identity(hashes)
    if found != patch.manifest["base"]:
        raise ValueError(
            f"{base.path} is not the base of {patch.path}: its tensors have the SHA-256 {found[:16]}…, the patch was made "
            f"against {patch.manifest['base'][:16]}…. Pass the checkpoint that `bitsft diff` was given, in the same format."
        )
    for entry in patch.manifest["files"]:
        name = entry["name"]
        if entry.get("same") and (
            name not in base.others or sha256_of(base.path / name) != entry["sha256"]
        ):
            raise ValueError(
                f"{base.path / name} is {'another file' if name in base.others else 'missing'}: {patch.path} takes it from "
                "the base, where it was the same as in the tuned model. Fetch it from where the base came from."
            )


def _write_file(
    patch: PatchFile, entry: Mapping[str, Any], base: CheckpointFolder, path: Path, bar: Any
) -> None:
    name = entry["name"]
    if entry.get("same"):
        shutil.copyfile(base.path / name, path)
    elif "header" in entry:
        _write_weights(patch, entry, base, path, bar)
    else:
        old = b""
        if entry["codec"] == "zlib-base":
            if name not in base.others:
                raise ValueError(f"the base's {name}, which it was written against, is missing")
            old = (base.path / name).read_bytes()
        data = patch.read("files", entry)
        try:
            path.write_bytes(decompress(entry["codec"], data, entry["bytes"], old))
        except ValueError as error:
            raise ValueError(f"{error}; is the base's {name} another one by now?") from error
    if sha256_of(path) != entry["sha256"]:
        raise ValueError("what came out does not have its SHA-256")


def _write_weights(
    patch: PatchFile, entry: Mapping[str, Any], base: CheckpointFolder, path: Path, bar: Any
) -> None:
    place = entry["header"]
    old = b""
    if place["codec"] == "zlib-base":
        if entry["name"] not in base.weights:
            raise ValueError(f"the base has its weights in other files than {entry['name']}")
        old = header_of(base.path / entry["name"])
    header = decompress(place["codec"], patch.read("files", place), place["bytes"], old)
    with path.open("wb") as file:
        file.write(header)
        for name, (dtype, shape) in in_order(header).items():
            try:
                value = _tensor(patch, name, dtype, shape, base)
            except ValueError as error:
                raise ValueError(f"tensor {name!r}: {error}") from error
            file.write(data_of(value))
            bar.update(value.nbytes)


def _tensor(
    patch: PatchFile, name: str, dtype: str, shape: tuple[int, ...], base: CheckpointFolder
) -> Tensor:
    in_base = name in base.files and base.files.dtype(name) == DTYPES[dtype]
    before = base.files.read(name) if in_base else None
    change = patch.manifest["changes"].get(name)
    if change is not None:
        return read_change(patch, change, before, shape, DTYPES[dtype])
    if before is None or tuple(before.shape) != shape:
        raise ValueError("it is to be as in the base, which has no such tensor")
    return before
