"""`save_ternary`: a ternary model, from memory or from a folder, into the format of any runtime.

    transformers        packed, for transformers, mlx-lm and llama.cpp's converter      packed.py
    latent              float weights, for going on with training                       latent.py
    dense               γ·codes in bfloat16, for anything else                          dense.py
    compressed-tensors  int8 W8A8, for vLLM                                             compressed_tensors.py
    gguf                llama.cpp, Ollama, LM Studio                                    gguf/
    i2_s                bitnet.cpp                                                      gguf/i2_s.py

A model in memory is saved by its own `save_pretrained`, which knows how its tensors are named in files. A folder
is read and written tensor by tensor, in the memory of its largest shard. Everything is checked before the
first file is written, and the target changes only when all is there (replaced_folder.py).
"""

import logging
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from bitsft.checkpoint.compressed_tensors import COMPRESSED_TENSORS
from bitsft.checkpoint.dense import DENSE
from bitsft.checkpoint.gguf.i2_s import check_i2_s, check_i2_s_file, write_i2_s
from bitsft.checkpoint.gguf.writer import check_gguf, write_gguf
from bitsft.checkpoint.latent import LATENT
from bitsft.checkpoint.load import load_ternary
from bitsft.checkpoint.packed import PACKED
from bitsft.checkpoint.proof import VerifyReport
from bitsft.checkpoint.proof import verify as verify_agreement
from bitsft.checkpoint.replaced_folder import replaced_folder
from bitsft.checkpoint.safetensors_format import CheckpointTensors, SafetensorsFormat, config_for
from bitsft.checkpoint.safetensors_stream import write_safetensors
from bitsft.checkpoint.source import TernarySource, source_from_model
from bitsft.checkpoint.source_folder import source_from_folder

logger = logging.getLogger(__name__)

Format = Literal["transformers", "latent", "dense", "compressed-tensors", "gguf", "i2_s"]
SAFETENSORS_FORMATS = {f.name: f for f in (PACKED, LATENT, DENSE, COMPRESSED_TENSORS)}
FORMATS: tuple[str, ...] = (*SAFETENSORS_FORMATS, "gguf", "i2_s")


def save_ternary(
    model: PreTrainedModel | str | os.PathLike[str],
    directory: str | os.PathLike[str],
    format: Format = "transformers",
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
    overwrite: bool = False,
    verify: bool = False,
    verify_texts: Sequence[str] | None = None,
    dtype: torch.dtype | None = None,
    gguf_type: str = "TQ2_0",
    pre_tokenizer: str | None = None,
    max_shard_size: int | str = "5GB",
    trust_remote_code: bool = False,
) -> VerifyReport | None:
    """Write a ternary model in the format of a runtime; what is written computes what the model computes.

    The model stays as it is, latent weights included.

    Args:
        model: A transformers model with `BitLinear158` layers, or a folder that `load_ternary` reads.
        directory: The folder to write. It appears when everything is in it.
        format: See the module's table; docs/formats/README.md compares them.
        tokenizer: Saved with the model; `gguf` and `i2_s` need it. Default: the one in the model's folder.
        overwrite: Replace a folder that is not empty.
        verify: Compare logits of the result with the model's before the target changes, and raise where they
            disagree (`bitsft.verify` with its default bounds).
        verify_texts: Texts for that; default: those that ship with bitsft.
        dtype: Of the floating-point tensors in safetensors formats. Default: as they are; `dense` bfloat16,
            `latent` float32.
        gguf_type: Of the ternary matrices in `gguf`: TQ2_0, TQ1_0, Q2_K, Q4_0, Q8_0 or F16.
        pre_tokenizer: llama.cpp's name of the tokenizer's splitting rule, where it is not recognised.
        max_shard_size: Largest safetensors file.
        trust_remote_code: Allow model code that lies in the model's folder.

    Returns:
        With `verify` the report, where logits could be compared; bitnet.cpp's file is read back and compared tensor
        by tensor instead.

    Raises:
        TypeError: `model` is neither a transformers model nor a path.
        ValueError: The model has no ternary layer, or something that the format cannot hold; an argument does
            not go with the format; the result does not agree with the model.
        FileExistsError: The folder is not empty and `overwrite` is False, or holds folders.
        ImportError: An optional package is missing; the message has the command.
    """
    _check_arguments(format, dtype, gguf_type, pre_tokenizer)
    if not isinstance(model, PreTrainedModel | str | os.PathLike):
        raise TypeError(
            f"model is a {type(model).__name__}; pass a transformers model or a folder. Of a model with adapters, "
            "save the adapter (save_pretrained) and export the base."
        )
    folder = None if isinstance(model, PreTrainedModel) else Path(model)
    if tokenizer is None and folder is not None:
        tokenizer = _saved_tokenizer(folder, trust_remote_code)
    if folder is None:
        source = source_from_model(model)
    else:
        source = source_from_folder(folder, trust_remote_code=trust_remote_code)
    layout = SAFETENSORS_FORMATS.get(format)
    if layout is not None:
        layout.check(source.model)
    else:
        _check_gguf(source, format, tokenizer, gguf_type, pre_tokenizer)
    report = None
    with replaced_folder(directory, overwrite=overwrite) as target:
        if layout is not None:
            _write_safetensors_folder(source, layout, target, dtype, max_shard_size, folder)
            if tokenizer is not None and folder is None:
                tokenizer.save_pretrained(target)
        else:
            _write_gguf(source, format, target, tokenizer, gguf_type, pre_tokenizer)
        if verify:
            report = _verify(
                folder or model, source, format, target, Path(directory), verify_texts, tokenizer
            )
    return report


