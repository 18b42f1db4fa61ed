"""Held-out texts: how well the model predicts them, kept text by text.

    FOLDER/held_out.jsonl    {"bytes": 120, "tokens": 41, "nats": 97.25}     one line a text, in their order

From these three numbers bits per byte and perplexity, their intervals and those of any part follow
(`bitsft.metrics.bits_per_byte`), so the texts are not run again when a folder is loaded.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bitsft.metrics.score import Score

if TYPE_CHECKING:
    import numpy as np

    from bitsft.evaluation.models import LoadedModel

HELD_OUT_FILE = "held_out.jsonl"


@dataclass(frozen=True)
class HeldOut:
    """What was measured on held-out texts.

    Attributes:
        bytes: Of each of n texts, in UTF-8.
        tokens: Predicted tokens of each.
        nats: Negative log-likelihood of each.
        signatures: Of the scores, by name.
    """

    bytes: tuple[int, ...]
    tokens: tuple[int, ...]
    nats: tuple[float, ...]
    signatures: dict[str, str]

    @property
    def scores(self) -> dict[str, Score]:
        """Bits per byte and perplexity; their rows follow the texts."""
        from bitsft.metrics.bits_per_byte import likelihood_scores

        return likelihood_scores(
            self.nats,
            self.bytes,
            self.tokens,
            self.signatures["bits_per_byte"],
            self.signatures["perplexity"],
        )

    def write(self, path: Path) -> None:
        """Write the three numbers of each text, whole or not at all."""
        from bitsft.data.common.atomic import atomic_path

        with atomic_path(path) as part, part.open("w", encoding="utf-8") as file:
            for size, tokens, nats in zip(self.bytes, self.tokens, self.nats, strict=True):
                file.write(json.dumps({"bytes": size, "tokens": tokens, "nats": nats}) + "\n")


def score_texts(
    loaded: "LoadedModel", texts: Sequence[str], *, batch_size: int = 4, progress: bool = False
) -> HeldOut | None:
    """Measure held-out texts; None where there are none.

    Args:
        loaded: The model.
        texts: The texts.
        batch_size: Windows per forward pass.
        progress: Show a bar.

    Raises:
        ValueError: Memory is too small, or as `bits_per_byte`.
    """
    import torch

    from bitsft.metrics.bits_per_byte import bits_per_byte

    if not texts:
        return None
    try:
        measured = bits_per_byte(
            loaded.model, loaded.tokenizer, texts, batch_size=batch_size, progress=progress
        )
    except torch.OutOfMemoryError as error:
        raise ValueError(
            f"the memory of {loaded.model.device} is too small for {batch_size} held-out texts at once: lower "
            "--batch-size (batch_size=...), or load in bfloat16 with --dtype"
        ) from error
    sizes = _table(measured["bits_per_byte"])[:, 1]
    perplexity = _table(measured["perplexity"])
    return HeldOut(
        tuple(int(size) for size in sizes),
        tuple(int(tokens) for tokens in perplexity[:, 1]),
        tuple(float(nats) for nats in perplexity[:, 0]),
        {name: score.signature for name, score in measured.items()},
    )


def read_texts(path: str | os.PathLike[str]) -> list[str]:
    """The texts of a file: the lines of a .txt file, or the column text of any that `read_records` reads.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A row has no text.
    """
    from bitsft.data.ledger import Ledger
    from bitsft.data.read import read_records

    texts = []
    for record in read_records(path, ledger=Ledger(strict=True)):
        text = record.values.get("text")
        if not isinstance(text, str) or not text.strip():
            raise ValueError(
                f'{record}: has no text in a column "text"; its columns are {sorted(map(str, record.values))}'
            )
        texts.append(text)
    return texts


def read_held_out(path: Path, signatures: dict[str, str]) -> HeldOut:
    """Read what `HeldOut.write` wrote.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A line is damaged.
    """
    rows: list[tuple[int, int, float]] = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                values = json.loads(line)
                rows.append((int(values["bytes"]), int(values["tokens"]), float(values["nats"])))
            except (ValueError, TypeError, KeyError) as error:
                raise ValueError(f"{path}, line {number}: is damaged ({error!r})") from error
    if not rows:
        raise ValueError(f"{path}: is empty. Evaluate anew")
    sizes, tokens, nats = zip(*rows, strict=True)
    return HeldOut(sizes, tokens, nats, signatures)


def _table(score: Score) -> "np.ndarray":
    if score.statistics is None:
        raise ValueError(f"{score.name} came without its statistics")
    return score.statistics.table
