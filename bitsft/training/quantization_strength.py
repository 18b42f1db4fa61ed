"""Quantization strength λ during the warm-up: from full precision (0) to ternary (1).

With t = min(step / warm-up steps, 1), where step counts the optimizer steps done:

    linear    λ = t
    sigmoid   λ = (s(t) - s(0)) / (s(1) - s(0)),  s(t) = 1 / (1 + exp(-10·(t - 1/2)))
    cosine    λ = (1 - cos(π·t)) / 2

Sources: Hugging Face's "Fine-tuning LLMs to 1.58bit" (https://huggingface.co/blog/1_58_llm_extreme_quantization)
mixes `x + λ·(quantized - x).detach()` for weights and activations alike; its linear form is
`min(step / 1000, 1)`.
"""

from dataclasses import dataclass, field
from typing import Literal, get_args

WarmupSchedule = Literal["linear", "sigmoid", "cosine"]


@dataclass
class QuantizationStrengthOptions:
    """Options of the warm-up, part of `TernarySFTConfig`, which describes them."""

    quantization_warmup_ratio: float = field(
        default=0.0,
        metadata={"help": "Share of the steps in which quantization strength rises from 0 to 1."},
    )
    quantization_warmup_schedule: str = field(
        default="linear",
        metadata={
            "help": "How quantization strength rises during the warm-up.",
            "choices": ["linear", "sigmoid", "cosine"],
        },
    )

    def check_quantization_strength_options(self) -> None:
        """Raises:
        ValueError: A value is outside its range.
        """
        if not 0 <= self.quantization_warmup_ratio < 1:
            raise ValueError(
                f"quantization_warmup_ratio is {self.quantization_warmup_ratio}; it is a share of the steps, "
                "from 0 up to but not including 1."
            )
        if self.quantization_warmup_schedule not in get_args(WarmupSchedule):
            raise ValueError(
                f"quantization_warmup_schedule is {self.quantization_warmup_schedule!r}; use 'linear', "
                "'sigmoid' or 'cosine'."
            )
