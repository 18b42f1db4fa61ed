"""What one side of a comparison is, and who read it."""

from dataclasses import dataclass
from typing import Literal

Activations = Literal["int8 per token", "floats", "other"]
"""How the inputs of linear layers are rounded: as in BitNet b1.58, in one product of integers; not at all; or
otherwise (llama.cpp in blocks, transformers' `autobitlinear` back into floats, compressed-tensors)."""


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    Attributes:
        what: The path, or "model in memory".
        model: The class that computed, or llama.cpp's name of the architecture.
        runtime: What read it, with version and dtype.
        vocab_size: Logits per position.
        positions: Longest text that the model was made for, in tokens; None where it has no limit.
        activations: How the inputs of its linear layers are rounded.
        notes: What a reader of the result has to know.
    """

    what: str
    model: str
    runtime: str
    vocab_size: int
    positions: int | None
    activations: Activations
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.what}: {self.model}, read by {self.runtime}"
