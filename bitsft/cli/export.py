"""`bitsft export MODEL FOLDER`: the arguments, and what was written.

0  written (and, with --verify, in agreement with the model)
1  an error, explained in one line; the target is as it was
"""

import argparse
from pathlib import Path

from bitsft.cli.parser import WrongUse

FORMATS = ("transformers", "latent", "dense", "compressed-tensors", "gguf", "i2_s")
GGUF_TYPES = ("TQ2_0", "TQ1_0", "Q2_K", "Q4_0", "Q8_0", "F16")


def add_export_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bitsft export` and what runs it (`parsed.run`).

    Args:
        parser: The verb's own parser.
    """
    parser.add_argument(
        "model", metavar="MODEL", help="the model: a folder in any form that load_ternary reads"
    )
    parser.add_argument("directory", metavar="FOLDER", type=Path, help="the folder to write")
    parser.add_argument(
        "--format", choices=FORMATS, default="transformers", help="default: %(default)s"
    )
    parser.add_argument(
        "--gguf-type",
        choices=GGUF_TYPES,
        default="TQ2_0",
        help="of the ternary matrices in a GGUF file (default: %(default)s; Q2_K runs everywhere)",
    )
    parser.add_argument(
        "--gguf-pre-tokenizer",
        metavar="NAME",
        help="llama.cpp's name of the tokenizer's splitting rule, where it is not recognised",
    )
    parser.add_argument(
        "--dtype",
        choices=("float32", "bfloat16", "float16"),
        help="of the tensors outside the ternary layers (default: as they are; with dense bfloat16)",
    )
    parser.add_argument(
        "--max-shard-size", default="5GB", help="of a safetensors file (default: %(default)s)"
    )
    parser.add_argument(
        "--trust-remote-code",
        action="store_true",
        help="allow model code that lies in MODEL (read it first)",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a folder that is not empty"
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="compare logits with the model's before the folder appears",
    )
    parser.add_argument(
        "--texts", type=Path, metavar="FILE", help="texts for --verify, as in `bitsft verify`"
    )
    parser.set_defaults(run=run_export)


def run_export(parsed: argparse.Namespace) -> int:
    """Export, and print what was written.

    Args:
        parsed: What `add_export_arguments` asked for.

    Returns:
        0.

    Raises:
        ValueError, OSError, ImportError: As `save_ternary`; or `--texts` without `--verify`.
    """
    import torch

    from bitsft.checkpoint.save import save_ternary
    from bitsft.cli.verify import read_texts

    if parsed.texts is not None and not parsed.verify:
        raise WrongUse("--texts says what to verify on; add --verify.")
    report = save_ternary(
        parsed.model,
        parsed.directory,
        parsed.format,
        overwrite=parsed.overwrite,
        verify=parsed.verify,
        verify_texts=None if parsed.texts is None else read_texts(parsed.texts),
        dtype=None if parsed.dtype is None else getattr(torch, parsed.dtype),
        gguf_type=parsed.gguf_type,
        pre_tokenizer=parsed.gguf_pre_tokenizer,
        max_shard_size=parsed.max_shard_size,
        trust_remote_code=parsed.trust_remote_code,
    )
    if report is not None:
        print(report)
    for file in sorted(parsed.directory.iterdir()):
        print(f"{file.stat().st_size / 1e6:12.2f} MB  {file}")
    return 0
