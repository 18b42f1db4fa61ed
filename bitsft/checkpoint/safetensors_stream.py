"""A folder of safetensors files written tensor by tensor: no more than one tensor is in memory.

    8 bytes    length of the header, little-endian
    header     JSON: name -> dtype, shape, data_offsets; "__metadata__" -> {"format": "pt"}
    data       the tensors one after another

The format is that of the safetensors library (its README); the library itself writes a file only from tensors
that are all in memory. Sharding and file names are those of huggingface_hub, so that transformers finds
`model.safetensors`, or `model.safetensors.index.json` with its shards.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from huggingface_hub import split_state_dict_into_shards_factory
from torch import Tensor
from tqdm.auto import tqdm

from bitsft.checkpoint.safetensors_header import DTYPE_NAMES


def write_safetensors(
    directory: Path,
    outline: Mapping[str, Tensor],
    read: Callable[[str], Tensor],
    *,
    max_shard_size: int | str = "5GB",
    progress: bool = True,
) -> None:
    """Write tensors into `directory` in the order of `outline`, each read when its turn comes.

    Args:
        directory: An existing folder.
        outline: Name -> a tensor of the shape and dtype that `read(name)` will have; best on the meta device.
        read: Gives the tensor of a name.
        max_shard_size: Largest file, in bytes or as `"5GB"`.
        progress: Whether to show a bar.

    Raises:
        ValueError: A tensor differs in shape or dtype from its outline, or has a dtype that the format lacks.
        OSError: The disk is full, say.
    """
    for name, tensor in outline.items():
        if tensor.dtype not in DTYPE_NAMES:
            raise ValueError(f"{name}: safetensors files hold no {tensor.dtype}.")
    split = split_state_dict_into_shards_factory(
        dict(outline),
        get_storage_size=_size,
        filename_pattern="model{suffix}.safetensors",
        get_storage_id=lambda tensor: None,
        max_shard_size=max_shard_size,
    )
    total = sum(map(_size, outline.values()))
    with tqdm(
        total=total, unit="B", unit_scale=True, desc="Writing", disable=not progress, delay=1
    ) as bar:
        for filename, names in split.filename_to_tensors.items():
            with (directory / filename).open("wb") as file:
                file.write(_header({name: outline[name] for name in names}))
                for name in names:
                    tensor = read(name)
                    _check_as_outlined(name, tensor, outline[name])
                    file.write(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
                    bar.update(_size(tensor))
    if split.is_sharded:
        index = {"metadata": {"total_size": total}, "weight_map": split.tensor_to_filename}
        (directory / "model.safetensors.index.json").write_text(
            json.dumps(index, indent=2, sort_keys=True) + "\n", encoding="utf-8"
        )


def _size(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _header(tensors: Mapping[str, Tensor]) -> bytes:
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, tensor in tensors.items():
        end = offset + _size(tensor)
        entries[name] = {
            "dtype": DTYPE_NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the data begins at a multiple of 8
    return len(text).to_bytes(8, "little") + text


def _check_as_outlined(name: str, tensor: Tensor, outline: Tensor) -> None:
    if tensor.shape != outline.shape or tensor.dtype != outline.dtype:
        raise ValueError(
            f"{name} is {tensor.dtype} {tuple(tensor.shape)} but was announced as {outline.dtype} "
            f"{tuple(outline.shape)}; the file would be unreadable."
        )
