"""`Finding`: one line about a run: what was seen, and which setting to change by how much."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

Kind = Literal[
    "nan", "divergence", "plateau", "overfitting", "frozen_layer", "endless_flips", "out_of_memory"
]
KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(frozen=True)
class Finding:
    """What was seen in a run.

    Attributes:
        kind: One of `KINDS`.
        step: The optimizer step at which it was seen.
        seen: The observation, with its numbers.
        advice: The setting to change, from its value now to the proposed one.
        layers: The ternary layers that it is about, by full name; empty for the others.

    Example:
        >>> print(Finding("divergence", 340, "loss 8.9 at step 340 is 2.1 above its lowest (6.8 at step 210)",
        ...     "Halve learning_rate 0.002 -> 0.001"))
        divergence: loss 8.9 at step 340 is 2.1 above its lowest (6.8 at step 210). Halve learning_rate 0.002 -> 0.001.
    """

    kind: Kind
    step: int
    seen: str
    advice: str
    layers: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind.replace('_', ' ')}: {self.seen}. {self.advice}."

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "kind": self.kind,
            "step": self.step,
            "seen": self.seen,
            "advice": self.advice,
            "layers": list(self.layers),
        }


def change(name: str, now: float, then: float) -> str:
    """`"learning_rate 0.002 -> 0.001"`; whole numbers in full, others with two significant digits proposed."""
    return f"{name} {now:.4g} -> {then if isinstance(then, int) else format(then, '.2g')}"
