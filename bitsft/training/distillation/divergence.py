"""Divergence between the next-token distributions of teacher and student, from hidden states and output heads."""

import torch

from bitsft.training.distillation.options import DivergenceName
from bitsft.training.distillation.output_head import OutputHead
from bitsft.training.distillation.signals import TeacherHeadSignal, TopKSignal


def head_divergence(
    hidden: torch.Tensor,
    head: OutputHead,
    teacher: TeacherHeadSignal,
    *,
    words: int,
    temperature: float = 1.0,
    divergence: DivergenceName = "forward",
) -> torch.Tensor:
    """Sum over tokens of D(teacher, student) in nats; float32 scalar with gradients for hidden and head."""
    raise NotImplementedError


def top_k_divergence(
    hidden: torch.Tensor,
    head: OutputHead,
    teacher: TopKSignal,
    *,
    words: int,
    temperature: float = 1.0,
    divergence: DivergenceName = "forward",
) -> torch.Tensor:
    """As `head_divergence`, over the k words and one more that stands for the rest."""
    raise NotImplementedError
