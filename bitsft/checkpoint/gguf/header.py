"""The header of a GGUF file: its metadata, and type, shape and place of each tensor, without any package.

    "GGUF"  uint32 version (2 or 3)  uint64 tensors  uint64 pairs
    pairs   string key, uint32 type, value       (string: uint64 length, UTF-8 bytes)
    tensors string name, uint32 dims, uint64 each, uint32 type, uint64 offset

Little-endian throughout. Source: ggml's `docs/gguf.md`. Read by hand because the `gguf` package refuses
tensor types that upstream llama.cpp lacks, and bitnet.cpp's i2_s (36) is one of them.

Limits: arrays (the vocabulary) are skipped; big-endian files and version 1 are refused.
"""

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

I2_S = 36
"""bitnet.cpp's 2-bit tensor type; ggml upstream has retired the number."""

MOST_DIMENSIONS = 4
"""Of ggml."""
DEFAULT_ALIGNMENT = 32
"""Of tensor data, where the file names none."""

_SCALARS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
_STRING, _ARRAY = 8, 9


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor lies.

    Attributes:
        shape: As in PyTorch.
        kind: Number of its ggml type; 36 is i2_s.
        offset: Of its first byte in the file.
    """

    shape: tuple[int, ...]
    kind: int
    offset: int


@dataclass(frozen=True)
class GGUFHeader:
    """What a GGUF file says about itself.

    Attributes:
        values: Metadata that is a number, a truth value or a text; arrays are left out.
        tensors: By name, in the order of the file.
    """

    values: dict[str, int | float | bool | str]
    tensors: dict[str, StoredTensor]

    @property
    def architecture(self) -> str:
        """E.g. `"llama"`."""
        return str(self.values.get("general.architecture", "unknown"))

    @property
    def is_i2_s(self) -> bool:
        """Whether a tensor has the type that only bitnet.cpp and its kin can read."""
        return any(tensor.kind == I2_S for tensor in self.tensors.values())


def read_gguf_header(path: Path) -> GGUFHeader:
    """Read the header of a GGUF file.

    Args:
        path: The file.

    Returns:
        Its metadata and tensors.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no GGUF file of version 2 or 3, or ends within its header.
    """
    if path.stat().st_size < 24:
        raise ValueError(f"{path}: {path.stat().st_size} bytes are no GGUF file; export it again.")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[:4] != b"GGUF":
            raise ValueError(f"{path}: starts with {data[:4]!r}, not with b'GGUF': no GGUF file.")
        try:
            return _Cursor(data, 4).header(path)
        except (struct.error, UnicodeDecodeError, KeyError) as error:
            raise ValueError(
                f"{path}: the file ends within its header, or the header is damaged ({error}). Export or "
                "download it again."
            ) from error


class _Cursor:
    def __init__(self, data: mmap.mmap, at: int) -> None:
        self.data = data
        self.at = at

    def header(self, path: Path) -> GGUFHeader:
        version = self.scalar("I")
        if version not in (2, 3):
            raise ValueError(
                f"{path}: GGUF version {version}; versions 2 and 3 (little-endian) can be read."
            )
        tensors, pairs = int(self.scalar("Q")), int(self.scalar("Q"))
        values: dict[str, int | float | bool | str] = {}
        for _ in range(pairs):
            key = self.string()
            value = self.value(int(self.scalar("I")))
            if value is not None:
                values[key] = value
        infos = []
        for _ in range(tensors):
            name, dimensions = self.string(), int(self.scalar("I"))
            if dimensions > MOST_DIMENSIONS:
                raise struct.error(f"{name} has {dimensions} dimensions")
            shape = tuple(int(self.scalar("Q")) for _ in range(dimensions))[::-1]
            infos.append((name, shape, int(self.scalar("I")), int(self.scalar("Q"))))
        alignment = int(values.get("general.alignment", DEFAULT_ALIGNMENT))
        start = self.at + -self.at % alignment
        return GGUFHeader(
            values, {name: StoredTensor(shape, kind, start + at) for name, shape, kind, at in infos}
        )

    def value(self, kind: int) -> int | float | bool | str | None:
        if kind == _STRING:
            return self.string()
        if kind != _ARRAY:
            return self.scalar(_SCALARS[kind])
        kind, length = int(self.scalar("I")), int(self.scalar("Q"))
        if kind in _SCALARS:
            self.skip(length * struct.calcsize("<" + _SCALARS[kind]))
        else:
            for _ in range(length):
                if kind == _STRING:
                    self.skip(int(self.scalar("Q")))
                else:
                    self.value(kind)
        return None

    def scalar(self, code: str) -> int | float | bool:
        (value,) = struct.unpack_from("<" + code, self.data, self.at)
        self.at += struct.calcsize("<" + code)
        return value

    def string(self) -> str:
        length = int(self.scalar("Q"))
        start = self.at
        self.skip(length)
        return self.data[start : self.at].decode("utf-8")

    def skip(self, length: int) -> None:
        self.at += length
        if self.at > len(self.data):
            raise struct.error(f"{self.at} bytes of {len(self.data)}")
