"""The safetensors files of a checkpoint folder: what is in them is known from their headers, values are read one by one.

    model.safetensors                        one file, or
    model.safetensors.index.json             "weight_map": tensor -> file, and the files it names

A file's own format is in safetensors_header.py. That the files are whole and fit together is checked before any value is
read, because a checkpoint is fetched over networks and mixed by hand: errors name the file and the tensor.

Values are read with `readinto` at their offset, not through a memory map: pages of a map count as the process's
memory until the file is closed, so reading a shard tensor by tensor would hold all of it. That is no slower: 1.2 GB in
40 tensors took 0.16 s from the page cache and 0.1 GB of memory; copied out of `safe_open`'s map 0.25 s and 1.4 GB, or,
with the file opened anew for each tensor, 0.18 s and 0.3 GB (medians of five).

Limits: no pickle (`*.bin`), no GGUF; a file that changes while it is open is noticed
only when it gets too short.
"""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bitsft.checkpoint.safetensors_header import Entry, damaged, read_header

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
_WEIGHT_FILE = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors")


class CheckpointFiles:
    """The tensors of a folder, none of them in memory. Made by `open_checkpoint`.

    Attributes:
        directory: The folder.
        names: All tensors, in the order of the files.
        total_bytes: Size of all tensors together.
    """

    def __init__(self, directory: Path, entries: Mapping[str, Entry]) -> None:
        self.directory = directory
        self._entries = dict(entries)
        self.names = list(self._entries)
        self.total_bytes = sum(entry.end - entry.begin for entry in self._entries.values())

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def shape(self, name: str) -> tuple[int, ...]:
        """The tensor's shape."""
        return self._entries[name].shape

    def dtype(self, name: str) -> torch.dtype:
        """The dtype it is stored in."""
        return self._entries[name].dtype

    def file_of(self, name: str) -> Path:
        """The file that holds it."""
        return self._entries[name].file

    def read(self, name: str) -> Tensor:
        """The tensor's values, in memory of their own. Safe to call from several threads.

        Args:
            name: One of `names`.

        Returns:
            A CPU tensor in the stored dtype.

        Raises:
            ValueError: The file has become too short since it was opened.
        """
        entry = self._entries[name]
        size = entry.end - entry.begin
        buffer = torch.empty(size, dtype=torch.uint8)
        with entry.file.open("rb", buffering=0) as file:
            file.seek(entry.begin)
            view = buffer.numpy().data
            done = 0
            while done < size:  # one call reads at most 2 GB
                count = file.readinto(view[done:])
                if not count:
                    raise damaged(entry.file, f"ends within tensor {name!r}; it was truncated")
                done += count
        return buffer.view(entry.dtype).reshape(entry.shape)


def open_checkpoint(directory: str | os.PathLike[str]) -> CheckpointFiles:
    """Read the headers of a folder's safetensors files and check that they fit together.

    Args:
        directory: A folder with model.safetensors, or with model.safetensors.index.json and its shards.

    Returns:
        The files, with no weights in memory.

    Raises:
        FileNotFoundError: There is no such folder, no weights in it (the message says what was found
            instead), or a shard that the index names is missing.
        ValueError: A file is truncated or damaged; the index and the shards disagree; files lie there that the
            index does not name.
    """
    folder = Path(directory)
    if not folder.is_dir():
        raise _no_folder(folder)
    present = sorted(f.name for f in folder.iterdir() if _WEIGHT_FILE.fullmatch(f.name))
    if (folder / INDEX_FILE).is_file():
        placed = _read_index(folder)
        return CheckpointFiles(folder, _entries_by_index(folder, placed, present))
    if SINGLE_FILE not in present:
        raise _no_weights(folder, present)
    if len(present) > 1:
        raise ValueError(
            f"{folder} holds {SINGLE_FILE} and shards of another save ({present[0]}) but no {INDEX_FILE}, so it is "
            "unclear which weights are meant. Delete those that are not, or fetch the index."
        )
    return CheckpointFiles(folder, read_header(folder / SINGLE_FILE))


def read_config(directory: str | os.PathLike[str]) -> dict[str, Any]:
    """config.json of a checkpoint.

    Raises:
        FileNotFoundError: The folder has none.
        ValueError: It is not a JSON object.
    """
    path = Path(directory) / "config.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing: it says which model the weights belong to. Fetch it from where the weights "
            "came from."
        )
    return _read_json_object(path)


