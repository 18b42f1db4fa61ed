"""`BitLinear158`: a linear layer whose weight is γ·{-1, 0, 1} and whose input is int8 per token.

    forward    y = (x_i8 · codesᵀ) · s · γ + bias               (see quantize.py)
    backward   ∂L/∂x = ∂L/∂y · (γ·codes)                        straight through both roundings
               ∂L/∂W = (∂L/∂y)ᵀ · (s·x_i8)

Saved for backward: int8 activations and one float per token, not the float input. Source: arXiv
2402.17764; straight-through estimation as in Figure 3 of Microsoft's training FAQ.

A layer is in one of two states. *Latent*: γ follows from the weight. *On the grid* (`on_grid`): the
weight is exactly γ·codes and says γ itself. The state never has to be trusted: a weight that left the
grid is quantized as a latent one, with a warning (grid_watch.py).

Codes are computed in every forward unless somebody who sees every change of the weight asks the layer
to keep them (`hold_codes` in held_codes.py, the trainer does). Kept codes are dropped when the weight's storage, version
counter or dtype changes, and `drop_codes` covers writers that go around the version counter. Between forward
and backward they are kept in any case, a byte a weight, except under `codes_at_each_use` (there, too).

Limits: no double backward; under `torch.compile` the codes are always computed in the graph.
"""

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from bitsft.ternary.dead_zone import with_dead_zone_bias
from bitsft.ternary.float_product import float_product
from bitsft.ternary.grid_watch import GridWatch
from bitsft.ternary.kernels import kernels_for
from bitsft.ternary.kernels.shared_input import quantized_input
from bitsft.ternary.product import TernaryProduct
from bitsft.ternary.quantize import (
    Granularity,
    grid_scale,
    latents_from_grid,
)


