"""A checkpoint folder as a patch sees it: its weights in the order of their bytes, and the files beside them."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bitsft.checkpoint.files import CheckpointFiles, open_checkpoint
from bitsft.checkpoint.safetensors_header import DTYPES

SHORT_HASH = 32
"""Hexadecimal digits of a dense tensor's hash in a patch."""
_BLOCK = 1 << 20


@dataclass(frozen=True)
class CheckpointFolder:
    """A folder.

    Attributes:
        path: The folder.
        files: The tensors of its weights.
        weights: Names of the files that hold them.
        others: Names of the other files.
        left_out: Names of folders, links to folders and hidden files, which a patch does not hold.
    """

    path: Path
    files: CheckpointFiles
    weights: list[str]
    others: list[str]
    left_out: list[str]


def look_into(path: Path) -> CheckpointFolder:
    """Open a checkpoint folder.

    Raises:
        FileNotFoundError, ValueError: As `open_checkpoint`.
    """
    files = open_checkpoint(path)
    weights = sorted({files.file_of(name).name for name in files.names})
    entries = sorted(path.iterdir())
    taken = [e.name for e in entries if e.is_file() and not e.name.startswith(".")]
    return CheckpointFolder(
        path,
        files,
        [name for name in taken if name in weights],
        [name for name in taken if name not in weights],
        [e.name for e in entries if e.name not in taken],
    )


def header_of(path: Path) -> bytes:
    """The first 8 bytes of a safetensors file and the JSON after them."""
    with path.open("rb") as file:
        length = file.read(8)
        return length + file.read(int.from_bytes(length, "little"))


def in_order(header: bytes) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Name -> dtype and shape of a file's tensors in the order of their bytes.

    Raises:
        ValueError: It is no header of a safetensors file.
    """
    try:
        entries: Mapping[str, Any] = json.loads(header[8:].decode())
        tensors = [
            (entry["data_offsets"], name)
            for name, entry in entries.items()
            if name != "__metadata__"
        ]
        found = {}
        for _, name in sorted(tensors):
            dtype, shape = entries[name]["dtype"], tuple(map(int, entries[name]["shape"]))
            if dtype not in DTYPES or min(shape, default=0) < 0:
                raise ValueError(f"tensor {name!r} is {dtype!r} {shape}")
            found[name] = (dtype, shape)
    except (UnicodeDecodeError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"a header of weights cannot be read ({error!r})") from error
    return found


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def tensors_identity(tensors: Iterable[tuple[str, str, tuple[int, ...], bytes]]) -> str:
    """SHA-256 over names, dtypes, shapes and data; see "base" in patch_file.py.

    Args:
        tensors: Of each: name, dtype as in safetensors, shape, and the SHA-256 of its data.
    """
    digest = hashlib.sha256()
    for name, dtype, shape, data in sorted(tensors):
        head = json.dumps([name, dtype, list(shape)], ensure_ascii=False, separators=(",", ":"))
        digest.update(head.encode() + b"\n" + data)
    return digest.hexdigest()
