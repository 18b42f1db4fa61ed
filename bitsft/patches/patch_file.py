"""The file of a patch: what leads from one checkpoint folder to another, to the byte.

A safetensors file with four tensors of bytes (U8, one dimension), in this order and without gaps, its header as compact JSON
(no blanks), filled up with blanks to a multiple of 8 as every safetensors header may be:

    __metadata__   {"format": "bitsft-patch", "version": "1", "sha256": of all bytes after the header, in hex}
    manifest       zlib (RFC 1950) of JSON in UTF-8, below
    flips          of each matrix of codes that changed: flips.py
    differences    of each other tensor that changed, and of the scales of float matrices: differences.py
    files          of each other file that changed, and of headers of weights: codecs.py

    manifest = {
      "base": sha256 of the base's tensors: over each, in the order of names, [name, dtype, shape] as compact JSON, a line
              feed, and the 32 bytes of the SHA-256 of its data; dtype as in safetensors
      "files": [{"name", "bytes", "sha256", and one of
          "same": true                     the base has it
          "at", "stored", "codec"          `stored` bytes from `at` on in "files"; the base's file of that name is the
                                           dictionary of codec "zlib-base"
          "header": {"at", "stored", "codec", "bytes"}     a file of weights: the first 8 bytes and the JSON after them; the base's
                                           header of the same file is the dictionary. Its tensors follow, in the order
                                           of their offsets: those in "changes" as told there, all others as in the base
          }],
      "changes": {tensor's name: one of
          {"how": "flips", "codes", "count", "k", "unary", "at", "stored", "touched": [base, tuned]}
              codes "packed" (uint8, four a byte, ternary/pack.py) or "int8": the codes of the base, with the flips;
              codes "float", with "scales": {"at", "stored", "parts"}, "dtype" and "per": "tensor" or "row": the tensor is γ·code,
              γ = the largest magnitude of the tensor or row, in its dtype; scales is the difference of the γ.
              touched: the first 16 digits of the SHA-256 of the codes (int8) at the places of the flips, and of float γ
          {"how": "difference", "at", "stored", "parts": [[codec, bytes], ...]}      against the base's tensor of that name
              where it has one of the same dtype, else against nothing
          {"how": "values", "dtype", "base", "tuned"}   a few bytes in hex: the scale of a packed matrix
          },
      "loaded": what is needed to patch a model in memory (loaded_model.py), {"refused": why} where that cannot be:
          {"ternary": [base, tuned], checkpoint/identity.py; "convention": "divide" or "multiply" or null;
           "dense": {name: [dtype, base, tuned]}, the first 32 digits of the SHA-256 of the data; without tuned where it
           is the same}
    }

Limits: only files directly in the folder, not those that begin with a dot; weights as safetensors.
"""

import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any

from bitsft.data.common.atomic import atomic_path

SECTIONS = ("manifest", "flips", "differences", "files")
FORMAT, VERSION = "bitsft-patch", "1"
_IN_MEMORY = 64 << 20
_BLOCK = 1 << 20
_LARGEST_MANIFEST = 1 << 30


class PatchWriter:
    """Collects the parts of a patch, in memory up to 64 MB a section, then in temporary files; a context manager."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._spools = {}
        for name in SECTIONS:
            spool = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 — closed by the stack
            self._spools[name] = self._stack.enter_context(spool)

    def __enter__(self) -> "PatchWriter":
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def add(self, section: str, data: bytes) -> dict[str, int]:
        """Append to a section; returns where it is: `{"at", "stored"}`."""
        at = self._spools[section].tell()
        self._spools[section].write(data)
        return {"at": at, "stored": len(data)}

    def size(self, section: str) -> int:
        """Bytes in a section so far."""
        return self._spools[section].tell()

    def write(self, path: Path, manifest: Mapping[str, Any]) -> None:
        """Write the file, whole or not at all."""
        text = json.dumps(manifest, ensure_ascii=False, separators=(",", ":")).encode()
        self.add("manifest", zlib.compress(text, 9))
        digest = hashlib.sha256()
        for block in self._blocks():
            digest.update(block)
        sizes = {name: self.size(name) for name in SECTIONS}
        with atomic_path(path) as part, part.open("wb") as file:
            file.write(_header(sizes, digest.hexdigest()))
            for block in self._blocks():
                file.write(block)

    def _blocks(self) -> Iterator[bytes]:
        for spool in self._spools.values():
            end = spool.tell()
            spool.seek(0)
            while block := spool.read(_BLOCK):
                yield block
            spool.seek(end)


class PatchFile:
    """A patch that was found whole when it was opened; its parts are read when they are asked for.

    Args:
        path: The file.

    Attributes:
        path: The file.
        sha256: Of all that it holds.
        bytes: Its size.
        sizes: Bytes of each section.
        manifest: See the module.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no patch, is of a later version, or is damaged.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise FileNotFoundError(
                f"{self.path} is no file; pass a patch that `bitsft diff` wrote."
            )
        self.bytes = self.path.stat().st_size
        with self.path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if self.bytes < 8 or length > min(self.bytes - 8, 1 << 16):
                raise _no_patch(self.path, self.bytes, "its header is not one of a patch")
            header = file.read(length)
            self.sizes, self.sha256 = _read_header(self.path, self.bytes, header)
            digest = hashlib.sha256()
            while block := file.read(_BLOCK):
                digest.update(block)
        if digest.hexdigest() != self.sha256:
            raise _no_patch(
                self.path, self.bytes, "its content does not have the SHA-256 that it names"
            )
        self._begin = {}
        at = 8 + length
        for name in SECTIONS:
            self._begin[name] = at
            at += self.sizes[name]
        self.manifest = self._read_manifest()

    def read(self, section: str, place: Mapping[str, Any]) -> bytes:
        """The bytes at `place` ("at" and "stored") of a section.

        Raises:
            ValueError: The place is not within it, or the file has changed.
        """
        at, stored = place["at"], place["stored"]
        if min(at, stored) < 0 or at + stored > self.sizes[section]:
            raise _no_patch(self.path, self.bytes, f"it names bytes beyond its {section}")
        with self.path.open("rb") as file:
            file.seek(self._begin[section] + at)
            data = file.read(stored)
        if len(data) != stored:
            raise _no_patch(self.path, self.bytes, "it has changed since it was opened")
        return data

    def _read_manifest(self) -> dict[str, Any]:
        packed = self.read("manifest", {"at": 0, "stored": self.sizes["manifest"]})
        try:
            text = zlib.decompressobj().decompress(packed, _LARGEST_MANIFEST)
            manifest = json.loads(text.decode())
            check_manifest(manifest)
        except (
            zlib.error,
            ValueError,
            RecursionError,
            KeyError,
            TypeError,
            AttributeError,
        ) as error:
            raise _no_patch(
                self.path, self.bytes, f"its manifest cannot be read ({error})"
            ) from error
        return dict(manifest)


