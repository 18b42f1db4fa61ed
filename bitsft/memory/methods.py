"""The ways to train that are told apart, and what each keeps of a weight.

    latent        TernarySFTTrainer, float32 latent weights, AdamW; the int8 codes are held beside them
    latent-8bit   the same with bitsandbytes' 8-bit AdamW (optim="adamw_bnb_8bit")
    stochastic    projection="stochastic" on a bfloat16 model: γ·codes in bfloat16, a byte of position a weight
    lora-packed   adapters over packed codes (load_ternary(..., trainable=False))
    qlora         trl.SFTTrainer over bitsandbytes' NF4 with double quantization, adapters in bfloat16
    lora          trl.SFTTrainer over a dense bfloat16 model

Adapters are LoRA on every linear layer of the decoder. All run under bf16 autocast, as TRL's trainers do by default.
"""

from dataclasses import dataclass
from typing import Literal

import torch

from bitsft.memory.optimizer_state import LATENT_FREE

Base = Literal["latent", "on the grid", "packed", "nf4", "dense"]


@dataclass(frozen=True)
class Method:
    """One way to train.

    Attributes:
        says: For people.
        base: How the decoder's linear weights lie in memory.
        dtype: Of the model as it is loaded.
        optim: The optimizer, a value of `TrainingArguments.optim` or `LATENT_FREE`.
        adapter_dtype: Of the adapters; None where the weights themselves are trained.
        fused_head_in_narrow_tiles: `TernarySFTTrainer` narrows TRL's tiles on a CPU.
    """

    says: str
    base: Base
    dtype: torch.dtype
    optim: str = "adamw_torch_fused"
    adapter_dtype: torch.dtype | None = None
    fused_head_in_narrow_tiles: bool = True

    @property
    def has_adapters(self) -> bool:
        """Whether adapters are trained, over weights that stay as they are."""
        return self.adapter_dtype is not None


METHODS = {
    "latent": Method("all weights, latent float32, AdamW", "latent", torch.float32),
    "latent-8bit": Method(
        "all weights, latent float32, 8-bit AdamW", "latent", torch.float32, "adamw_bnb_8bit"
    ),
    "stochastic": Method(
        "all weights, none latent, bfloat16", "on the grid", torch.bfloat16, LATENT_FREE
    ),
    "lora-packed": Method(
        "LoRA on packed codes", "packed", torch.bfloat16, adapter_dtype=torch.float32
    ),
    "qlora": Method(
        "LoRA on NF4 (QLoRA)",
        "nf4",
        torch.bfloat16,
        adapter_dtype=torch.bfloat16,
        fused_head_in_narrow_tiles=False,
    ),
    "lora": Method(
        "LoRA on dense bfloat16",
        "dense",
        torch.bfloat16,
        adapter_dtype=torch.float32,
        fused_head_in_narrow_tiles=False,
    ),
}
"""By the name that `predict_memory` and `bitsft memory` take."""


def method_named(name: str) -> Method:
    """The method of that name.

    Raises:
        ValueError: There is none.
    """
    if name not in METHODS:
        raise ValueError(f"method is {name!r}; use one of {', '.join(METHODS)}.")
    return METHODS[name]
