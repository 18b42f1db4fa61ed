"""What happens to the ternary weights around each optimizer step.

`projection="latent"`: the optimizer moves latent weights; the next use computes new codes from them.
`projection="stochastic"`: the optimizer itself leaves γ·{-1, 0, 1} (latent_free/); here is nothing to do.
Plain rounding without latents is not offered: a flip would need |ΔW| > γ/2 in a single step, and no code
ever changes (docs/numerics.md).

λ follows from the global step alone: a resumed run needs no state beyond what Trainer saves, except for the
stabilisers' (stabilisers/).
"""

import logging

import torch
from torch import nn

from bitsft.ternary.linear import BitLinear158, ternary_layers
from bitsft.ternary.quantize import absmean_scale
from bitsft.ternary.stats import TernaryStats, take_flip_share, ternary_stats
from bitsft.training.config import TernarySFTConfig
from bitsft.training.quantization_strength import quantization_strength
from bitsft.training.stabilisers import Stabilisers

logger = logging.getLogger(__name__)


class Projection:
    """Keeps a model's ternary weights true to its optimizer.

    Args:
        model: A model with `BitLinear158` layers, wrapped by PEFT or not.
        args: The trainer's arguments.

    Attributes:
        stabilisers: Dead zone, oscillating codes, moving average of the weights.
    """

    def __init__(self, model: nn.Module, args: TernarySFTConfig) -> None:
        self._model = model
        self._args = args
        self.stabilisers = Stabilisers(model, args)
        self._steps_since_statistics = 0
        self._warned_of_nan = False
        self._stats_while_frozen: TernaryStats | None = None
        if not args.keep_latent_weights:
            # A frozen base must not change while adapters train, so it becomes ternary now.
            for layer in ternary_layers(model).values():
                if not layer.weight.requires_grad and not layer.on_grid:
                    layer.move_to_grid_()

    def start(self) -> None:
        """Before training: latents for layers on the grid, where there are to be latents."""
        self.stabilisers.reset()
        for layer in self._trained():
            if layer.on_grid and self._args.projection == "latent":
                layer.move_to_latents_()

    def begin(self, step: int) -> None:
        """At the first step, after a checkpoint was loaded: count flips from here.

        Args:
            step: Optimizer steps done.
        """
        self.stabilisers.begin(step)
        take_flip_share(self._model)
        self._steps_since_statistics = 0

    def set_strength(self, step: int, max_steps: int) -> None:
        """λ for the coming step: rising over the warm-up's share of all steps, then 1."""
        warmup_steps = self._args.quantization_warmup_ratio * max_steps
        strength = quantization_strength(
            step, warmup_steps, self._args.quantization_warmup_schedule
        )
        for layer in ternary_layers(self._model).values():
            layer.quantization_strength = strength
        self.stabilisers.set_step(step, max_steps)

    @torch.no_grad()
    def after_optimizer_step(self, step: int) -> None:
        """Clip the weights where asked, and make the next use compute new codes.

        Args:
            step: The number of optimizer steps done before this one.
        """
        self._steps_since_statistics += 1
        if self._args.latent_clip is not None:
            for layer in self._trained():
                bound = self._args.latent_clip * absmean_scale(layer.weight, layer.granularity)
                layer.weight.copy_(layer.weight.float().clamp(-bound, bound))
        self.stabilisers.after_optimizer_step(step)
        self.drop_codes()

    def drop_codes(self) -> None:
        """Some optimizers and callbacks write through raw pointers, which no version counter sees."""
        for layer in self._trained():
            layer.drop_codes()
            self._stats_while_frozen = None

    def finish(self) -> None:
        """After training: the model itself is ternary, unless the latent weights are to stay."""
        self.stabilisers.finish()
        self.drop_codes()
        for layer in ternary_layers(self._model).values():
            layer.quantization_strength = 1.0
            if not self._args.keep_latent_weights:
                layer.move_to_grid_()

    def statistics(self) -> dict[str, float]:
        """What is logged with the loss: shares of all ternary weights, in [0, 1].

        `flip_rate` is the mean per optimizer step since the last call; the others are of this moment.
        """
        stats = self._stats_while_frozen or ternary_stats(self._model)
        if not self._trained():  # as under adapters; a layer may be trained again later
            self._stats_while_frozen = stats
        self._warn_of_nan()
        steps = max(1, self._steps_since_statistics)
        self._steps_since_statistics = 0
        return {
            "flip_rate": take_flip_share(self._model) / steps,
            "dead_zone_share": stats.dead_zone,
            "share_minus_1": stats.minus,
            "share_0": stats.zero,
            "share_plus_1": stats.plus,
            **self.stabilisers.statistics(stats.weights),
        }

    def _warn_of_nan(self) -> None:
        """As in TRL a loss that turned NaN does not end the run; it is said once where it started to show."""
        lost = [
            name
            for name, layer in ternary_layers(self._model).items()
            if not bool(torch.isfinite(layer.ternary()[1]).all())
        ]
        if lost and not self._warned_of_nan:
            self._warned_of_nan = True
            logger.warning(
                "%d ternary layers hold NaN or infinite weights, %s first. Lower the learning rate or "
                "max_grad_norm and resume from an earlier checkpoint.",
                len(lost),
                lost[0],
            )

    def _trained(self) -> list[BitLinear158]:
        layers = ternary_layers(self._model).values()
        return [layer for layer in layers if layer.weight.requires_grad]