def check_manifest(manifest: Any) -> None:
    """Check what a manifest says before anything is done with it.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: It is not one, or names files outside the folder.
    """
    names = [entry["name"] for entry in manifest["files"]]
    for name in names:
        if not name or name.startswith(".") or os.path.basename(name) != name or "\\" in name:
            raise ValueError(f"{name!r} is not the name of a file in a folder")
    if len(set(names)) != len(names):
        raise ValueError("a file is named twice")
    for entry in manifest["files"]:
        _check_types(entry, bytes=int, sha256=str)
        if "header" in entry:
            _check_types(entry["header"], at=int, stored=int, codec=str, bytes=int)
        elif entry.get("same") is not True:
            _check_types(entry, at=int, stored=int, codec=str)
    for name, change in manifest["changes"].items():
        if change["how"] == "flips":
            _check_types(change, count=int, k=int, unary=int, at=int, stored=int)
            _check_types(change, touched=list)
            if change["codes"] not in ("packed", "int8", "float"):
                raise ValueError(f"{name}: codes are {change['codes']!r}")
            if change["codes"] == "float":
                _check_types(change["scales"], at=int, stored=int, parts=list)
                _check_types(change, per=str, dtype=str)
        elif change["how"] == "difference":
            _check_types(change, at=int, stored=int, parts=list)
        elif change["how"] == "values":
            _check_types(change, dtype=str)
            bytes.fromhex(change["base"] + change["tuned"])
        else:
            raise ValueError(f"{name}: {change['how']!r} is unknown")
    if not isinstance(manifest["base"], str):
        raise TypeError("base is no hash")
    loaded = manifest["loaded"]
    if "refused" not in loaded:
        _check_types(loaded, ternary=list, dense=dict)


def _check_types(entry: Mapping[str, Any], **types: type) -> None:
    for key, kind in types.items():
        if type(entry[key]) is not kind:
            raise TypeError(f"{key} is {entry[key]!r}")


def _header(sizes: Mapping[str, int], sha256: str) -> bytes:
    entries: dict[str, Any] = {
        "__metadata__": {"format": FORMAT, "version": VERSION, "sha256": sha256}
    }
    at = 0
    for name in SECTIONS:
        entries[name] = {
            "dtype": "U8",
            "shape": [sizes[name]],
            "data_offsets": [at, at + sizes[name]],
        }
        at += sizes[name]
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _read_header(path: Path, size: int, text: bytes) -> tuple[dict[str, int], str]:
    try:
        entries = json.loads(text.decode())
        said = entries["__metadata__"]
        sizes = {name: entries[name]["shape"][0] for name in SECTIONS}
        version, sha256 = said["version"], said["sha256"]
        if said["format"] != FORMAT or not all(type(n) is int and n >= 0 for n in sizes.values()):
            raise ValueError("of another format")
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise _no_patch(path, size, f"its header is not one of a patch ({error!r})") from error
    if version != VERSION:
        raise ValueError(
            f"{path} is a patch of version {version!r}; this bitsft reads version {VERSION}. Use a later bitsft."
        )
    if _header(sizes, sha256)[8:] != text or 8 + len(text) + sum(sizes.values()) != size:
        raise _no_patch(path, size, "its header and its length do not go together")
    return sizes, sha256


def _no_patch(path: Path, size: int, problem: str) -> ValueError:
    return ValueError(
        f"{path} ({size} bytes) is no whole patch: {problem}. Fetch the file again, or write it anew with `bitsft diff`."
    )
