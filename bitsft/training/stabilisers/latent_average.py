"""An exponential moving average of the trained weights, whose projection becomes the final model.

After optimizer step t = 0, 1, 2, …, for every trained parameter θ (latent weights and dense ones, which belong
together):

    average ← d·average + (1-d)·θ,     d = min(latent_average_decay, (1+t)/(10+t)),     from θ before the first step

The bound on d, usual since TensorFlow's `ExponentialMovingAverage`, lets the average leave the start quickly. The
optimizer goes on with the live weights. Evaluation, what is pushed or saved as a packed model, and the model that
`train()` leaves are made of the average: what is measured is what would be saved. Training loss and flip rate are the
live weights'.

State: float32, 4 bytes for each trained parameter, on its device; in checkpoints. During evaluation the live weights are
set aside, 1 copy, in place of the gradients, which do not exist then. Limits: not with weights in partitions.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from bitsft.ternary.held_codes import held_codes_set_aside


class LatentAverage:
    """The moving average of a model's trained parameters.

    Args:
        decay: `latent_average_decay`, in (0, 1).
    """

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self._average: dict[str, Tensor] = {}

    def begin(self, model: nn.Module) -> None:
        """Start from the weights as they are, unless `load_state` brought an average."""
        if not self._average:
            self._average = {
                name: parameter.detach().float().clone()
                for name, parameter in _trained(model).items()
            }

    @torch.no_grad()
    def after_optimizer_step(self, model: nn.Module, step: int) -> None:
        """Take in the weights of another step.

        Args:
            model: The model in training.
            step: Optimizer steps done before this one.
        """
        decay = min(self._decay, (1 + step) / (10 + step))
        for name, parameter in _trained(model).items():
            self._average[name].lerp_(parameter.detach().float(), 1 - decay)

    @torch.no_grad()
    def install(self, model: nn.Module) -> None:
        """Overwrite the model's trained weights with their average, where there is one."""
        for name, parameter in _trained(model).items():
            if name in self._average:
                parameter.copy_(self._average[name])

    @contextmanager
    def in_place_of_live_weights(self, model: nn.Module) -> Iterator[None]:
        """Inside, the model's weights are the average; afterwards they are the live ones, bit for bit."""
        live = {name: parameter.detach().clone() for name, parameter in _trained(model).items()}
        with held_codes_set_aside(model):
            self.install(model)
            try:
                yield
            finally:
                with torch.no_grad():
                    for name, parameter in _trained(model).items():
                        parameter.copy_(live[name])

    def state(self) -> dict[str, Tensor]:
        """The average by parameter name."""
        return self._average

    def load_state(self, state: dict[str, Tensor], model: nn.Module) -> None:
        """Go on from what `state` gave.

        Raises:
            KeyError: A parameter is missing.
        """
        self._average = {
            name: state[name].to(parameter.device) for name, parameter in _trained(model).items()
        }


def _trained(model: nn.Module) -> dict[str, nn.Parameter]:
    return {
        name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad
    }
