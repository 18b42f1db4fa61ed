"""Quantization strength λ during the warm-up: from full precision (0) to ternary (1).

With t = min(step / warm-up steps, 1), where step counts the optimizer steps done:

    linear    λ = t
    sigmoid   λ = 1/2 + tanh(k·(t - 1/2)/2) / (2·tanh(k/4)),  k = 100
    cosine    λ = (1 - cos(π·t)) / 2

Sources. "1.58-Bit LLM: A New Era of Extreme Quantization" (https://huggingface.co/blog/1_58_llm_extreme_quantization)
mixes `x + λ·(quantized - x).detach()` for weights and activations alike. Its linear form is
min(step / 1000, 1) for 5,000 steps, a share of 0.2. Its sigmoid is 1 / (1 + exp(-k·(t - 1/2))), which is
1/2 + tanh(k·(t - 1/2)/2) / 2 and starts and ends beside 0 and 1; dividing by tanh(k/4) makes it start at 0 and
end at 1 exactly. Of its k (15 to 100) 100 did best: nearly all of the rise falls into the middle tenth of the
warm-up. Cosine is the half wave that learning rates fall by (arXiv 1608.03983), upside down.

λ depends on the global step and nothing else, so a resumed run continues with the same values.
"""

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

WarmupSchedule = Literal["linear", "sigmoid", "cosine"]

SIGMOID_STEEPNESS = 100
"""k, in units of one over the warm-up's length."""


def quantization_strength(step: int, warmup_steps: float, schedule: WarmupSchedule) -> float:
    """λ for the step to come.

    Args:
        step: Optimizer steps done, from 0.
        warmup_steps: Length of the warm-up in steps, not necessarily whole; 0 for none.
        schedule: `"linear"`, `"sigmoid"` or `"cosine"`.

    Returns:
        λ in [0, 1]: 0 at step 0 of a warm-up, never falling, exactly 1 from `warmup_steps` on.
    """
    if step >= warmup_steps:
        return 1.0
    t = step / warmup_steps
    if schedule == "linear":
        return t
    if schedule == "sigmoid":
        k = SIGMOID_STEEPNESS
        return 0.5 + math.tanh(k * (t - 0.5) / 2) / (2 * math.tanh(k / 4))
    return (1 - math.cos(math.pi * t)) / 2


@dataclass
class QuantizationStrengthOptions:
    """Options of the warm-up, part of `TernarySFTConfig`, which describes them."""

    quantization_warmup_ratio: float = field(
        default=0.0,
        metadata={"help": "Share of the steps in which quantization strength rises from 0 to 1."},
    )
    quantization_warmup_schedule: WarmupSchedule = field(
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