class BitLinear158(nn.Linear):
    """`nn.Linear` with ternary weights and int8 activations; same signature, same state_dict keys.

    y = (x_i8 · codesᵀ) · s · γ + bias, with codes in {-1, 0, 1} and one s per token (docs/numerics.md; arXiv 2402.17764).

    Args:
        in_features: Width of the input.
        out_features: Width of the output.
        bias: Whether to add a full-precision bias.
        device: As in `nn.Linear`.
        dtype: As in `nn.Linear`; float32, bfloat16 or float16.
        activation_bits: 8, or None to leave activations in full precision (weight-only).
        granularity: One γ per matrix (`"tensor"`, BitNet b1.58) or per output channel (`"row"`).

    Attributes:
        weight: `[out_features, in_features]`: latent, or γ·codes.
        bias: `[out_features]`, or None.
        on_grid: The weight is to be read as γ·codes where it is exactly that.
        quantization_strength: λ in [0, 1]: 0 is full precision, 1 fully quantized; counts while the
            layer is in training mode, evaluation is always fully quantized.
        dead_zone_strength: What weights whose code is 0 add to the bias in training mode (dead_zone.py);
            0, the default, is nothing.
        full_name: Where the layer stands in its model, for messages.
        grid_watch: Warns of a weight that left its grid; the layers of a model share one.

    Raises:
        ValueError: `activation_bits` or `granularity` is not one of the values above.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        activation_bits: int | None = 8,
        granularity: Granularity = "tensor",
    ) -> None:
        if activation_bits not in (8, None):
            raise ValueError(
                f"activation_bits is {activation_bits!r}; use 8, or None for weight-only quantization."
            )
        if granularity not in ("tensor", "row"):
            raise ValueError(f"granularity is {granularity!r}; use 'tensor' or 'row'.")
        super().__init__(in_features, out_features, bias, device, dtype)
        self.activation_bits = activation_bits
        self.granularity: Granularity = granularity
        self.on_grid = False
        self.quantization_strength = 1.0
        self.dead_zone_strength = 0.0
        self.full_name = ""
        self.grid_watch = GridWatch()
        self._watched_version: int | None = None  # of the weight, at the last look at it
        self.flip_count: Tensor | int = 0
        self.flips_taken = 0  # those that take_flip_share has counted already
        self._holds_codes = False
        self._spares_codes = False
        self._held: tuple[tuple[Any, ...], Tensor, Tensor] | None = None

    @classmethod
    def from_linear(
        cls,
        linear: nn.Linear,
        *,
        activation_bits: int | None = 8,
        granularity: Granularity = "tensor",
        full_name: str = "",
    ) -> "BitLinear158":
        """A ternary layer over the same parameters; nothing is copied.

        A weight that is already exactly γ·{-1, 0, 1} is taken as such (`on_grid`).

        Args:
            linear: The layer to take `weight` and `bias` from.
            activation_bits: See the class.
            granularity: See the class.
            full_name: The layer's name in its model, for messages.

        Returns:
            The layer, in `linear`'s training mode.

        Raises:
            ValueError: The weight is empty, or holds NaN or infinite values.
        """
        if linear.weight.numel() == 0:
            raise ValueError(
                f"The linear layer {full_name!r} has an empty weight {tuple(linear.weight.shape)}; leave it "
                "out with filter_fn."
            )
        layer = cls(
            linear.in_features,
            linear.out_features,
            linear.bias is not None,
            device="meta",
            dtype=linear.weight.dtype,
            activation_bits=activation_bits,
            granularity=granularity,
        )
        layer.weight = linear.weight
        layer.bias = linear.bias
        layer.full_name = full_name
        layer.train(linear.training)
        if not linear.weight.is_meta:
            layer._check_finite(torch.stack(linear.weight.detach().aminmax()))
            layer.on_grid = layer._weight_is_on_grid()
        return layer

    def ternary(self) -> tuple[Tensor, Tensor]:
        """The pair that forward multiplies by.

        Returns:
            `(codes, scale)`: int8 `[out_features, in_features]` in {-1, 0, 1}; float32 γ of shape `()` or
            `[out_features, 1]`.

        Raises:
            ValueError: The weight holds NaN or infinite values (checked where that costs no
                synchronization, that is on a CPU, and not inside `hold_codes`).
        """
        if not self._holds_codes or torch.compiler.is_compiling() or self.weight.is_inference():
            return self._quantize()
        weight = self.weight
        key = (weight.data_ptr(), weight._version, weight.dtype, weight.device, self.on_grid)
        if self._held is None or self._held[0] != key:
            if self._held is not None and self._held[1].device == weight.device:
                codes, scale, flips = kernels_for(weight).requantize_weight(
                    weight, self._held[1], self.granularity, on_grid=self.on_grid
                )
                self.flip_count = self.flip_count + flips
            else:
                codes, scale = self._quantize()
            self._held = (key, codes, scale)
        return self._held[1], self._held[2]

    def count_flips(self, flips: Tensor) -> None:
        """For whoever moves the weight and sees how many codes that changed; held codes show it by themselves.

        Args:
            flips: Integer, shape `()`.
        """
        if not self._holds_codes:
            self.flip_count = self.flip_count + flips

    def drop_codes(self) -> None:
        """Compute the codes anew at the next use, whatever the weight's version counter says."""
        if self._held is not None:
            self._held = ((), *self._held[1:])  # the old codes stay, to count flips against

    def move_to_grid_(self) -> None:
        """Overwrite the weight with γ·codes: what forward used is then what anyone reads."""
        codes, scale = self.ternary()
        with torch.no_grad():
            self.weight.copy_(codes * scale)
        self.on_grid = True

    def move_to_latents_(self) -> None:
        """Overwrite a weight on the grid with latents that project to the same codes and γ."""
        codes, scale = self.ternary()
        with torch.no_grad():
            self.weight.copy_(latents_from_grid(codes, scale))
        self.on_grid = False

    def forward(self, x: Tensor) -> Tensor:
        """Ternary linear transformation.

        Args:
            x: `[..., in_features]`, float32, bfloat16 or float16, any number of leading dimensions.

        Returns:
            `[..., out_features]` in the dtype of `x`, or in autocast's dtype where autocast is on.

        Raises:
            TypeError: `x` is not a float tensor.
            ValueError: The last dimension of `x` is not `in_features`, or the weight is not finite.
        """
        self._check_input(x)
        device = x.device.type
        autocast = torch.is_autocast_enabled(device)
        dtype = torch.get_autocast_dtype(device) if autocast else x.dtype
        codes, scale = self.ternary()
        bias: Tensor | None = self.bias
        if self.training and self.dead_zone_strength:
            bias = with_dead_zone_bias(bias, self.weight, codes, self.dead_zone_strength)
        strength = self.quantization_strength if self.training else 1.0
        if strength < 1.0 or self.activation_bits is None:
            with torch.autocast(device, enabled=False):
                rounds = self.activation_bits is not None
                y = float_product(
                    x, self.weight, codes, scale, dtype, strength=strength, round_activations=rounds
                )
                return y if bias is None else y + bias.to(dtype)
        if torch.is_grad_enabled():
            with torch.autocast(device, enabled=False) if autocast else nullcontext():
                spares = self._spares_codes and not torch.compiler.is_compiling()
                anew = self.ternary if spares else None
                return TernaryProduct.apply(x, self.weight, bias, codes, scale, dtype, anew)
        x_i8, inverse_scale = quantized_input(x)
        y = kernels_for(x).ternary_product(x_i8, inverse_scale, codes, scale, bias, dtype)
        return y.view(*x.shape[:-1], self.out_features)

    def _quantize(self) -> tuple[Tensor, Tensor]:
        quantize = kernels_for(self.weight).quantize_weight
        codes, scale = quantize(self.weight, self.granularity, on_grid=self.on_grid)
        # the trainer reports NaN at its next log, as TRL's users expect
        watched = self._holds_codes or self._spares_codes
        if scale.device.type == "cpu" and not watched and not torch.compiler.is_compiling():
            self._check_finite(scale)
        if self.on_grid and self._is_to_be_watched():
            self.watch_grid(self.weight, scale)
        return codes, scale

    def watch_grid(self, weight: Tensor, scale: Tensor) -> None:
        """Warn, once a model, where a weight on the grid got its γ from the mean, because it no longer is γ·codes.

        Args:
            weight: This layer's, `[out_features, in_features]`.
            scale: γ that it was quantized with.
        """
        if self.grid_watch.has_warned:
            return
        # The first row is enough: the mean of a matrix equals its largest magnitude on the grid only. Zeros fit any grid.
        largest = weight[:1].detach().abs().amax()
        if bool((largest != 0) & (largest != scale.flatten()[0])):
            self.grid_watch.warn(self._label())

    def _is_to_be_watched(self) -> bool:
        """A look makes another device wait: there it is had once for each change that the version counter shows, and at
        the start of `hold_codes`, as PEFT's merge goes around the counter."""
        if self.weight.is_meta or self.grid_watch.has_warned:
            return False
        if self._spares_codes or torch.compiler.is_compiling():
            return False
        version = None if self.weight.is_inference() else self.weight._version
        seen, self._watched_version = self._watched_version, version
        return self.weight.device.type == "cpu" or self._holds_codes or seen != version

    def _weight_is_on_grid(self) -> bool:
        magnitude, on_grid = grid_scale(self.weight[:1])
        if not bool(on_grid | (magnitude == 0)):
            return False  # one row tells a latent weight at once
        magnitude, on_grid = grid_scale(self.weight, self.granularity)
        return bool(
            (on_grid | (magnitude == 0)).all() & on_grid.any()
        )  # a row of zeros fits any grid

    def _check_finite(self, values: Tensor) -> None:
        if not bool(torch.isfinite(values).all()):
            raise ValueError(
                f"{self._label()}: the weight holds NaN or infinite values. Load the weights again; if "
                "they were lost in training, lower the learning rate or max_grad_norm and resume from an "
                "earlier checkpoint."
            )

    def _check_input(self, x: Tensor) -> None:
        if not x.is_floating_point():
            raise TypeError(
                f"{self._label()}: the input is {x.dtype}; pass float32, bfloat16 or float16 "
                "activations (token ids go through an embedding first)."
            )
        if x.dim() == 0 or x.shape[-1] != self.in_features:
            raise ValueError(
                f"{self._label()}: the input's shape is {tuple(x.shape)}, but its last dimension must be "
                f"in_features={self.in_features}."
            )

    def _label(self) -> str:
        name = f" {self.full_name!r}" if self.full_name else ""
        return f"BitLinear158{name} ({self.in_features} -> {self.out_features})"

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args)
        if prefix + "weight" in state_dict and not self.weight.is_meta:
            self.on_grid = self._weight_is_on_grid()

    def __getstate__(self) -> dict[str, Any]:
        # A copy is nobody's yet: whoever held the codes of the original does not see the copy change.
        return {
            **self.__dict__,
            "_holds_codes": False,
            "_spares_codes": False,
            "_held": None,
            "flip_count": 0,
            "flips_taken": 0,
        }

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, activation_bits={self.activation_bits}, granularity={self.granularity!r}"


def ternary_layers(model: nn.Module) -> dict[str, BitLinear158]:
    """All `BitLinear158` layers of a model, by their full name, each once."""
    return {
        name: module for name, module in model.named_modules() if isinstance(module, BitLinear158)
    }
