"""`PackedLinear158`: a frozen ternary layer that holds its codes packed, 2 bits a weight, and no latents.

    forward    y = (x_i8 · codesᵀ) · s · γ + bias           bit-equal to the `BitLinear158` that it was made from
    backward   ∂L/∂x = (γ · ∂L/∂y) · codes                  for adapters over it; the weights have no gradient

For generation and as the base of adapters. Bytes a weight: 0.25, and γ; `BitLinear158` needs those of its latent weight
and of the codes it holds. The codes are unpacked inside the product: in registers on an NVIDIA GPU, a block of rows at
a time on a CPU. Under `torch.compile` there is nothing to recompute, so a compiled decoding step reads a quarter of a byte a
weight. Limits: no double backward; where out_features is no multiple of 4, rows of zeros fill it up inside.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bitsft.ternary.kernels import kernels_for
from bitsft.ternary.kernels.shared_input import quantized_input
from bitsft.ternary.linear import BitLinear158
from bitsft.ternary.pack import CODES_PER_BYTE, pack_codes, unpack_unchecked


class PackedLinear158(nn.Module):
    """A ternary linear layer without latent weights.

    Args:
        codes: int8 `[out_features, in_features]` in {-1, 0, 1}.
        scale: γ, float32 `()` or `[out_features, 1]`.
        bias: `[out_features]`, or None.
        activation_bits: 8, or None to leave activations in full precision.

    Attributes:
        packed: uint8 `[ceil(out_features / 4), in_features]`.
        weight_scale: γ, with zeros' γ = 1 for the rows that fill up.

    Raises:
        ValueError: A code is not -1, 0 or 1.
    """

    packed: Tensor
    weight_scale: Tensor

    def __init__(
        self, codes: Tensor, scale: Tensor, bias: Tensor | None, activation_bits: int | None = 8
    ) -> None:
        super().__init__()
        self.out_features, self.in_features = codes.shape
        self.activation_bits = activation_bits
        missing = -self.out_features % CODES_PER_BYTE
        self.register_buffer("packed", pack_codes(F.pad(codes, (0, 0, 0, missing))))
        scale = scale.detach().float()
        if scale.dim():
            scale = F.pad(scale, (0, 0, 0, missing), value=1.0)
        self.register_buffer("weight_scale", scale.clone())
        self.bias = None if bias is None else nn.Parameter(bias.detach(), requires_grad=False)

    @classmethod
    def from_bitlinear(cls, layer: BitLinear158) -> "PackedLinear158":
        """The packed form of a layer; the layer stays as it is.

        Args:
            layer: A ternary layer, latent or on the grid.

        Raises:
            ValueError: The layer's weight holds NaN or infinite values.
        """
        codes, scale = layer.ternary()
        return cls(codes, scale, layer.bias, layer.activation_bits).train(layer.training)

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
                weight = self.weight_scale * unpack_unchecked(self.packed)
                bias = None if self.bias is None else self.bias.to(dtype)
                return F.linear(x.to(dtype), weight[: self.out_features].to(dtype), bias)
            bias = self.bias
            if bias is not None and len(bias) != CODES_PER_BYTE * len(self.packed):
                bias = F.pad(bias, (0, CODES_PER_BYTE * len(self.packed) - len(bias)))
            y = _PackedProduct.apply(x, self.packed, self.weight_scale, bias, dtype)
        return y if y.shape[-1] == self.out_features else y[..., : self.out_features]

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}, activation_bits={self.activation_bits}"
        )


class _PackedProduct(torch.autograd.Function):
    """The product with its gradient for x; packed codes are unpacked in backward again, not saved."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, packed: Tensor, scale: Tensor, bias: Tensor | None, dtype: torch.dtype
    ) -> Tensor:
        kernels = kernels_for(x)
        x_i8, inverse_scale = quantized_input(x)
        y = kernels.packed_product(x_i8, inverse_scale, packed, scale, bias, dtype)
        ctx.save_for_backward(packed, scale)
        ctx.dtypes = (x.dtype, dtype)
        return y.reshape(*x.shape[:-1], y.shape[-1])

    @staticmethod
    def backward(ctx: Any, grad_y: Tensor) -> tuple[Tensor | None, ...]:
        packed, scale = ctx.saved_tensors
        x_dtype, dtype = ctx.dtypes
        grad_x = None
        if ctx.needs_input_grad[0]:
            flat = grad_y.reshape(-1, grad_y.shape[-1])
            codes = unpack_unchecked(packed)
            grad_x = kernels_for(flat).input_gradient(flat, codes, scale, dtype).to(x_dtype)
            grad_x = grad_x.reshape(*grad_y.shape[:-1], packed.shape[1])
        return grad_x, None, None, None, None


def pack_model(model: nn.Module) -> nn.Module:
    """Replace every `BitLinear158` of a model by its packed form, in place.

    Args:
        model: A model with ternary layers; a layer that stands in several places is packed once.

    Returns:
        The same model. Its ternary layers cannot be trained any more.

    Raises:
        ValueError: A weight holds NaN or infinite values; the model may be packed in part.
    """
    made: dict[int, PackedLinear158] = {}
    for name, _ in list(model.named_modules(remove_duplicate=False)):
        layer = model.get_submodule(name)
        if isinstance(layer, BitLinear158):
            packed = made.get(id(layer)) or PackedLinear158.from_bitlinear(layer)
            made[id(layer)] = packed
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, packed)
    return model
