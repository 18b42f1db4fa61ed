"""What a teacher says about a batch: hidden states with its head, or the top of its distributions.

Both hold one row for each position where `mask` (batch, length) is True, in the order of `hidden[mask]`: the positions
whose next token is trained. A model yields the first form, a cache the second.
"""

from dataclasses import dataclass, field

import torch

from bitsft.training.distillation.output_head import OutputHead


@dataclass(frozen=True)
class TeacherHeadSignal:
    """The whole distribution, not yet multiplied out.

    Attributes:
        hidden: [tokens, the teacher's width]: the backbone's last hidden states, without gradient.
        head: The teacher's output head.
        attention: What attention distillation compares (attention.py); empty without it.
    """

    hidden: torch.Tensor
    head: OutputHead
    attention: dict[str, torch.Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class TopKSignal:
    """The k likeliest words of each position, and the probability that is left.

    Attributes:
        indices: int64 [tokens, k]: ids of the words, each once in a row.
        log_probs: float [tokens, k]: their log-probabilities at the temperature of the distillation.
        rest: float [tokens]: logarithm of the probability of all other words together; -inf where there is none.
    """

    indices: torch.Tensor
    log_probs: torch.Tensor
    rest: torch.Tensor


TeacherSignal = TeacherHeadSignal | TopKSignal