def _check_arguments(
    format: str, dtype: torch.dtype | None, gguf_type: str, pre_tokenizer: str | None
) -> None:
    if format not in FORMATS:
        raise ValueError(f"format is {format!r}; choose one of {', '.join(FORMATS)}.")
    layout = SAFETENSORS_FORMATS.get(format)
    if dtype is not None and (layout is None or dtype not in layout.dtypes):
        raise ValueError(
            f"dtype={dtype} does not go with format={format!r}"
            + (f", which holds {', '.join(map(str, layout.dtypes))}." if layout else ".")
        )
    if format != "gguf" and gguf_type != "TQ2_0":
        raise ValueError(f"gguf_type={gguf_type!r} goes with format='gguf' only, not {format!r}.")
    if layout is not None and pre_tokenizer is not None:
        raise ValueError(f"pre_tokenizer goes with format='gguf' and 'i2_s' only, not {format!r}.")


def _write_safetensors_folder(
    source: TernarySource,
    layout: SafetensorsFormat,
    target: Path,
    dtype: torch.dtype | None,
    max_shard_size: int | str,
    folder: Path | None,
) -> None:
    tensors = CheckpointTensors(source, layout, dtype)
    in_memory = not next(source.model.parameters()).is_meta
    with config_for(source.model, layout, dtype) as config:
        if in_memory:  # save_pretrained knows how transformers names the tensors in files
            source.model.save_pretrained(
                target, state_dict=tensors.read_all(), max_shard_size=max_shard_size
            )
            if tensors.dtype is not None:  # save_pretrained writes the dtype of the model in memory
                config.dtype = tensors.dtype
                config.save_pretrained(target)
        else:
            config.save_pretrained(target)
            write_safetensors(target, tensors.outline, tensors.read, max_shard_size=max_shard_size)
    if folder is not None:
        _copy_what_goes_with_the_weights(folder, target)


_WEIGHTS_AND_STATE = (
    ".safetensors",
    ".index.json",
    ".bin",
    ".pt",
    ".pth",
    ".ckpt",
    ".h5",
    ".msgpack",
    ".onnx",
    ".gguf",
)


def _copy_what_goes_with_the_weights(folder: Path, target: Path) -> None:
    """Tokenizer, generation_config.json, model card, licence, code: all files but weights and training state."""
    for file in sorted(folder.iterdir()):
        skipped = file.name.endswith(_WEIGHTS_AND_STATE) or file.name in (
            "config.json",
            "trainer_state.json",
        )
        if file.is_file() and not file.name.startswith(".") and not skipped:
            shutil.copyfile(file, target / file.name)


def _saved_tokenizer(folder: Path, trust_remote_code: bool) -> PreTrainedTokenizerBase | None:
    names = ("tokenizer_config.json", "tokenizer.json", "tokenizer.model", "vocab.json")
    if not any((folder / name).is_file() for name in names):
        return None
    return AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)


def _check_gguf(
    source: TernarySource,
    format: str,
    tokenizer: PreTrainedTokenizerBase | None,
    gguf_type: str,
    pre_tokenizer: str | None,
) -> None:
    if tokenizer is None:
        raise ValueError(
            f"format={format!r} holds the tokenizer, too, and there is none. Pass tokenizer=, or save it in the "
            "model's folder (tokenizer.save_pretrained(folder))."
        )
    if format == "gguf":
        check_gguf(source, tokenizer, gguf_type, pre_tokenizer=pre_tokenizer)
    else:
        check_i2_s(source, tokenizer, pre_tokenizer=pre_tokenizer)


def _write_gguf(
    source: TernarySource,
    format: str,
    target: Path,
    tokenizer: PreTrainedTokenizerBase | None,
    gguf_type: str,
    pre_tokenizer: str | None,
) -> None:
    if tokenizer is None:
        return  # refused before
    if format == "gguf":
        file = target / f"model-{gguf_type}.gguf"
        written = write_gguf(
            source, file, tokenizer, gguf_type=gguf_type, pre_tokenizer=pre_tokenizer
        )
        others = Counter(t.type for t in written if t.ternary and t.type != gguf_type)
        if others:
            logger.warning(
                "%s cannot hold every ternary matrix without loss; %s.",
                gguf_type,
                ", ".join(f"{count} became {kind}" for kind, count in others.items()),
            )
    else:
        write_i2_s(source, target / "model-i2_s.gguf", tokenizer, pre_tokenizer=pre_tokenizer)


def _verify(
    model: PreTrainedModel | Path,
    source: TernarySource,
    format: str,
    target: Path,
    final: Path,
    texts: Sequence[str] | None,
    tokenizer: PreTrainedTokenizerBase | None,
) -> VerifyReport | None:
    if format == "i2_s":  # no runtime at hand reads it
        check_i2_s_file(source, target / "model-i2_s.gguf")
        return None
    # A folder of masters is ternary only as bitsft reads it: for stock transformers it is a dense model.
    reference = model if isinstance(model, PreTrainedModel) else load_ternary(model)
    report = verify_agreement(reference, target, texts, tokenizer=tokenizer)
    exported = report.exported  # call it by the name that it is about to get
    exported = replace(exported, what=exported.what.replace(str(target), str(final)))
    report = replace(report, exported=exported)
    if not report.passed:
        raise ValueError(
            f"The export does not agree with the model, so nothing was changed at the target.\n{report}"
        )
    return report
