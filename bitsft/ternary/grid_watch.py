"""A weight on the grid that somebody else changed in place: its layer rounds it anew, and says so.

γ of such a weight is its mean again, about 0.69 of what it was (quantize.py): the model goes on, but it no longer computes
what it did. PEFT's `merge_and_unload` over trainable ternary weights does that, and so does any other trainer's first step.
"""

import warnings


class GridWatch:
    """Warns once for all the layers that share it, which are those of one model.

    Attributes:
        has_warned: Whether it has.
    """

    def __init__(self) -> None:
        self.has_warned = False

    def warn(self, layer: str) -> None:
        """Say that a weight left its grid.

        Args:
            layer: The first layer where that was seen, for the message.
        """
        self.has_warned = True
        warnings.warn(
            f"{layer}: the ternary weight was changed in place outside bitsft (PEFT's merge, or another trainer). It is "
            "rounded anew with a smaller scale, as will be any other that was changed, so the model no longer computes what "
            "it did. Load it again; train it with TernarySFTTrainer; keep an adapter beside its base (load_adapter), or "
            "bring it back to the grid with merge_to_ternary, or merge_ternary_adapter.",
            stacklevel=2,
        )
