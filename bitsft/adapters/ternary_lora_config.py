"""`TernaryLoraConfig`: the settings of adapters whose update lies on the grid (ternary_update.py).

Its `peft_type` is its own, so that a PEFT which has not heard of bitsft refuses a saved adapter (KeyError
'TERNARY_LORA') instead of adding it to the weights as a plain LoRA.
"""

from dataclasses import dataclass, field
from typing import Any, get_args

from peft.config import PeftConfig

from bitsft.adapters.ternary_update import LARGEST_RANK, Factors, Rounding

PEFT_TYPE = "TERNARY_LORA"


@dataclass
class TernaryLoraConfig(PeftConfig):
    """Adapters that move the codes of a ternary base and merge into them exactly; give it as `peft_config`.

    The codes become clip(codes + u, -1, 1), u the rounded product of two low-rank factors (docs/adapters.md).

    Args:
        r: Rank of the factors. Default 16.
        strength: Factor of the change that the factors' product makes; larger means codes flip after fewer steps. What
            counts is strength times the learning rate. Default 16.
        rounding: How changes of less than a code become flips: `"dithered"` (default), of as large a share of the codes, or
            `"nearest"`, none below one half and all above.
        factors: What A and B are rounded to in the forward pass: `"int8"` (default), or `"ternary"` as in LoTA-QAF.
        target_modules: As in `LoraConfig`; `"all-linear"`, the default, are the ternary layers.
        exclude_modules: As in `LoraConfig`; so for the fields that follow.
        layers_to_transform: See `LoraConfig`.
        layers_pattern: See `LoraConfig`.
        modules_to_save: See `LoraConfig`.
        trainable_token_indices: See `LoraConfig`.

    Raises:
        ValueError: A number outside its range; unknown `factors` or `rounding`; `layers_to_transform` or
            `layers_pattern` beside a regular expression in `target_modules`.
    """

    r: int = field(default=16, metadata={"help": "Rank of the factors."})
    strength: float = field(
        default=16.0, metadata={"help": "Factor of the change that the factors' product makes."}
    )
    rounding: str = field(
        default="dithered", metadata={"help": "How changes become flips: 'dithered' or 'nearest'."}
    )
    factors: str = field(
        default="int8", metadata={"help": "What A and B are rounded to: 'int8' or 'ternary'."}
    )
    target_modules: list[str] | str | None = field(
        default="all-linear",
        metadata={"help": "Names or a regular expression; 'all-linear' are the ternary layers."},
    )
    exclude_modules: list[str] | str | None = field(
        default=None, metadata={"help": "Names or a regular expression of layers to leave out."}
    )
    layers_to_transform: list[int] | int | None = field(
        default=None, metadata={"help": "Indices of the decoder layers to adapt; default all."}
    )
    layers_pattern: list[str] | str | None = field(
        default=None, metadata={"help": "Name of the list of layers that the indices count in."}
    )
    modules_to_save: list[str] | None = field(
        default=None, metadata={"help": "Dense modules to train and save whole."}
    )
    trainable_token_indices: list[int] | dict[str, list[int]] | None = field(
        default=None, metadata={"help": "Rows of the embedding to train."}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.peft_type: Any = PEFT_TYPE
        for name in ("target_modules", "exclude_modules"):
            if isinstance(getattr(self, name), list):
                setattr(self, name, set(getattr(self, name)))
        if not 1 <= self.r <= LARGEST_RANK:
            raise ValueError(f"r is {self.r}; use a rank from 1 to {LARGEST_RANK}, such as 16.")
        if not 0 < self.strength < float("inf"):
            raise ValueError(f"strength is {self.strength}; use a number above 0, such as 1.")
        for name, known in (("factors", Factors), ("rounding", Rounding)):
            if getattr(self, name) not in get_args(known):
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}; use one of {', '.join(get_args(known))}."
                )
        if isinstance(self.target_modules, str) and self.target_modules != "all-linear":
            for name in ("layers_to_transform", "layers_pattern"):
                if getattr(self, name) is not None:
                    raise ValueError(
                        f"{name} has no effect when target_modules is a regular expression; put the layers there."
                    )
