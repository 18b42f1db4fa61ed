"""Writes a ternary model as a GGUF file for llama.cpp, tensor by tensor.

    ternary matrices              the type asked for (blocks.py): lossless but for γ, which is stored as fp16
    norms, biases, rope factors   F32
    embeddings, output matrix,    F16, rounded: at most 2^-11 relative, 2^-25 absolute for values below 6e-5;
    linear layers left dense      where a value is beyond fp16's 65504, BF16 if it was bf16, else F32

Another kind of GGUF file (i2_s.py) is written with its own reader and its own encoding of ternary matrices:

    architecture = architecture_of(source, family)                     its checks, keys and names
    write_tensors(source, path, architecture, keys, encode_layer)      encode_layer(codes, γ) -> EncodedTensor
    keys = {"general.name": model_name(...), "general.file_type": ..., **vocabulary(...).keys()}

Memory: one tensor of the source and the chunk of it that is being packed.
"""

import os
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from bitsft._extras import require
from bitsft.checkpoint.gguf.architectures import (
    Architecture,
    TensorEntry,
    architecture_of,
    interleave_rows,
)
from bitsft.checkpoint.gguf.blocks import (
    BF16,
    CHUNK_ELEMENTS,
    F16,
    F32,
    Codes,
    Scale,
    fitting_type,
    pack_rows,
    tensor_type,
)
from bitsft.checkpoint.gguf.container import EncodedTensor, WrittenTensor, write_container
from bitsft.checkpoint.gguf.naming import model_name
from bitsft.checkpoint.gguf.tokenizer import Vocabulary, vocabulary
from bitsft.checkpoint.source import TernarySource

QUANTIZATION_VERSION = 2
"""Of ggml's block layouts, since May 2023."""

LARGEST_FP16 = 65504.0

LayerEncoder = Callable[[Codes, Scale], EncodedTensor]


def write_gguf(
    source: TernarySource,
    path: str | os.PathLike[str],
    tokenizer: PreTrainedTokenizerBase,
    *,
    gguf_type: str = "TQ2_0",
    pre_tokenizer: str | None = None,
    progress: bool = True,
) -> list[WrittenTensor]:
    """Write a model and its tokenizer as a GGUF file for llama.cpp.

    The file appears under its name when it is complete: a failed export leaves nothing, and an older file whole.

    Args:
        source: The ternary model.
        path: The file to write, usually `*.gguf`.
        tokenizer: The model's tokenizer, with its chat template.
        gguf_type: Type of the ternary matrices: "TQ2_0" (2.06 bits a weight), "TQ1_0" (1.69, slower), "Q2_K" (2.63,
            read everywhere), "Q4_0", "Q8_0", "F16" or "F32". A matrix that the type cannot hold without loss gets
            another one, see `fitting_type`.
        pre_tokenizer: llama.cpp's name for the pre-tokenizer, see `vocabulary`. Default: found out.
        progress: Show a progress bar.

    Returns:
        What each tensor was written as, in the order of the file.

    Raises:
        ValueError: llama.cpp cannot hold the model or its tokenizer (before anything is written); or a weight holds
            NaN or infinite values.
        ImportError: The package `gguf` is missing.
    """
    architecture, words = _checked(source, tokenizer, gguf_type, pre_tokenizer)
    wanted = tensor_type(gguf_type)
    for warning in architecture.warnings:
        warnings.warn(warning, stacklevel=2)

    def encode_layer(codes: Codes, scale: Scale) -> EncodedTensor:
        kind = fitting_type(codes.shape[1], scale, wanted)
        return EncodedTensor(kind, pack_rows(codes, scale, kind))

    keys = {
        "general.name": model_name(source.model, tokenizer),
        "general.file_type": wanted.file_type,
        **words.keys(),
    }
    return write_tensors(source, path, architecture, keys, encode_layer, progress=progress)


def check_gguf(
    source: TernarySource,
    tokenizer: PreTrainedTokenizerBase,
    gguf_type: str = "TQ2_0",
    *,
    pre_tokenizer: str | None = None,
) -> None:
    """Raise what `write_gguf` would refuse; reads no weights and writes nothing.

    Args:
        source: The model, or its outline.
        tokenizer: The model's tokenizer.
        gguf_type: As in `write_gguf`.
        pre_tokenizer: As in `write_gguf`.

    Raises:
        ValueError: llama.cpp cannot hold the model or its tokenizer, or there is no such type.
        ImportError: The package `gguf` is missing.
    """
    _checked(source, tokenizer, gguf_type, pre_tokenizer)


