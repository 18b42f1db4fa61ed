"""`PackedLinear158`: a frozen ternary layer that holds its codes packed, 2 bits a weight, and no latents.

    forward    y = (x_i8 · codesᵀ) · s · γ + bias           bit-equal to the `BitLinear158` that it was made from
    backward   ∂L/∂x = (γ · ∂L/∂y) · codes                  for adapters over it; the weights have no gradient

For generation and as the base of adapters. Bytes a weight: 0.25, and γ; `BitLinear158` needs those of its latent weight
and of the codes it holds. The codes are unpacked inside the product: in registers on an NVIDIA GPU, a block at
a time on a CPU, forward and backward. Under `torch.compile` there is nothing to recompute, so a compiled decoding step reads a quarter of a byte a
weight. `codes_in_memory="int8"` keeps a byte a weight and unpacks nothing.

It is an `nn.Linear`, so that PEFT wraps it as it would any; its `weight` can be read, not written to (read_only_weight.py).
Limits: no double backward; where out_features is no multiple of 4, rows of zeros fill the packed form up inside.
"""

from collections.abc import Callable
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bitsft.ternary.frozen_product import FrozenProduct
from bitsft.ternary.linear import BitLinear158
from bitsft.ternary.pack import CODES_PER_BYTE, check_packed, pack_codes, unpack_unchecked
from bitsft.ternary.quantize import Granularity
from bitsft.ternary.read_only_weight import read_only_weight, refuse_to_write

CodesInMemory = Literal["packed", "int8"]