def _read_index(folder: Path) -> dict[str, str]:
    path = folder / INDEX_FILE
    placed = _read_json_object(path).get("weight_map")
    if not isinstance(placed, dict) or not placed:
        raise ValueError(f"{path} has no weight_map of tensors to files. Fetch the file again.")
    for name, file in placed.items():
        if not isinstance(file, str) or Path(file).name != file:
            raise ValueError(
                f"{path} puts tensor {name!r} into {file!r}, which is not the name of a file in this folder."
            )
    return placed


def _entries_by_index(
    folder: Path, placed: Mapping[str, str], present: list[str]
) -> dict[str, Entry]:
    files = sorted(set(placed.values()))
    for file in files:
        if not (folder / file).is_file():
            count = sum(f == file for f in placed.values())
            raise FileNotFoundError(
                f"{folder / file} is missing: {INDEX_FILE} puts {count} tensors there, {_first(placed, file)!r} "
                "among them. Fetch it from where the other files came from."
            )
    strangers = [file for file in present if file not in files]
    if strangers:
        raise ValueError(
            f"{folder} holds {', '.join(strangers)}, which {INDEX_FILE} does not name: files of two checkpoints seem "
            "to be mixed. Delete those that do not belong here."
        )
    headers = {file: read_header(folder / file) for file in files}
    for file, header in headers.items():
        for name in header:
            if placed.get(name) == file:
                continue
            if name not in placed:
                problem = f"which {INDEX_FILE} does not name"
            elif name in headers[placed[name]]:
                problem = f"but {placed[name]} holds it, too, and {INDEX_FILE} means that one"
            else:
                problem = f"but {INDEX_FILE} puts it into {placed[name]}"
            raise ValueError(f"{folder / file} holds tensor {name!r}, {problem}{_MIXED}")
    for name, file in placed.items():
        if name not in headers[file]:
            raise ValueError(
                f"{folder / file} lacks tensor {name!r}, which {INDEX_FILE} puts there{_MIXED}"
            )
    return {name: entry for header in headers.values() for name, entry in header.items()}


_MIXED = ": the files are not of one checkpoint. Fetch index and shards again, from one place."


def _first(placed: Mapping[str, str], file: str) -> str:
    return next(name for name, where in placed.items() if where == file)


def _read_json_object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON ({error}). Fetch the file again.") from error
    if not isinstance(value, dict):
        raise ValueError(
            f"{path} holds {type(value).__name__} instead of a JSON object. Fetch the file again."
        )
    return value


def _no_folder(path: Path) -> FileNotFoundError:
    if path.suffix == ".gguf":
        return FileNotFoundError(f"{path}: {_GGUF}")
    problem = "is a file; pass the folder that holds it" if path.is_file() else "does not exist"
    return FileNotFoundError(f"{path} {problem}.")


_GGUF = (
    "a GGUF file is made for running, not for training. Load the safetensors checkpoint that it was made from; "
    "to read its weights (dequantized) use transformers' from_pretrained(folder, gguf_file=...)."
)


def _no_weights(folder: Path, shards: list[str]) -> FileNotFoundError:
    found = sorted(entry.name for entry in folder.iterdir())
    pickles = [name for name in found if name.endswith((".bin", ".pt", ".pth", ".ckpt"))]
    ggufs = [name for name in found if name.endswith(".gguf")]
    start = f"{folder} has neither {SINGLE_FILE} nor {INDEX_FILE}"
    if shards:
        return FileNotFoundError(
            f"{folder} holds shards ({shards[0]}, …) but no {INDEX_FILE}, which says what is in which. Fetch it from "
            "where the shards came from."
        )
    if "adapter_config.json" in found:
        start += ": it is a PEFT adapter. Call bitsft.load_adapter(base, folder), or load its base model and PeftModel.from_pretrained(base, folder)"
    if pickles:
        return FileNotFoundError(
            f"{start}, but {pickles[0]}: pickle files can run code when they are opened, so bitsft does not. Convert "
            "it once, where you trust it: AutoModelForCausalLM.from_pretrained(folder).save_pretrained(new_folder) "
            "writes safetensors."
        )
    if ggufs:
        return FileNotFoundError(f"{start}, but {ggufs[0]}: {_GGUF}")
    listed = ", ".join(found[:8]) + (", …" if len(found) > 8 else "")
    return FileNotFoundError(f"{start}. It holds: {listed or 'nothing'}.")
