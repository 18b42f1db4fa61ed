"""Which model a run started from: name, config, weights, and the run that made it.

The weights' identity is a sha256 over every tensor's name, shape, dtype and values. Above 128 MiB in all it
takes of each tensor at most 65,536 values at even distances (`sampled`): any further training moves latent
weights everywhere, so it is not mistaken, but a file that was changed by hand in one place could be.

Of a file of weights all bytes count up to 64 MiB, above that its size and 64 blocks of 64 KiB at even distances.
It tells where a model came from; an evaluation that goes on hashes all bytes (`bitsft.evaluation.identity`).

Limits: of weights that are spread over processes (FSDP, ZeRO-3) only what lies in this one.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitsft.runs.record import RUN, RunRecord, read_run
from bitsft.runs.settings import plain

if TYPE_CHECKING:
    from torch import Tensor

_ALL_BYTES = 128 * 2**20
_SAMPLED_VALUES = 65_536
_WHOLE_FILE, _BLOCKS, _BLOCK = 64 * 2**20, 64, 64 * 2**10
# Where a config was loaded from and by which version is no part of what it says.
_NOT_CONFIG = ("_name_or_path", "name_or_path", "transformers_version", "_commit_hash")


def describe_model(model: Any, name: str | None = None) -> dict[str, Any]:
    """Describe a model for a record.

    Args:
        model: A model in memory, or a path or Hub id.
        name: The path or id as given, or what to call it; default: the one in the model's config.

    Returns:
        `{"name", ...}`; of a model in memory `class`, `parameters`, `config_sha256`, `weights_sha256`,
        `sampled`; of a Hub model `commit`; of a folder `folder_config_sha256` and `files` (name ->
        identity).
    """
    entry: dict[str, Any] = {"name": name}
    try:
        if isinstance(model, str | os.PathLike):
            entry["name"] = name or str(model)
            return {**entry, **_folder(Path(model))}
        folder = _folder(Path(name)) if name and Path(name).is_dir() else {}
        return {**entry, **_in_memory(model, name), **folder}
    except Exception as error:  # a record must not end the run that it records
        return {**entry, "why": f"not described: {type(error).__name__}: {error}"[:300]}


def config_hash(config: Mapping[str, Any]) -> str:
    """The sha256 of a model's config, whichever folder and version of transformers it was loaded from."""
    said = {key: value for key, value in plain(config).items() if key not in _NOT_CONFIG}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def weights_hash(tensors: "Iterable[tuple[str, Tensor]]", sample: bool) -> str:
    """The sha256 of tensors by name; see the module.

    Args:
        tensors: Names and tensors, on any device.
        sample: Take some values of each, not all.
    """
    import torch

    state = hashlib.sha256()
    for name, tensor in tensors:
        state.update(f"{name}|{tuple(tensor.shape)}|{tensor.dtype}\0".encode())
        values = tensor.detach().reshape(-1)
        if sample:
            values = values[:: max(1, -(-values.numel() // _SAMPLED_VALUES))]
        values = values.to("cpu").contiguous()
        state.update(values.view(torch.uint8).numpy().data)
    return state.hexdigest()


def runs_behind(model: Any, role: str = "base model") -> list[dict[str, Any]]:
    """The run that made a model: that of its folder, or of the folder above a checkpoint.

    Args:
        model: A path or Hub id, or a model in memory that knows where it came from.
        role: What the model is for this run.

    Returns:
        One entry `{"role", "id", "name", "folder"}`, or none.
    """
    if not isinstance(model, str | os.PathLike):
        model = getattr(getattr(model, "config", None), "_name_or_path", None)
    if not model:
        return []
    folder = Path(model)
    places = [folder, folder.parent] if folder.name.startswith("checkpoint-") else [folder]
    for place in places:
        found = _training_in(place)
        if found is not None:
            return [{"role": role, "id": found.id, "name": found.name, "folder": str(model)}]
    return []


def _training_in(folder: Path) -> RunRecord | None:
    for path in (folder / RUN, folder / "run.train.json"):
        try:
            record = read_run(path)
        except (OSError, ValueError):
            continue
        if record.kind == "train":
            return record
    return None


def file_identity(path: Path) -> str:
    """A sha256 that tells one file of weights from another; see the module."""
    size = path.stat().st_size
    state = hashlib.sha256(size.to_bytes(8, "little"))
    with path.open("rb") as file:
        if size <= _WHOLE_FILE:
            while block := file.read(2**20):
                state.update(block)
        else:
            for number in range(_BLOCKS):
                file.seek((size - _BLOCK) * number // (_BLOCKS - 1))
                state.update(file.read(_BLOCK))
    return state.hexdigest()


def _folder(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        return {"why": "no folder here; perhaps the id of a model"}
    entry: dict[str, Any] = {}
    config = folder / "config.json"
    if config.is_file():
        entry["folder_config_sha256"] = config_hash(json.loads(config.read_text("utf-8")))
    files = sorted(f for f in folder.iterdir() if f.suffix in (".safetensors", ".bin", ".gguf"))
    entry["files"] = {file.name: file_identity(file) for file in files}
    return entry


def _in_memory(model: Any, name: str | None) -> dict[str, Any]:
    config = getattr(model, "config", None)
    entry: dict[str, Any] = {
        "name": name or getattr(config, "_name_or_path", None) or None,
        "class": type(model).__name__,
    }
    if config is not None:
        entry["config_sha256"] = config_hash(config.to_dict())
        commit = getattr(config, "_commit_hash", None)
        if commit:
            entry["commit"] = commit
    tensors = list(model.state_dict().items())
    size = sum(tensor.numel() * tensor.element_size() for _, tensor in tensors)
    sample = size > _ALL_BYTES
    entry["parameters"] = sum(parameter.numel() for parameter in model.parameters())
    entry["weights_sha256"] = weights_hash(tensors, sample)
    entry["sampled"] = sample
    return entry
