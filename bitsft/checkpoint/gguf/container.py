"""The GGUF file itself: header, metadata, tensor infos, data.

    "GGUF", version, counts | key-value pairs | name, shape, type and offset of each tensor | padding | data of each
    tensor, each aligned to 32 bytes

The header is written by the `gguf` package, the data as it comes. A tensor's type and size are known only once it
was encoded, and each is encoded once, in order. So the part before the data, whose length does not depend on them,
is written again at the end.

Source: docs/gguf.md of ggml. Limits: one file, little endian.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from bitsft._extras import require
from bitsft.checkpoint.gguf.blocks import TensorType

ALIGNMENT = 32


@dataclass(frozen=True)
class EncodedTensor:
    """A tensor as bytes.

    Attributes:
        kind: Its type in the file.
        chunks: Its bytes in order, in arrays of any shape; consumed once.
    """

    kind: TensorType
    chunks: Iterable[npt.NDArray[Any]]


@dataclass(frozen=True)
class WrittenTensor:
    """A tensor of a file.

    Attributes:
        name: In the file.
        source: state_dict name; None for one that no state_dict holds (rope factors).
        shape: As in PyTorch.
        ternary: It is a ternary matrix.
        type: Name of the tensor type, e.g. `"TQ2_0"`; empty before it is written.
        bytes: Without padding; 0 before it is written.
    """

    name: str
    source: str | None
    shape: tuple[int, ...]
    ternary: bool
    type: str = ""
    bytes: int = 0


def write_container(
    path: str | os.PathLike[str],
    architecture: str,
    keys: dict[str, Any],
    planned: list[WrittenTensor],
    encoded: Iterable[EncodedTensor],
    *,
    progress: bool,
) -> list[WrittenTensor]:
    """Write a file; it appears under its name when it is complete.

    Args:
        path: The file to write.
        architecture: `general.architecture`.
        keys: All other metadata: full names -> int (uint32), float (float32), bool, str, or a list of these or of
            bytes.
        planned: The tensors' names and shapes.
        encoded: Their bytes, in the same order.
        progress: Show a progress bar.

    Returns:
        `planned` with the type and size of each.
    """
    target = Path(path)
    partial = target.with_name(f"{target.name}.partial")
    scratch = target.with_name(f"{target.name}.header")
    written: list[WrittenTensor] = []
    kinds: list[int] = []
    bar = tqdm(planned, desc=f"Writing {target.name}", unit="tensor", disable=not progress)
    try:
        with partial.open("wb") as file:
            file.write(_header(scratch, architecture, keys, planned, [0] * len(planned)))
            for plan, tensor in zip(bar, encoded, strict=True):
                size = _write_aligned(file, tensor.chunks)
                kinds.append(tensor.kind.ggml_id)
                written.append(replace(plan, type=tensor.kind.name, bytes=size))
            file.seek(0)
            file.write(_header(scratch, architecture, keys, written, kinds))
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return written


def _write_aligned(file: IO[bytes], chunks: Iterable[npt.NDArray[Any]]) -> int:
    size = 0
    for chunk in chunks:
        size += file.write(np.ascontiguousarray(chunk).data)
    file.write(bytes(-size % ALIGNMENT))
    return size


def _header(
    scratch: Path,
    architecture: str,
    keys: dict[str, Any],
    tensors: list[WrittenTensor],
    kinds: list[int],
) -> bytes:
    """Everything before the data, through `scratch`, since the package writes to files only."""
    writer = require("gguf", "gguf").GGUFWriter(scratch, architecture)
    add = {
        bool: writer.add_bool,
        int: writer.add_uint32,
        float: writer.add_float32,
        str: writer.add_string,
        list: writer.add_array,
    }
    for name, value in keys.items():
        add[type(value)](name, value)
    for tensor, kind in zip(tensors, kinds, strict=True):
        # float32 only says that the shape counts values, not bytes; the type is `kind`.
        writer.add_tensor_info(tensor.name, tensor.shape, np.float32, tensor.bytes, kind)
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        writer.close()
        content = scratch.read_bytes()
    finally:
        writer.close()
        scratch.unlink(missing_ok=True)
    return content + bytes(-len(content) % ALIGNMENT)
