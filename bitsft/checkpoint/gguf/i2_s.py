"""GGUF files for bitnet.cpp: written, read, and compared with the model tensor by tensor.

Ternary matrices are i2_s (i2_s_architectures.py has the bytes): 2 bits a weight, γ in float32, nothing lost. Norms and
biases are F32; embeddings, output matrix and linear layers left dense are F16, as in writer.py. The tensors are, byte
for byte, those that bitnet.cpp's `llama-quantize` makes of the same model.

The reader exists because the `gguf` package's stops at tensor type 36. bitnet.cpp has no Python package, so a file is
proven by comparing what it holds with the model: `check_i2_s_file`.

Limits of the reader: those of header.py, and one file.
"""

import logging
import math
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedTokenizerBase

from bitsft._extras import require
from bitsft.checkpoint.gguf.architectures import Architecture, interleave_rows
from bitsft.checkpoint.gguf.blocks import BF16, F16, F32, Bytes, Codes, Scale
from bitsft.checkpoint.gguf.container import EncodedTensor, WrittenTensor
from bitsft.checkpoint.gguf.header import StoredTensor, read_gguf_header
from bitsft.checkpoint.gguf.i2_s_architectures import (
    I2_S,
    PRE_TOKENIZERS_OF_2024,
    TAIL,
    i2_s_architecture,
    i2_s_chunks,
    i2_s_codes,
)
from bitsft.checkpoint.gguf.naming import model_name
from bitsft.checkpoint.gguf.tokenizer import Vocabulary, vocabulary
from bitsft.checkpoint.gguf.writer import write_tensors
from bitsft.checkpoint.source import TernarySource

logger = logging.getLogger(__name__)


def write_i2_s(
    source: TernarySource,
    path: str | os.PathLike[str],
    tokenizer: PreTrainedTokenizerBase,
    *,
    pre_tokenizer: str | None = None,
    progress: bool = True,
) -> list[WrittenTensor]:
    """Write a model and its tokenizer as a GGUF file for bitnet.cpp.

    The file appears under its name when it is complete: a failed export leaves nothing, and an older file whole.

    Args:
        source: The ternary model: a Llama, a Mistral, or a BitNet with squared ReLU (2B-4T's layout).
        path: The file to write, usually `*.gguf`.
        tokenizer: The model's tokenizer, with its chat template.
        pre_tokenizer: llama.cpp's name of the tokenizer's splitting rule, where it is not recognised.
        progress: Show a progress bar.

    Returns:
        What each tensor was written as, in the order of the file.

    Raises:
        ValueError: bitnet.cpp cannot hold the model or its tokenizer (before anything is written); or a weight holds
            NaN or infinite values.
        ImportError: The package `gguf` is missing.
    """
    architecture, words = _checked(source, tokenizer, pre_tokenizer)
    for warning in architecture.warnings:
        warnings.warn(warning, stacklevel=2)
    if words.model == "gpt2" and words.pre not in PRE_TOKENIZERS_OF_2024:
        logger.warning(
            "This tokenizer's splitting rule is %r, which bitnet.cpp knows if its llama.cpp is newer than October "
            "2024; an older one stops at the file with 'unknown pre-tokenizer type'.",
            words.pre,
        )
    keys = {
        "general.name": model_name(source.model, tokenizer),
        "general.file_type": I2_S.file_type,
        **words.keys(),
    }

    def encode_layer(codes: Codes, scale: Scale) -> EncodedTensor:
        return EncodedTensor(I2_S, i2_s_chunks(codes, scale))

    return write_tensors(source, path, architecture, keys, encode_layer, progress=progress)


def check_i2_s(
    source: TernarySource,
    tokenizer: PreTrainedTokenizerBase,
    *,
    pre_tokenizer: str | None = None,
) -> None:
    """Raise what `write_i2_s` would refuse; reads no weights and writes nothing.

    Args:
        source: The model, or its outline.
        tokenizer: The model's tokenizer.
        pre_tokenizer: As in `write_i2_s`.

    Raises:
        ValueError: bitnet.cpp cannot hold the model or its tokenizer.
        ImportError: The package `gguf` is missing.
    """
    _checked(source, tokenizer, pre_tokenizer)


def _checked(
    source: TernarySource, tokenizer: PreTrainedTokenizerBase, pre_tokenizer: str | None
) -> tuple[Architecture, Vocabulary]:
    require("gguf", "gguf")
    architecture = i2_s_architecture(source)
    rows = architecture.keys["vocab_size"]
    return architecture, vocabulary(tokenizer, rows, pre_tokenizer=pre_tokenizer)


