"""`bitsft verify A B`: the arguments, the table on stdout, the exit status.

0  everything within the bounds
1  an error, explained in one line
3  beyond a bound, or other tokens
"""

import argparse
import sys
from pathlib import Path

from bitsft.cli.parser import at_least, at_least_number

BEYOND_BOUNDS = 3


def add_verify_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bitsft verify` and what runs it (`parsed.run`).

    Args:
        parser: The verb's own parser.
    """
    parser.add_argument("reference", metavar="A", help="the model: a folder, or a .gguf file")
    parser.add_argument(
        "exported", metavar="B", help="what was made of it: a folder, or a .gguf file"
    )
    parser.add_argument(
        "--texts",
        type=Path,
        metavar="FILE",
        help='what to compare on: .txt with blank lines between texts, or .jsonl with "text" in each row '
        "(default: Korean texts that ship with bitsft)",
    )
    parser.add_argument(
        "--tokenizer", metavar="FOLDER", help="of the model (default: the one in A, else in B)"
    )
    parser.add_argument(
        "--max-length",
        type=at_least(2),
        default=512,
        help="tokens of each text (default: %(default)s)",
    )
    parser.add_argument(
        "--min-top1",
        type=at_least_number(0),
        metavar="SHARE",
        help="smallest share of positions with the same first token (default: 0.98 where A and B round "
        "activations alike, else 0.95)",
    )
    parser.add_argument(
        "--max-perplexity-change",
        type=at_least_number(0),
        metavar="SHARE",
        help="largest relative change of perplexity (default: 0.0005, else 0.01)",
    )
    parser.add_argument(
        "--max-kl",
        type=at_least_number(0),
        metavar="NATS",
        help="largest mean KL divergence (default: 0.0001, else 0.005)",
    )
    parser.add_argument(
        "--max-difference",
        type=at_least_number(0),
        help="largest difference of two logits (default: none)",
    )
    parser.add_argument(
        "--runtime",
        choices=("auto", "transformers", "llama.cpp"),
        default="auto",
        help="what reads GGUF files (default: llama.cpp where it is installed)",
    )
    parser.add_argument(
        "--dtype",
        choices=("float32", "bfloat16", "float16", "float64"),
        default="float32",
        help="what transformers computes in (default: %(default)s)",
    )
    parser.add_argument(
        "--threads",
        type=at_least(1),
        help="of each reading process (default: as many as torch takes)",
    )
    parser.add_argument(
        "--ternary",
        action="store_true",
        help="A holds full-precision or master weights: make them ternary, as load_ternary does",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there, too")
    parser.set_defaults(run=run_verify)


def run_verify(parsed: argparse.Namespace) -> int:
    """Verify, print the table, and say by the exit status how it went.

    Args:
        parsed: What `add_verify_arguments` asked for.

    Returns:
        0 within the bounds, 3 beyond them.

    Raises:
        ValueError, OSError, ImportError: As `verify`; or a file of texts that cannot be read.
    """
    import torch
    from transformers import AutoTokenizer

    from bitsft.checkpoint.load import load_ternary
    from bitsft.checkpoint.proof.readers import i2_s_file_of
    from bitsft.checkpoint.proof.verify import verify

    if parsed.json is not None and not parsed.json.parent.is_dir():
        raise FileNotFoundError(
            f"--json {parsed.json}: the folder {parsed.json.parent} does not exist."
        )
    i2_s = i2_s_file_of(Path(parsed.exported))
    if i2_s is not None:
        return _verify_tensors(Path(parsed.reference), i2_s)
    if sys.stderr.isatty():
        print(
            "Each model runs in a process of its own; transformers compiles its unpacking first (a minute or so).",
            file=sys.stderr,
        )
    tokenizer = parsed.tokenizer or (parsed.reference if parsed.ternary else None)
    report = verify(
        load_ternary(parsed.reference) if parsed.ternary else parsed.reference,
        parsed.exported,
        None if parsed.texts is None else read_texts(parsed.texts),
        tokenizer=None if tokenizer is None else AutoTokenizer.from_pretrained(tokenizer),
        max_length=parsed.max_length,
        min_top1=parsed.min_top1,
        max_perplexity_change=parsed.max_perplexity_change,
        max_kl=parsed.max_kl,
        max_difference=parsed.max_difference,
        runtime=parsed.runtime,
        dtype=getattr(torch, parsed.dtype),
        threads=parsed.threads,
    )
    print(report)
    if parsed.json is not None:
        parsed.json.write_text(report.to_json(), encoding="utf-8")
    return 0 if report.passed else BEYOND_BOUNDS


def _verify_tensors(reference: Path, i2_s: Path) -> int:
    """bitnet.cpp has no Python package, so its files are compared with the model tensor by tensor."""
    from bitsft.checkpoint.gguf.i2_s import check_i2_s_file
    from bitsft.checkpoint.source_folder import source_from_folder

    source = source_from_folder(reference)
    try:
        check_i2_s_file(source, i2_s)
    except ValueError as error:
        print(f"{error}\nfailed")
        return BEYOND_BOUNDS
    print(
        f"{i2_s}: the codes and scales of all {len(source.layers)} ternary layers are those of {reference}, and all "
        f"{len(source.dense_names)} other tensors are, as far as fp16 holds them.\npassed"
    )
    return 0


def read_texts(path: Path) -> list[str]:
    """Texts from a file.

    Args:
        path: A .txt file in UTF-8 with blank lines between texts, or anything that `bitsft.read_rows`
            reads with a column "text".

    Returns:
        The texts, in order.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file holds no text, is not UTF-8, or a row has no "text".
    """
    if not path.is_file():
        raise FileNotFoundError(f"--texts {path}: no such file.")
    if path.suffix.lower() == ".txt":
        try:
            blocks = path.read_text(encoding="utf-8-sig").split("\n\n")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"--texts {path}: not UTF-8, at byte {error.start}. Save it as UTF-8."
            ) from error
        texts = [block.strip("\n") for block in blocks if block.strip()]
        if not texts:
            raise ValueError(f"--texts {path}: the file is empty.")
        return texts
    from bitsft.data.read import read_rows

    rows = read_rows(path)
    for number, row in enumerate(rows):
        if not isinstance(row.get("text"), str):
            raise ValueError(
                f'--texts {path}, row {number}: no text under "text"; the row has {sorted(row)}.'
            )
    return [row["text"] for row in rows]
