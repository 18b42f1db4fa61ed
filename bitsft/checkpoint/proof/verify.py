"""`verify`: proof that an export computes what the model computes.

Both sides read the same token ids, each by the code that will run it in earnest (readers/), and their logits
are compared position by position (agreement.py). The exported tokenizer is compared too: one that cuts texts
differently is the usual reason for a model that loads and talks nonsense.

Why the bounds are what they are: an export in which every weight is right still differs from the model where
its runtime rounds activations in another way, as llama.cpp does, which takes blocks of 256 instead of whole
tokens. One such rounding that falls the other way moves logits by about 1e-2, so the largest difference says
little; KL, perplexity and top-1 say whether it matters. docs/verify.md has measurements.

Limits: local files; a few thousand tokens tell a broken export from a right one, not one perplexity point
in a hundred thousand from another.
"""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor
from tqdm.auto import tqdm
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from bitsft.checkpoint.proof.agreement import LogitComparison
from bitsft.checkpoint.proof.readers import Reader, Runtime, Side, gguf_file_of, open_reader
from bitsft.checkpoint.proof.readers.process import ProcessReader
from bitsft.checkpoint.proof.report import Bounds, Tokenization, VerifyReport
from bitsft.checkpoint.proof.texts import proof_texts

_TOKENIZER_FILES = ("tokenizer_config.json", "tokenizer.json", "tokenizer.model")

ModelOrPath: TypeAlias = PreTrainedModel | str | os.PathLike[str]


def verify(
    model_or_dir: ModelOrPath,
    exported: ModelOrPath,
    texts: Sequence[str] | None = None,
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
    max_length: int = 512,
    min_top1: float | None = None,
    max_perplexity_change: float | None = None,
    max_kl: float | None = None,
    max_difference: float | None = None,
    runtime: Runtime = "auto",
    dtype: torch.dtype = torch.float32,
    threads: int | None = None,
    progress: bool = True,
) -> VerifyReport:
    """Compare the logits, the perplexity and the tokenization of a model and its export.

    A model in memory stays as it is: weights, gradients, training mode, config.

    Args:
        model_or_dir: A, the reference: a model, a folder that stock transformers loads, or a GGUF file.
        exported: B, what is checked: the same kinds of things.
        texts: What to compare on. Default: Korean documents and questions that ship with bitsft.
        tokenizer: Turns texts into ids. Default: the one in A's folder, else in B's.
        max_length: Longer texts are cut to so many tokens (or to the model's positions, where fewer).
        min_top1: Smallest share of positions, 0 to 1, where both put the same token first. Default: 0.98
            where both sides round activations alike (the model and its `transformers` export), else 0.95.
        max_perplexity_change: Largest |perplexity_b / perplexity_a − 1|. Default: 0.0005, else 0.01.
        max_kl: Largest mean KL(A‖B) in nats. Default: 1e-4, else 0.005.
        max_difference: Largest |Δ| of two logits. Default: no bound.
        runtime: What reads GGUF files: "llama.cpp", "transformers", or "auto" for the first that is
            installed.
        dtype: What transformers and a model in memory compute in.
        threads: Of the other processes; default: as many as torch has here.
        progress: Show a progress bar once the comparison takes longer than three seconds.

    Returns:
        The report; `report.passed` says whether everything is within the bounds.

    Raises:
        FileNotFoundError: A path leads nowhere.
        ValueError: A side cannot be read, or lacks tensors; the vocabularies differ; there is no
            tokenizer; no text has two tokens; a bound or an option makes no sense.
        ImportError: A package that reads the format is missing.
    """
    bounds = Bounds(min_top1, max_perplexity_change, max_kl, max_difference)
    _check_options(texts, max_length, runtime, (model_or_dir, exported))
    source = "given"
    if tokenizer is None:
        tokenizer, source = _find_tokenizer(model_or_dir, exported)
    if texts is None:
        texts = proof_texts(tokenizer)
    encoded = [list(tokenizer(text)["input_ids"]) for text in texts]
    usable = [ids for ids in encoded if len(ids) >= 2]
    if not usable:
        raise ValueError(
            f"None of the {len(texts)} texts has two tokens or more, so there is nothing to compare. Pass "
            "longer texts."
        )
    with ExitStack() as stack:
        readers: list[Reader] = []
        for side in (model_or_dir, exported):  # both start before the first one is waited for
            reader = open_reader(
                side, runtime=runtime, dtype=dtype, max_length=max_length, threads=threads
            )
            stack.enter_context(reader)
            readers.append(reader)
        a, b = readers
        vocabulary, notes = _common_vocabulary(a.side, b.side, tokenizer, usable)
        limit = min([max_length, *(s.positions for s in (a.side, b.side) if s.positions)])
        comparison = LogitComparison()
        for ids in tqdm(usable, desc="Verifying", unit="text", delay=3, disable=not progress):
            tokens = torch.tensor(ids[:limit])
            comparison.add(
                _first(a.logits(tokens), vocabulary), _first(b.logits(tokens), vocabulary), tokens
            )
        tokenization, note = _compare_tokenization(b, exported, source, texts, encoded)
        return VerifyReport(
            agreement=comparison.result(),
            bounds=bounds.for_sides(a.side, b.side),
            reference=a.side,
            exported=b.side,
            tokenization=tokenization,
            texts=len(usable),
            skipped=len(texts) - len(usable),
            cut=sum(len(ids) > limit for ids in usable),
            max_length=limit,
            notes=(*notes, *a.side.notes, *b.side.notes, *([note] if note else [])),
        )


