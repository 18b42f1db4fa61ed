"""Distributions over a vocabulary made coarse: k tokens by themselves, all others in one bucket.

    p = (p_1, ..., p_V)   ->   (p at the teacher's k likeliest tokens, 1 - their sum)

A divergence between coarse distributions is exact for them, and never above that between the full ones (data
processing inequality): what is lost is how teacher and student differ inside the bucket.

The bucket's mass is summed over its own tokens, in logarithms. As 1 minus the rest it would be rounding noise
wherever the teacher is sure.
"""

import torch

from bitsft.training.distillation.signals import TopKSignal

_LOWEST = -60_000.0
"""Below it float16 has no numbers; its probability is 0 in float32, too."""


def teacher_top_k(logits: torch.Tensor, k: int, temperature: float) -> TopKSignal:
    """The k likeliest words of each row, and the logarithm of the rest.

    Args:
        logits: (n, vocabulary), before the temperature.
        k: 1 or more, below the vocabulary's size.
        temperature: What the logits are divided by.
    """
    log_probs = (logits.float() / temperature).log_softmax(-1)
    top, indices = log_probs.topk(k, dim=-1)
    rest = log_probs.scatter(-1, indices, -torch.inf).logsumexp(-1)
    return TopKSignal(indices, top, rest)


def to_stored(signal: TopKSignal) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities as they are stored: float16 of the words (n, k), float32 of the bucket (n,).

    float16 keeps 11 bits: ln p is off by at most |ln p|/2048, so the probabilities of a row are off by less than
    its entropy over 2048 in all.
    """
    return signal.log_probs.clamp(min=_LOWEST).half(), signal.rest.float()


def from_stored(indices: torch.Tensor, log_probs: torch.Tensor, rest: torch.Tensor) -> TopKSignal:
    """What `to_stored` made, in float32, each row brought back to a sum of 1."""
    joined = torch.cat([log_probs.float(), rest.float()[:, None]], dim=-1).log_softmax(-1)
    return TopKSignal(indices.long(), joined[:, :-1], joined[:, -1])
