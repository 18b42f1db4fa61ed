"""Readers: logits for token ids, from a model in memory or from files, each by the code that others run.

    model object                     bitsft, in this process                              memory.py
    folder with config.json          stock transformers, in a process without bitsft      process.py, child.py
    .gguf file, or folder with one   llama.cpp, in a process of its own; or transformers  the same

transformers turns a GGUF file back into float weights and leaves activations unquantized, so it proves the
weights but not the int8 arithmetic; the result says so. It reads fewer architectures than llama.cpp.

Limits: local files only. i2_s files need bitnet.cpp for logits and are refused here. CPU only, but for a
model in memory, which stays on its device.
"""

import importlib.util
import os
from pathlib import Path
from typing import Literal, TypeAlias

import torch
from transformers import PreTrainedModel

from bitsft._extras import require
from bitsft.checkpoint.gguf.header import read_gguf_header
from bitsft.checkpoint.proof.readers.memory import ModelReader
from bitsft.checkpoint.proof.readers.process import ProcessReader
from bitsft.checkpoint.proof.readers.side import Side as Side

Runtime = Literal["auto", "transformers", "llama.cpp"]
RUNTIMES: tuple[Runtime, ...] = ("auto", "transformers", "llama.cpp")
Reader: TypeAlias = ModelReader | ProcessReader
DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)

_LLAMA_CPP_LINE = 'pip install "bitsft[llama-cpp]"'


def open_reader(
    model_or_path: PreTrainedModel | str | os.PathLike[str],
    *,
    runtime: Runtime = "auto",
    dtype: torch.dtype = torch.float32,
    max_length: int = 512,
    threads: int | None = None,
) -> Reader:
    """Start reading one side of a comparison; a context manager.

    Args:
        model_or_path: A model, a folder that stock transformers loads, a .gguf file, or a folder with
            one .gguf file and no config.json.
        runtime: What reads GGUF files. "auto" is llama.cpp where llama-cpp-python is installed, else
            transformers.
        dtype: What transformers and a model in memory compute in; llama.cpp follows the file.
        max_length: Longest text to come, in tokens.
        threads: Of the other process; default: as many as torch has here.

    Returns:
        A reader with `side`, `logits(ids)`.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ValueError: It holds no model, or more than one; or it is an i2_s file; or an option is none of
            the above.
        ImportError: No package that can read the file is installed.
    """
    if runtime not in RUNTIMES:
        raise ValueError(f"runtime is {runtime!r}; use one of {', '.join(RUNTIMES)}.")
    if dtype not in DTYPES:
        raise ValueError(f"dtype is {dtype}; use one of {', '.join(map(str, DTYPES))}.")
    if isinstance(model_or_path, PreTrainedModel):
        return ModelReader(model_or_path, dtype)
    path = Path(model_or_path)
    gguf = gguf_file_of(path)
    count = str(threads or torch.get_num_threads())
    dtype_name = str(dtype).removeprefix("torch.")
    if gguf is None:
        return ProcessReader(
            path,
            ["transformers", str(path), "-", dtype_name, count],
            detail=f"without bitsft, {dtype_name}",
        )
    header = read_gguf_header(gguf)
    if header.is_i2_s:
        raise ValueError(
            f"{gguf}: logits of an i2_s file need bitnet.cpp, which has no Python package. `bitsft verify MODEL FILE` "
            "compares its tensors with the model's; for logits run bitnet.cpp's perplexity tool."
        )
    if runtime == "auto":
        runtime = "llama.cpp" if _is_installed("llama_cpp") else "transformers"
    if runtime == "llama.cpp":
        require("llama_cpp", "llama-cpp")
        return ProcessReader(
            gguf,
            ["llama.cpp", str(gguf), str(max_length), count],
            detail="on the CPU",
            remedy=f"The architecture in the file is {header.architecture!r}.",
            tokenizes=True,
        )
    if not _is_installed("gguf"):
        raise ImportError(
            f"{gguf}: reading GGUF files needs llama.cpp ({_LLAMA_CPP_LINE}; it is compiled during the "
            'installation) or the package gguf (pip install "bitsft[gguf]"), and neither is installed.'
        )
    return ProcessReader(
        gguf,
        ["transformers", str(gguf.parent), gguf.name, dtype_name, count],
        detail=f"without bitsft, {dtype_name}, weights dequantized",
        remedy=(
            f"The architecture in the file is {header.architecture!r}; llama.cpp reads more of them than "
            f"transformers: {_LLAMA_CPP_LINE}."
        ),
    )


def gguf_file_of(path: Path) -> Path | None:
    """The GGUF file that a path stands for, or None for a folder of transformers.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ValueError: A file that is no .gguf, or a folder with no model or with several GGUF files.
    """
    if path.is_file():
        if path.suffix.lower() != ".gguf":
            raise ValueError(
                f"{path}: a file must be a .gguf; for a transformers model give its folder."
            )
        return path
    if not path.is_dir():
        raise FileNotFoundError(
            f"{path}: no such file or folder. A model from the Hub has to be downloaded first: "
            "hf download OWNER/NAME --local-dir FOLDER"
        )
    if (path / "config.json").is_file():
        return None
    files = sorted(path.glob("*.gguf"))
    if not files:
        raise ValueError(f"{path}: holds neither a config.json nor a .gguf file, so no model.")
    if len(files) > 1:
        raise ValueError(
            f"{path}: holds {len(files)} GGUF files ({files[0].name}, {files[1].name}, …); name one of them."
        )
    return files[0]


def i2_s_file_of(path: Path) -> Path | None:
    """The bitnet.cpp file that a path stands for, or None for anything else."""
    gguf = gguf_file_of(path)
    return gguf if gguf is not None and read_gguf_header(gguf).is_i2_s else None


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