def check_i2_s_file(source: TernarySource, path: str | os.PathLike[str]) -> None:
    """Compare a file with the model it was written from: codes and γ bit for bit, all else as it was rounded.

    Args:
        source: The model.
        path: The file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A tensor is missing, too many, or holds something else; the message names it.
    """
    architecture = i2_s_architecture(source)
    stored = read_i2_s(path)
    wanted = {entry.name for entry in architecture.tensors} | set(architecture.constants)
    for name in sorted(wanted ^ set(stored.tensors)):
        raise ValueError(
            f"{path}: {name} is {'missing' if name in wanted else 'no tensor of the model'}."
        )
    for name, factors in architecture.constants.items():
        _compare(path, name, factors, stored.dense(name))
    for entry in architecture.tensors:
        layer = entry.source.removesuffix(".weight")
        if layer in source.layers:
            codes, scale = (tensor.numpy() for tensor in source.read_layer(layer))
            stored_codes, stored_scale = stored.ternary(entry.name)
            codes = interleave_rows(codes, entry.heads) if entry.heads else codes
            _compare(path, entry.name, codes, stored_codes)
            _compare(path, f"{entry.name} (γ)", scale.reshape(()), stored_scale)
        else:
            values = np.asarray(source.read_dense(entry.source).to(torch.float32))
            ordered = interleave_rows(values, entry.heads) if entry.heads else values
            found = stored.dense(entry.name)
            _compare(path, entry.name, ordered.astype(found.dtype), found)


def _compare(path: str | os.PathLike[str], name: str, wanted: Any, found: Any) -> None:
    if wanted.shape != found.shape:
        raise ValueError(f"{path}: {name} has shape {found.shape}, the model's has {wanted.shape}.")
    different = int(np.count_nonzero(wanted != found))
    if different:
        raise ValueError(
            f"{path}: {different} of {wanted.size} values of {name} differ from the model's. Export it again."
        )


@dataclass(frozen=True)
class I2SFile:
    """A GGUF file with i2_s matrices; tensors are read when they are asked for.

    Attributes:
        path: The file.
        tensors: By name, in the order of the file.
    """

    path: Path
    tensors: dict[str, StoredTensor]

    @property
    def ternary_names(self) -> list[str]:
        """The i2_s matrices."""
        return [name for name, tensor in self.tensors.items() if tensor.kind == I2_S.ggml_id]

    def ternary(self, name: str) -> tuple[Codes, Scale]:
        """An i2_s matrix: `(codes, scale)`, int8 `[rows, width]` in the file's order of rows, float32 `()`.

        Raises:
            KeyError: There is no tensor of that name.
            ValueError: It is none of i2_s, is cut off, or holds a code of 3.
        """
        tensor = self.tensors[name]
        if tensor.kind != I2_S.ggml_id or len(tensor.shape) != 2:
            raise ValueError(
                f"{self.path}: {name} has type {tensor.kind} and shape {tensor.shape}: no i2_s matrix."
            )
        rows, width = tensor.shape
        data = self._bytes(name, rows * width // 4 + TAIL)
        try:
            return i2_s_codes(data, rows, width)
        except ValueError as error:
            raise ValueError(f"{self.path}: {name}: {error}") from error

    def dense(self, name: str) -> npt.NDArray[Any]:
        """Another tensor: float32, or float16 where it is stored so; BF16 comes as float32.

        Raises:
            KeyError: There is no tensor of that name.
            ValueError: It is none of F32, F16 and BF16, or is cut off.
        """
        tensor = self.tensors[name]
        dtypes = {F32.ggml_id: "<f4", F16.ggml_id: "<f2", BF16.ggml_id: "<u2"}
        if tensor.kind not in dtypes:
            raise ValueError(
                f"{self.path}: {name} has type {tensor.kind}; F32, F16 and BF16 can be read."
            )
        dtype = np.dtype(dtypes[tensor.kind])
        values = self._bytes(name, math.prod(tensor.shape) * dtype.itemsize).view(dtype)
        if tensor.kind == BF16.ggml_id:
            values = (values.astype(np.uint32) << np.uint32(16)).view(np.float32)
        return values.reshape(tensor.shape)

    def _bytes(self, name: str, count: int) -> Bytes:
        data = np.fromfile(self.path, np.uint8, count, offset=self.tensors[name].offset)
        if data.size < count:
            raise ValueError(
                f"{self.path}: {name} has {count} bytes, and the file ends after {data.size} of them."
            )
        return data


def read_i2_s(path: str | os.PathLike[str]) -> I2SFile:
    """Open a GGUF file with i2_s matrices, which the `gguf` package's reader does not know.

    Args:
        path: The file.

    Returns:
        Its tensors; `.ternary(name)` and `.dense(name)` read them.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no GGUF file of version 2 or 3, or ends within its header.
    """
    return I2SFile(Path(path), read_gguf_header(Path(path)).tensors)
