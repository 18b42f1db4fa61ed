"""`Stabilisers`: what the projection and the trainer call; one method for each moment of a run.

State that neither the weights nor the global step hold goes into checkpoints as `stabilisers.safetensors`, beside the
optimizer's state: the moving average under `average.<parameter>`, the histories of the codes under
`oscillation.<layer>.<field>`. A run that is resumed reads it and ends with the same bits.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor, nn

from bitsft.data.common.atomic import atomic_path
from bitsft.ternary.linear import BitLinear158, ternary_layers
from bitsft.training.stabilisers.dead_zone import dead_zone_strength_at
from bitsft.training.stabilisers.latent_average import LatentAverage
from bitsft.training.stabilisers.options import StabiliserOptions
from bitsft.training.stabilisers.oscillation import OscillationFreezer

STATE_FILE = "stabilisers.safetensors"


class Stabilisers:
    """Dead zone, oscillating codes, moving average: each only where its option is set.

    Args:
        model: A model with `BitLinear158` layers.
        options: The trainer's arguments.
    """

    def __init__(self, model: nn.Module, options: StabiliserOptions) -> None:
        self._model = model
        self._options = options
        self.reset()

    def reset(self) -> None:
        """Before training: nothing is known yet, whatever became of an earlier run."""
        decay = self._options.latent_average_decay
        self._average = None if decay is None else LatentAverage(decay)
        ratio = self._options.freeze_oscillating_ratio
        self._freezer = OscillationFreezer() if ratio > 0 else None
        self._freezing = False
        self._running = False

    def begin(self, step: int) -> None:
        """At the first step, after a checkpoint was loaded.

        Args:
            step: Optimizer steps done; 0 starts anew.
        """
        if step == 0:
            self.reset()
        self._running = True
        if self._average is not None:
            self._average.begin(self._model)

    def set_step(self, step: int, max_steps: int) -> None:
        """Before each step.

        Args:
            step: Optimizer steps done.
            max_steps: Steps of the whole run.
        """
        self._freezing = max_steps - step <= self._options.freeze_oscillating_ratio * max_steps
        # Set where it is 0, too: a run of another trainer over these layers may have been broken off.
        strength = self._options.dead_zone_strength
        if strength:
            strength = dead_zone_strength_at(strength, step, max_steps)
        self._set_dead_zone_strength(strength)

    def after_optimizer_step(self, step: int) -> None:
        """When the optimizer has moved the weights.

        Args:
            step: Optimizer steps done before this one.
        """
        if self._freezer is not None and self._freezing:
            self._freezer.after_optimizer_step(self._trained())
        if self._average is not None:
            self._average.after_optimizer_step(self._model, step)

    def finish(self) -> None:
        """After training: the weights are what the final projection is to be made of."""
        self._set_dead_zone_strength(0.0)
        if self._average is not None and self._running:
            self._average.install(self._model)
            self._hold_frozen()
        self.reset()

    @contextmanager
    def final_weights(self) -> Iterator[None]:
        """While training: inside, the model has the weights that it would get if training ended now."""
        if self._average is None or not self._running:
            yield
            return
        with self._average.in_place_of_live_weights(self._model):
            self._hold_frozen()
            yield

    def statistics(self, weights: int) -> dict[str, float]:
        """What is logged with the loss: `frozen_share`, where codes can be frozen.

        Args:
            weights: Number of ternary weights of the model.
        """
        if self._freezer is None:
            return {}
        return {"frozen_share": self._freezer.frozen_weights() / weights}

    def save(self, checkpoint: str | os.PathLike[str]) -> None:
        """Write the state into a checkpoint's folder; nothing where there is none to keep.

        Args:
            checkpoint: The folder.
        """
        if self._average is None and self._freezer is None:
            return
        from safetensors.torch import save_file

        tensors: dict[str, Tensor] = {}
        if self._average is not None:
            tensors |= {f"average.{k}": v for k, v in self._average.state().items()}
        if self._freezer is not None:
            tensors |= {f"oscillation.{k}": v for k, v in self._freezer.state().items()}
        with atomic_path(Path(checkpoint) / STATE_FILE) as part:
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, part)

    def load(self, checkpoint: str | os.PathLike[str]) -> None:
        """Read the state from a checkpoint's folder.

        Args:
            checkpoint: The folder.

        Raises:
            ValueError: The folder lacks state that the options need.
        """
        if self._average is not None or self._freezer is not None:
            self._load(checkpoint)

    def load_average(self, checkpoint: str | os.PathLike[str]) -> None:
        """Read the average that belongs to the best checkpoint, whose weights were loaded.

        Args:
            checkpoint: The folder.

        Raises:
            ValueError: The folder lacks the average.
        """
        if self._average is not None:
            self._load(checkpoint)

    def _load(self, checkpoint: str | os.PathLike[str]) -> None:
        from safetensors.torch import load_file

        path = Path(checkpoint) / STATE_FILE
        names = " and ".join(self._options.stabilisers_with_state())
        remedy = (
            f"The checkpoint was made with other options, or with save_only_model. Start anew with {names}, or resume "
            "with the options that the checkpoint was made with."
        )
        if not path.is_file():
            raise ValueError(
                f"{checkpoint}: there is no {STATE_FILE}, which {names} needs. {remedy}"
            )
        tensors = load_file(path)
        try:
            if self._average is not None:
                self._average.load_state(_under("average.", tensors), self._model)
            if self._freezer is not None:
                self._freezer.load_state(_under("oscillation.", tensors), self._trained())
        except KeyError as error:
            raise ValueError(f"{path}: {error.args[0]!r} is missing. {remedy}") from error

    def _trained(self) -> dict[str, BitLinear158]:
        layers = ternary_layers(self._model)
        return {name: layer for name, layer in layers.items() if layer.weight.requires_grad}

    def _hold_frozen(self) -> None:
        if self._freezer is not None:
            self._freezer.hold(self._trained())

    def _set_dead_zone_strength(self, strength: float) -> None:
        for layer in self._trained().values():
            layer.dead_zone_strength = strength


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
