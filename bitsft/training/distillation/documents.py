"""Where the documents of a batch lie: what was one row of text before padding, packing or flattening.

A row of the batch is cut to its real tokens (attention mask), and these wherever `position_ids` do not go on
counting: so TRL marks the documents of a padding-free or `bfd`-packed row. Rows of `wrapped` packing have no
such marks; there the row is the document, which is also what the model sees.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Document:
    """A run of real tokens in a batch.

    Attributes:
        row: Row of the batch.
        start: Its first token's place in the row.
        stop: The place behind its last token.
    """

    row: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def of(self, tensor: torch.Tensor) -> torch.Tensor:
        """The document's part of a tensor (batch, tokens, ...)."""
        return tensor[self.row, self.start : self.stop]


def documents(inputs: Mapping[str, Any]) -> list[Document]:
    """The documents of a batch, in order of row and place.

    Args:
        inputs: What the model gets: `input_ids` (batch, tokens), and `attention_mask` (batch, tokens) and
            `position_ids` (batch, tokens or 1, tokens) where the collator made them.

    Raises:
        ValueError: The attention mask is not (batch, tokens).
    """
    input_ids = inputs["input_ids"]
    attention_mask, position_ids = inputs.get("attention_mask"), inputs.get("position_ids")
    # The number of the segment that a token belongs to; 0 is padding.
    goes_on = torch.ones_like(input_ids, dtype=torch.bool)
    goes_on[:, 0] = False
    real = torch.ones_like(goes_on)
    if attention_mask is not None:
        if attention_mask.shape != input_ids.shape:
            raise ValueError(
                f"attention_mask has shape {tuple(attention_mask.shape)}, input_ids {tuple(input_ids.shape)}: "
                "distillation finds the documents of a batch by a mask with one value a token. Use TRL's "
                "collator."
            )
        real = attention_mask.bool()
        goes_on[:, 1:] &= real[:, 1:] == real[:, :-1]
    if position_ids is not None:
        counts_on = position_ids[..., 1:] == position_ids[..., :-1] + 1
        # Padding is one segment, whatever its positions.
        goes_on[:, 1:] &= counts_on | ~real[:, 1:]
    starts = torch.nonzero(~goes_on).tolist()
    is_real = real[~goes_on].tolist()
    width = input_ids.shape[1]
    found = []
    for number, (row, start) in enumerate(starts):
        following = starts[number + 1] if number + 1 < len(starts) else (row + 1, 0)
        stop = following[1] if following[0] == row else width
        if is_real[number]:
            found.append(Document(row, start, stop))
    return found


def trained_positions(labels: torch.Tensor) -> torch.Tensor:
    """bool [batch, length]: positions whose next token is trained; the last one never is."""
    mask = torch.zeros_like(labels, dtype=torch.bool)
    mask[:, :-1] = labels[:, 1:] != -100
    return mask
