"""The header of a safetensors file, checked in full before any value is read.

    a file = 8 bytes length of the header, little-endian | header, JSON | data
    header = name -> {"dtype", "shape", "data_offsets": [begin, end] within the data}

Format: the README of the safetensors library. As there, the tensors fill the data without gaps or overlaps.
Limit: sub-byte dtypes are refused.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

_LONGEST_HEADER = 100_000_000  # the safetensors library's own bound
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
DTYPE_NAMES = {dtype: name for name, dtype in DTYPES.items()}


@dataclass(frozen=True)
class Entry:
    """Where a tensor lies, and what it is."""

    file: Path
    dtype: torch.dtype
    shape: tuple[int, ...]
    begin: int  # in the file
    end: int


def read_header(path: Path) -> dict[str, Entry]:
    """Read and check a file's header; its data is not read.

    Args:
        path: The file.

    Returns:
        Its tensors by name, in the header's order.

    Raises:
        ValueError: The file is truncated or damaged, a pointer of Git LFS, or holds a dtype that is not in `DTYPES`.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        if start == b"version ":
            raise ValueError(
                f"{path} is a pointer of Git LFS, not the weights themselves. Run `git lfs pull` in the folder."
            )
        length = int.from_bytes(start, "little")
        if len(start) < 8 or 8 + length > size:
            if length > _LONGEST_HEADER:
                raise damaged(path, "does not begin as a safetensors file does")
            raise damaged(path, f"is truncated: it has {size} bytes, which end within its header")
        text = file.read(length)
    try:
        header = json.loads(text.decode(), object_pairs_hook=_without_repeats)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise damaged(path, f"has a header that is not JSON ({error})") from error
    if not isinstance(header, dict):
        raise damaged(path, "has a header that is not a JSON object")
    header.pop("__metadata__", None)
    data = 8 + length
    entries = {name: _entry(path, name, value, data) for name, value in header.items()}
    expected = data
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end)):
        if entry.end > size:
            raise damaged(
                path,
                f"is truncated: tensor {name!r} ends at byte {entry.end}, but the file has {size} bytes",
            )
        if entry.begin != expected:
            relation = "overlaps the tensor before it" if entry.begin < expected else "leaves a gap"
            raise damaged(path, f"has a header in which tensor {name!r} {relation}")
        expected = entry.end
    if expected != size:
        raise damaged(path, f"has {size - expected} bytes that belong to no tensor")
    return entries


def _entry(path: Path, name: str, value: object, data: int) -> Entry:
    def refuse(problem: str) -> ValueError:
        return damaged(path, f"has a header in which tensor {name!r} {problem}")

    if not isinstance(value, dict):
        raise refuse("has no dtype, shape and data_offsets")
    shape: Any = value.get("shape")
    offsets: Any = value.get("data_offsets")
    if not _are_counts(shape) or not _are_counts(offsets) or len(offsets) != 2:
        raise refuse(f"has shape {shape!r} and data_offsets {offsets!r}")
    dtype = DTYPES.get(str(value.get("dtype")))
    if dtype is None:
        raise ValueError(
            f"{path}: tensor {name!r} has dtype {value.get('dtype')!r}; readable are {', '.join(DTYPES)}."
        )
    needed = math.prod(shape) * dtype.itemsize
    if offsets[1] - offsets[0] != needed:
        raise refuse(
            f"takes {offsets[1] - offsets[0]} bytes where {dtype} {tuple(shape)} needs {needed}"
        )
    return Entry(path, dtype, tuple(shape), data + offsets[0], data + offsets[1])


def _are_counts(value: Any) -> bool:
    return isinstance(value, list) and all(type(n) is int and n >= 0 for n in value)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(n for n in names if names.count(n) > 1)!r} stands in it twice")
    return result


def damaged(path: Path, problem: str) -> ValueError:
    """What is raised for a file that has a problem."""
    return ValueError(f"{path} {problem}. Fetch the file again.")
