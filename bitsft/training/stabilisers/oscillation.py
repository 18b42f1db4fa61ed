"""Codes that oscillate are frozen in the last share of the steps (Nagel et al., arXiv 2203.11086).

Near the end of a run many latent weights sit at the edge between two codes and step over it, forth and back. A code
*reverses* when it changes against the direction of its last change. After each optimizer step, with m = 0.01:

    f    ← (1-m)·f + m·[the code reversed]         how often it reverses, from 0
    mean ← (1-m)·mean + m·code                     where it was, from its code at the start of the phase
    f > 0.025:  frozen for good, at round(mean), the code that it had more often

A frozen latent weight is kept inside its code's cell by clamping it to |W| ≤ 0.45·γ (code 0) or ±W ≥ 0.55·γ (code ±1)
after each step; the edge is at 0.5·γ. What is saved is thus the projection of the latent weights as ever.

Differences from the paper: tracking starts with the phase; a fixed threshold (the paper anneals one from 0.04 to 0.01);
the paper overrides the code where bitsft moves the latent weight. With m = 0.01 a code is frozen at its third reversal
if that comes within about 60 steps of the first.

State, per ternary weight: 7 bytes, from the start of the phase; in checkpoints (`state`). Limits: not with weights
in partitions (DeepSpeed, FSDP).
"""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from bitsft.ternary.linear import BitLinear158
from bitsft.ternary.quantize import absmean_scale

MOMENTUM = 0.01
"""m, the paper's."""
THRESHOLD = 0.025
"""Of f: two to three times m, as the paper's code advises."""
MARGIN = 0.05
"""Distance that a frozen weight keeps from the edge of its cell, in γ."""
FREE = 2
"""Stands for "not frozen" among the frozen codes."""


@dataclass
class CodeHistory:
    """What is known of a layer's codes; every tensor has the weight's shape.

    Attributes:
        codes: int8, after the last step.
        direction: int8, sign of each code's last change; 0 before the first.
        reversals: float16, f.
        mean: float16, the moving mean of the code.
        frozen: int8, the code where it is frozen, else `FREE`.
    """

    codes: Tensor
    direction: Tensor
    reversals: Tensor
    mean: Tensor
    frozen: Tensor

    @classmethod
    def from_codes(cls, codes: Tensor) -> "CodeHistory":
        """A history that begins here."""
        return cls(
            codes=codes.clone(),
            direction=torch.zeros_like(codes),
            reversals=torch.zeros_like(codes, dtype=torch.float16),
            mean=codes.to(torch.float16),
            frozen=torch.full_like(codes, FREE),
        )

    def add(self, codes: Tensor) -> None:
        """Take in the codes after another step, and freeze those that oscillate."""
        change = (codes - self.codes).sign_()
        reversed_now = change * self.direction == -1
        self.reversals.mul_(1 - MOMENTUM).add_(reversed_now.to(torch.float16), alpha=MOMENTUM)
        self.mean.lerp_(codes.to(torch.float16), MOMENTUM)
        self.direction = torch.where(change != 0, change, self.direction)
        oscillates = (self.reversals > THRESHOLD) & (self.frozen == FREE)
        self.frozen = torch.where(oscillates, self.mean.round().to(torch.int8), self.frozen)
        self.codes = torch.where(self.frozen == FREE, codes, self.frozen)


class OscillationFreezer:
    """Watches the codes of the trained layers and holds those that oscillate."""

    def __init__(self) -> None:
        self._histories: dict[str, CodeHistory] = {}

    @torch.no_grad()
    def after_optimizer_step(self, layers: dict[str, BitLinear158]) -> None:
        """Take in the step's codes; put frozen weights where they belong.

        Args:
            layers: The trained layers by name, their weights as the optimizer left them.
        """
        self.hold(layers)
        for name, layer in layers.items():
            layer.drop_codes()
            codes, _ = layer.ternary()
            if name in self._histories:
                self._histories[name].add(codes)
            else:
                self._histories[name] = CodeHistory.from_codes(codes)
        self.hold(layers)

    @torch.no_grad()
    def hold(self, layers: dict[str, BitLinear158]) -> None:
        """Clamp the latent weights of frozen codes to their cells."""
        for name, history in self._histories.items():
            clamp_to_cells_(layers[name], history.frozen)

    def frozen_weights(self) -> int:
        """How many codes are frozen."""
        return sum(int((history.frozen != FREE).sum()) for history in self._histories.values())

    def state(self) -> dict[str, Tensor]:
        """Every tensor by `<layer>.<field>`; empty before the phase."""
        return {
            f"{name}.{field.name}": getattr(history, field.name)
            for name, history in self._histories.items()
            for field in fields(history)
        }

    def load_state(self, state: dict[str, Tensor], layers: dict[str, BitLinear158]) -> None:
        """Go on from what `state` gave.

        Raises:
            KeyError: A tensor of a layer is missing.
        """
        self._histories = {
            name: CodeHistory(
                **{
                    field.name: state[f"{name}.{field.name}"].to(layer.weight.device)
                    for field in fields(CodeHistory)
                }
            )
            for name, layer in layers.items()
            if state
        }


def clamp_to_cells_(layer: BitLinear158, frozen: Tensor) -> None:
    """Move latent weights of frozen codes into their cells, by the least that does it.

    Args:
        layer: Its `weight` is changed.
        frozen: int8 of the weight's shape; `FREE` leaves a weight as it is.
    """
    weight = layer.weight.float()
    scale = absmean_scale(layer.weight, layer.granularity)
    inner, outer = (0.5 - MARGIN) * scale, (0.5 + MARGIN) * scale
    held = torch.where(frozen == 1, weight.clamp(min=outer), weight)
    held = torch.where(frozen == -1, weight.clamp(max=-outer), held)
    held = torch.where(frozen == 0, weight.clamp(-inner, inner), held)
    layer.weight.copy_(held)