def write_tensors(
    source: TernarySource,
    path: str | os.PathLike[str],
    architecture: Architecture,
    keys: dict[str, Any],
    encode_layer: LayerEncoder,
    *,
    progress: bool = True,
) -> list[WrittenTensor]:
    """Write a GGUF file with a caller's own architecture, metadata and encoding of ternary matrices.

    Args:
        source: The ternary model.
        path: The file to write.
        architecture: From `architecture_of`.
        keys: Metadata beside the architecture's: full names -> int (uint32), float (float32), bool, str, or a list.
        encode_layer: `(codes int8 [rows, width], γ float32 () or [rows, 1]) -> EncodedTensor`; rows are in the
            file's order.
        progress: Show a progress bar.

    Returns:
        What each tensor was written as, in the order of the file.

    Raises:
        ValueError: A weight holds NaN or infinite values.
    """
    all_keys = {
        "general.type": "model",
        "general.quantization_version": QUANTIZATION_VERSION,
        **{f"{architecture.name}.{name}": value for name, value in architecture.keys.items()},
        **keys,
    }
    return write_container(
        path,
        architecture.name,
        all_keys,
        list(_planned(source, architecture)),
        _encoded(source, architecture, encode_layer),
        progress=progress,
    )


def _checked(
    source: TernarySource,
    tokenizer: PreTrainedTokenizerBase,
    gguf_type: str,
    pre_tokenizer: str | None,
) -> tuple[Architecture, Vocabulary]:
    require("gguf", "gguf")
    tensor_type(gguf_type)
    architecture = architecture_of(source)
    rows = architecture.keys["vocab_size"]
    return architecture, vocabulary(tokenizer, rows, pre_tokenizer=pre_tokenizer)


def _layer_of(entry: TensorEntry, source: TernarySource) -> str | None:
    """The ternary layer whose weight this is, or None."""
    layer, _, kind = entry.source.rpartition(".")
    return layer if kind == "weight" and layer in source.layers else None


def _planned(source: TernarySource, architecture: Architecture) -> Iterator[WrittenTensor]:
    outline = source.outline or source
    for name, values in architecture.constants.items():
        yield WrittenTensor(name, None, values.shape, False)
    for entry in architecture.tensors:
        layer = _layer_of(entry, source)
        if layer is None:
            shape = tuple(outline.read_dense(entry.source).shape)
        else:
            shape = (source.layers[layer].out_features, source.layers[layer].in_features)
        yield WrittenTensor(entry.name, entry.source, shape, layer is not None)


def _encoded(
    source: TernarySource, architecture: Architecture, encode_layer: LayerEncoder
) -> Iterator[EncodedTensor]:
    for values in architecture.constants.values():
        yield EncodedTensor(F32, [values.astype("<f4")])
    for entry in architecture.tensors:
        layer = _layer_of(entry, source)
        if layer is None:
            yield _encoded_dense(source.read_dense(entry.source), entry)
        else:
            yield _encoded_layer(*source.read_layer(layer), entry, encode_layer)


def _encoded_layer(
    codes: Tensor, scale: Tensor, entry: TensorEntry, encode_layer: LayerEncoder
) -> EncodedTensor:
    rows, gamma = codes.numpy(), scale.numpy()
    if entry.heads:
        rows = interleave_rows(rows, entry.heads)
        gamma = interleave_rows(gamma, entry.heads) if gamma.ndim else gamma
    return encode_layer(rows, gamma)


def _encoded_dense(values: Tensor, entry: TensorEntry) -> EncodedTensor:
    low, high = values.aminmax()
    if not bool(torch.isfinite(low) & torch.isfinite(high)):
        raise ValueError(
            f"{entry.source} holds NaN or infinite values, so there is nothing to export. Load the weights again, or "
            "resume from an earlier checkpoint."
        )
    if entry.heads:
        values = values[torch.from_numpy(interleave_rows(np.arange(len(values)), entry.heads))]
    if values.dim() == 1:
        return EncodedTensor(F32, [values.float().numpy() + np.float32(entry.shift)])
    if max(-float(low), float(high)) <= LARGEST_FP16:
        return EncodedTensor(F16, _converted(values, torch.float16))
    if values.dtype == torch.bfloat16:
        return EncodedTensor(BF16, _converted(values.view(torch.int16), torch.int16))
    return EncodedTensor(F32, _converted(values, torch.float32))


def _converted(matrix: Tensor, dtype: torch.dtype) -> Iterator[npt.NDArray[Any]]:
    for rows in matrix.split(max(1, CHUNK_ELEMENTS // matrix.shape[1])):
        yield rows.to(dtype).numpy()