class PackedLinear158(nn.Linear):
    """A ternary linear layer without latent weights.

    Args:
        codes: int8 `[out_features, in_features]` in {-1, 0, 1}.
        scale: γ, float32 `()` or `[out_features, 1]`.
        bias: `[out_features]`, or None.
        activation_bits: 8, or None to leave activations in full precision.
        codes_in_memory: `"packed"`, a quarter of a byte a weight, or `"int8"`, a byte a weight and nothing to unpack.
        dtype: Of the tensor that `weight` shows. Default: the bias's, else float32. What the layer computes in is the
            dtype of its input, or autocast's.

    Attributes:
        packed: uint8 `[ceil(out_features / 4), in_features]`; None with int8 codes.
        codes: int8 `[out_features, in_features]`; None with packed codes.
        weight_scale: γ, float32 whatever the model is cast to.
        full_name: Where the layer stands in its model, for messages.

    Raises:
        ValueError: A code is not -1, 0 or 1, or `codes_in_memory` is neither of the two.
    """

    packed: Tensor | None
    codes: Tensor | None
    weight_scale: Tensor

    def __init__(
        self,
        codes: Tensor,
        scale: Tensor,
        bias: Tensor | None,
        activation_bits: int | None = 8,
        *,
        codes_in_memory: CodesInMemory = "packed",
        dtype: torch.dtype | None = None,
    ) -> None:
        packed = pack_codes(F.pad(codes, (0, 0, 0, -len(codes) % CODES_PER_BYTE)))
        self._set_up(len(codes), packed, scale, bias, activation_bits, codes_in_memory, dtype)

    @classmethod
    def from_packed(
        cls,
        packed: Tensor,
        scale: Tensor,
        bias: Tensor | None,
        activation_bits: int | None = 8,
        *,
        codes_in_memory: CodesInMemory = "packed",
        dtype: torch.dtype | None = None,
    ) -> "PackedLinear158":
        """A layer from bytes as `pack_codes` makes them, which it keeps as they are.

        Args:
            packed: uint8 `[out_features / 4, in_features]`.
            scale: See the class; so for the arguments that follow.
            bias: See the class.
            activation_bits: See the class.
            codes_in_memory: See the class.
            dtype: See the class.

        Raises:
            TypeError, ValueError: See `check_packed`.
        """
        if not packed.is_meta:
            check_packed(packed)
        layer = cls.__new__(cls)
        rows = CODES_PER_BYTE * len(packed)
        layer._set_up(rows, packed, scale, bias, activation_bits, codes_in_memory, dtype)
        return layer

    @classmethod
    def from_bitlinear(
        cls, layer: BitLinear158, codes_in_memory: CodesInMemory = "packed"
    ) -> "PackedLinear158":
        """The packed form of a layer; the layer stays as it is.

        Args:
            layer: A ternary layer, latent or on the grid.
            codes_in_memory: See the class.

        Raises:
            ValueError: The layer's weight holds NaN or infinite values.
        """
        codes, scale = layer.ternary()
        made = cls(
            codes,
            scale,
            layer.bias,
            layer.activation_bits,
            codes_in_memory=codes_in_memory,
            dtype=layer.weight.dtype,
        )
        made.full_name = layer.full_name
        return made.train(layer.training)

    def _set_up(
        self,
        out_features: int,
        packed: Tensor,
        scale: Tensor,
        bias: Tensor | None,
        activation_bits: int | None,
        codes_in_memory: CodesInMemory,
        dtype: torch.dtype | None,
    ) -> None:
        nn.Module.__init__(self)  # nn.Linear's would make a weight
        check_codes_in_memory(codes_in_memory)
        self.out_features, self.in_features = out_features, packed.shape[1]
        self.activation_bits = activation_bits
        self.granularity: Granularity = "row" if scale.dim() else "tensor"
        self.codes_in_memory = codes_in_memory
        self.full_name = ""
        self._weight_dtype = dtype or (torch.float32 if bias is None else bias.dtype)
        is_packed = codes_in_memory == "packed"
        self.register_buffer("packed", packed if is_packed else None)
        codes = None if is_packed else unpack_unchecked(packed)[:out_features]
        self.register_buffer("codes", codes)
        self.register_buffer("weight_scale", scale.detach().float().clone())
        frozen = None if bias is None else nn.Parameter(bias.detach(), requires_grad=False)
        self.register_parameter("bias", frozen)

    @property
    def weight(self) -> Tensor:
        """γ·codes, `[out_features, in_features]`, made anew each time; writing to it raises."""
        return read_only_weight(*self.ternary(), self._weight_dtype)

    @weight.setter
    def weight(self, value: object) -> None:
        refuse_to_write()

    def register_parameter(self, name: str, param: nn.Parameter | None) -> None:
        """As in `nn.Module`; there can be no `weight`."""
        if name == "weight":
            refuse_to_write()
        super().register_parameter(name, param)

    def ternary(self) -> tuple[Tensor, Tensor]:
        """The pair that forward multiplies by; packed codes are unpacked for it.

        Returns:
            `(codes, scale)`: int8 `[out_features, in_features]` in {-1, 0, 1}; float32 γ of shape `()` or
            `[out_features, 1]`.
        """
        if self.packed is None:
            return cast(Tensor, self.codes), self.weight_scale
        return unpack_unchecked(self.packed)[: self.out_features], self.weight_scale

    def packed_codes(self) -> Tensor:
        """The codes packed: uint8 `[ceil(out_features / 4), in_features]`; int8 ones are packed for it."""
        if self.packed is not None:
            return self.packed
        codes = cast(Tensor, self.codes)
        return pack_codes(F.pad(codes, (0, 0, 0, -len(codes) % CODES_PER_BYTE)))

    def forward(self, x: Tensor) -> Tensor:
        """Ternary linear transformation.

        Args:
            x: `[..., in_features]`, float32, bfloat16 or float16.

        Returns:
            `[..., out_features]` in the dtype of `x`, or in autocast's dtype where autocast is on.
        """
        device = x.device.type
        autocast = torch.is_autocast_enabled(device)
        dtype = torch.get_autocast_dtype(device) if autocast else x.dtype
        with torch.autocast(device, enabled=False):
            if self.activation_bits is None:
                codes, scale = self.ternary()
                bias = None if self.bias is None else self.bias.to(dtype)
                return F.linear(x.to(dtype), (scale * codes).to(dtype), bias)
            if self.packed is None:
                codes = cast(Tensor, self.codes)
                return FrozenProduct.apply(x, codes, self.weight_scale, self.bias, dtype)
            scale, bias = self.weight_scale, self.bias
            missing = CODES_PER_BYTE * len(self.packed) - self.out_features
            if missing:
                scale = F.pad(scale, (0, 0, 0, missing), value=1.0) if scale.dim() else scale
                bias = None if bias is None else F.pad(bias, (0, missing))
            y = FrozenProduct.apply(x, self.packed, scale, bias, dtype)
        return y[..., : self.out_features] if missing else y

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}, "
            f"activation_bits={self.activation_bits}, granularity={self.granularity!r}, "
            f"codes_in_memory={self.codes_in_memory!r}"
        )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "PackedLinear158":
        scale = self.weight_scale
        self._weight_dtype = fn(torch.empty(0, dtype=self._weight_dtype, device=scale.device)).dtype
        super()._apply(fn, recurse)
        if self.weight_scale.dtype != torch.float32:  # a cast is meant for what is computed with
            self.weight_scale = scale.to(self.weight_scale.device)
        return self

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        """Each form loads the other's state."""
        found = {name: state_dict.get(prefix + name) for name in ("packed", "codes")}
        if self.packed is None and found["packed"] is not None:
            codes = unpack_unchecked(found["packed"])[: self.out_features]
            state_dict = {**state_dict, prefix + "codes": codes}
            del state_dict[prefix + "packed"]
        elif self.codes is None and found["codes"] is not None:
            missing = -len(found["codes"]) % CODES_PER_BYTE
            packed = pack_codes(F.pad(found["codes"], (0, 0, 0, missing)))
            state_dict = {**state_dict, prefix + "packed": packed}
            del state_dict[prefix + "codes"]
        super()._load_from_state_dict(state_dict, prefix, *args)


TernaryLayer = BitLinear158 | PackedLinear158
"""A layer that has codes and γ, whether it can be trained or not."""


def layers_with_codes(model: nn.Module) -> dict[str, TernaryLayer]:
    """All layers of a model that have codes and γ, by their full name, each once: trainable and packed ones.

    For whoever reads `ternary()` only; whoever changes weights asks `ternary_layers`.
    """
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, BitLinear158 | PackedLinear158)
    }


def check_codes_in_memory(codes_in_memory: str) -> None:
    """Refuse a value that is none of `CodesInMemory`.

    Raises:
        ValueError: It is not.
    """
    if codes_in_memory not in ("packed", "int8"):
        raise ValueError(f"codes_in_memory is {codes_in_memory!r}; use 'packed' or 'int8'.")
