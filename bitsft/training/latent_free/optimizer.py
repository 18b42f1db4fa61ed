"""`LatentFreeOptimizer`: ternary matrices by `grid_step`, everything else by AdamW, in one optimizer.

A ternary group has `grid=True`, its `lr` in units of γ, and `scale_lr` for γ itself, which whatever schedule moves `lr`
moves by the same factor. A dense group is one of `torch.optim.AdamW`, whose functional form steps it.

The rounding noise of a step follows from the seed, the number of the step and the number of the matrix: a resumed run has
the same, and the global generators are left alone.

Limits: no sparse gradients, no closure, no tensor learning rates; parameters whole on one device (DDP, not FSDP).
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.adamw import adamw

from bitsft.ternary.linear import BitLinear158
from bitsft.training.latent_free.grid_step import grid_step, is_state_of, new_state


class LatentFreeOptimizer(torch.optim.Optimizer):
    """Trains ternary layers whose weight is γ·{-1, 0, 1} after each step, and dense parameters beside them.

    Args:
        layers: The ternary layers to train. Their weights are moved to the grid here, and what latents they had becomes
            the starting positions.
        dense: Parameter groups for AdamW: dicts with `params`, and `lr` and `weight_decay` where they differ.
        lr: Learning rate of dense groups that name none.
        betas: Of AdamW; the second is also that of the ternary weights' second moment, both are those of γ.
        eps: Of AdamW.
        grid_lr: How far a step of usual size moves a ternary weight, in units of γ.
        scale_lr: By which share of itself such a step moves γ; 0 keeps γ.
        weight_decay: Of the ternary matrices: γ shrinks by scale_lr · weight_decay of itself in each step.
        seed: Of the rounding noise.

    Raises:
        ValueError: There is no layer, `grid_lr` is not above 0, or a weight holds NaN or infinite values.
    """

    def __init__(
        self,
        layers: Sequence[BitLinear158],
        dense: Sequence[dict[str, Any]] = (),
        *,
        lr: float = 2e-4,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        grid_lr: float = 0.02,
        scale_lr: float = 1e-3,
        weight_decay: float = 0.0,
        seed: int = 0,
    ) -> None:
        if not layers:
            raise ValueError(
                "There is no ternary layer to train. Convert the model with replace_linear_with_bitlinear, or use "
                "torch.optim.AdamW."
            )
        if not grid_lr > 0:
            raise ValueError(
                f"grid_lr is {grid_lr}; it is in units of the scale and above 0, 0.02 for example."
            )
        self._layers = list(layers)
        grid = {
            "params": [layer.weight for layer in layers],
            "grid": True,
            "lr": grid_lr,
            "scale_lr_by_lr": scale_lr / grid_lr,
            "weight_decay": weight_decay,
            "seed": seed,
            "steps": 0,
        }
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": 0.0, "grid": False}
        super().__init__([grid, *(group for group in dense if group["params"])], defaults)
        self.follow_weights()

    @torch.no_grad()
    def follow_weights(self) -> None:
        """Start anew where a weight is not what this optimizer left: at the beginning, or written by others since."""
        strangers = [layer for layer in self._layers if not self._left(layer.weight)]
        # What stays is allocated before what comes and goes, or the heap keeps a hole for each matrix.
        positions = [torch.empty_like(layer.weight, dtype=torch.int8) for layer in strangers]
        for layer, position in zip(strangers, positions, strict=True):
            codes, scale = layer.ternary()
            self.state[layer.weight] = dict(new_state(layer.weight, codes, scale, position))
            layer.move_to_grid_()

    def _left(self, weight: Tensor) -> bool:
        state = self.state[weight]
        return bool(state) and is_state_of(weight, state)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step of every parameter that has a gradient.

        Args:
            closure: Not supported.

        Raises:
            ValueError: A closure is given.
        """
        if closure is not None:
            raise ValueError(
                "LatentFreeOptimizer takes no closure; compute the gradients before step()."
            )
        for group in self.param_groups:
            if group["grid"]:
                self._step_grid(group)
            else:
                self._step_dense(group)

    def _step_grid(self, group: dict[str, Any]) -> None:
        step = group["steps"]
        group["steps"] = step + 1
        pairs = zip(group["params"], self._layers, strict=True)
        for number, (weight, layer) in enumerate(pairs):
            if weight.grad is None:
                continue
            generator = torch.Generator(weight.device)
            seed = (group["seed"] * 1_000_003 + step) * 1_000_003 + number
            generator.manual_seed(seed % 2**63)
            flips = grid_step(
                weight,
                weight.grad,
                self.state[weight],
                rate=group["lr"],
                scale_rate=group["lr"] * group["scale_lr_by_lr"],
                weight_decay=group["weight_decay"],
                betas=group["betas"],
                generator=generator,
            )
            layer.count_flips(flips)

    def _step_dense(self, group: dict[str, Any]) -> None:
        params = [p for p in group["params"] if p.grad is not None]
        for p in params:
            if not self.state[p]:
                self.state[p] = {
                    "step": torch.tensor(0.0),
                    "exp_avg": torch.zeros_like(p),
                    "exp_avg_sq": torch.zeros_like(p),
                }
        states = [self.state[p] for p in params]
        adamw(
            params,
            [p.grad for p in params if p.grad is not None],
            [s["exp_avg"] for s in states],
            [s["exp_avg_sq"] for s in states],
            [],
            [s["step"] for s in states],
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As in `torch.optim.Optimizer`, but each tensor keeps its own dtype: int8 positions, float32 scales.

        Numbers of steps go to the CPU, where reading them waits for nothing.
        """
        super().load_state_dict(state_dict)
        params = [p for group in self.param_groups for p in group["params"]]
        numbers = [n for group in state_dict["param_groups"] for n in group["params"]]
        for number, param in zip(numbers, params, strict=True):
            for name, value in state_dict["state"].get(number, {}).items():
                if isinstance(value, Tensor):
                    self.state[param][name] = value.to("cpu" if name == "step" else param.device)
