"""How a document of a batch finds its rows: by a hash of its tokens and of which of them are trained.

The hash knows nothing of batches, so rows are found again in any order, batch size and packing that keeps documents
whole. With `wrapped` packing the row is the document, and another `max_length` makes other documents.
"""

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any

import numpy as np
import torch

from bitsft.training.distillation.documents import Document, documents

_TEXT_INPUTS = {
    "input_ids",
    "attention_mask",
    "position_ids",
    "labels",
    "shift_labels",
    "cu_seq_lens_q",
    "cu_seq_lens_k",
    "seq_idx",
}


def document_key(tokens: np.ndarray, trained: np.ndarray) -> bytes:
    """16 bytes (BLAKE2b) that stand for a document and the tokens it is trained on.

    Args:
        tokens: Token ids, (n,).
        trained: Bool (n,): where the next token is trained.
    """
    state = blake2b(digest_size=16)
    state.update(len(tokens).to_bytes(8, "little"))
    state.update(np.ascontiguousarray(tokens, dtype="<i4").tobytes())
    state.update(np.packbits(trained).tobytes())
    return state.digest()


def keyed_documents(
    inputs: Mapping[str, Any], mask: torch.Tensor
) -> Iterator[tuple[bytes, np.ndarray, np.ndarray]]:
    """Key, tokens and trained positions of each document that has any, in the order of the batch.

    Args:
        inputs: The batch.
        mask: bool (batch, tokens): where the next token is trained.

    Raises:
        ValueError: A trained position lies in no document, or the batch holds more than text.
    """
    other = sorted(
        name
        for name, value in inputs.items()
        if isinstance(value, torch.Tensor) and name not in _TEXT_INPUTS
    )
    if other:
        raise ValueError(
            f"distillation_cache keeps what a teacher says of tokens alone; the batch also holds {', '.join(other)}. "
            "Leave distillation_cache out."
        )
    tokens, trained = inputs["input_ids"].cpu().numpy(), mask.cpu().numpy()
    covered = 0
    for piece in documents(inputs):
        own = _part(piece, trained)
        if own.any():
            covered += int(own.sum())
            of_piece = _part(piece, tokens)
            yield document_key(of_piece, own), of_piece, own
    if covered != trained.sum():
        raise ValueError(
            f"distillation_cache: {trained.sum() - covered} trained tokens of a batch are padding by its "
            "attention mask. Label padding with -100."
        )


def _part(piece: Document, values: np.ndarray) -> np.ndarray:
    return values[piece.row, piece.start : piece.stop]