def _check_options(
    texts: Sequence[str] | None,
    max_length: int,
    runtime: Runtime,
    sides: tuple[ModelOrPath, ModelOrPath],
) -> None:
    if max_length < 2:
        raise ValueError(f"max_length is {max_length}; a comparison needs at least 2 tokens.")
    if isinstance(texts, str) or (texts is not None and not all(isinstance(t, str) for t in texts)):
        raise ValueError(
            f"texts must be a list of strings, not {type(texts).__name__} of other things."
        )
    paths = [Path(side) for side in sides if not isinstance(side, PreTrainedModel)]
    gguf_files = [gguf_file_of(path) for path in paths]  # raises where a path leads nowhere
    if runtime == "llama.cpp" and not any(gguf_files):
        raise ValueError(
            'runtime="llama.cpp" reads GGUF files, and neither side is one; leave it out.'
        )


def _find_tokenizer(
    reference: ModelOrPath, exported: ModelOrPath
) -> tuple[PreTrainedTokenizerBase, str]:
    """The tokenizer in A's folder, else in B's; and whose it is."""
    for side, where in ((reference, "A"), (exported, "B")):
        tokenizer = _tokenizer_in(side)
        if tokenizer is not None:
            return tokenizer, where
    raise ValueError(
        "There is no tokenizer: neither side is a folder that holds one. Save it there "
        "(tokenizer.save_pretrained(folder)), or pass tokenizer=."
    )


def _tokenizer_in(side: ModelOrPath) -> PreTrainedTokenizerBase | None:
    if isinstance(side, PreTrainedModel):
        return None
    folder = Path(side)
    if not any((folder / name).is_file() for name in _TOKENIZER_FILES):
        return None
    return AutoTokenizer.from_pretrained(folder)


def _common_vocabulary(
    a: Side, b: Side, tokenizer: PreTrainedTokenizerBase, encoded: list[list[int]]
) -> tuple[int, list[str]]:
    """How many logits of each position are compared. Rows past the tokenizer are padding; any other
    difference in size means that the two are not the same model."""
    common = min(a.vocab_size, b.vocab_size)
    highest = max(max(ids) for ids in encoded)
    if highest >= common:
        raise ValueError(
            f"The tokenizer gives token {highest}, but the models have {a.vocab_size} (A) and "
            f"{b.vocab_size} (B) tokens: it belongs to another model. Pass the right tokenizer=."
        )
    if a.vocab_size == b.vocab_size:
        return common, []
    if common < len(tokenizer):
        raise ValueError(
            f"The vocabularies differ: {a.vocab_size} tokens in A ({a.what}), {b.vocab_size} in B "
            f"({b.what}), and the tokenizer has {len(tokenizer)}. These are not the same model."
        )
    more = "A" if a.vocab_size > b.vocab_size else "B"
    return common, [
        f"{more} has {abs(a.vocab_size - b.vocab_size)} rows past the tokenizer's {len(tokenizer)} tokens "
        f"(padding), which are left out: the first {common} logits are compared"
    ]


def _first(logits: Tensor, vocabulary: int) -> Tensor:
    return logits[:, :vocabulary]


def _compare_tokenization(
    reader: Reader,
    exported: ModelOrPath,
    source: str,
    texts: Sequence[str],
    encoded: list[list[int]],
) -> tuple[Tokenization | None, str]:
    """The ids that B itself gives each text, against the ids that were used; or a note why not."""
    if isinstance(reader, ProcessReader) and reader.tokenizes:
        found = [reader.tokenize(text) for text in texts]
        return Tokenization.compare("llama.cpp", texts, encoded, found), ""
    if source == "B":
        return None, "the tokenizer is B's own, so tokenization was not compared with another one"
    if isinstance(exported, PreTrainedModel):
        return None, ""
    if gguf_file_of(Path(exported)) is not None:
        return None, "B's tokenization was not compared: that takes llama.cpp"
    tokenizer = _tokenizer_in(exported)
    if tokenizer is None:
        return None, "B's tokenization was not compared: its folder has no tokenizer"
    found = [list(tokenizer(text)["input_ids"]) for text in texts]
    return Tokenization.compare("B's tokenizer", texts, encoded, found), ""
