"""Eight bits for a value: block-wise quantization of optimizer state, in plain PyTorch.

    absmax = max |x| over a block of 256 values        float32, one per block
    code   = index of the nearest of 256 fixed values to x / absmax
    x      ≈ values[code] · absmax

The values are the signed *dynamic* ones of arXiv 2110.02861 §2.1 (and of bitsandbytes): for each of the seven decades
below 1 its share of points, so that small entries of a block keep a relative precision. Exact zeros stay zero, and what
was quantized once is found again unchanged.

The same codes as `bitsandbytes.functional.quantize_blockwise`, except between two equally near values.
"""

from functools import lru_cache

import torch
from torch import Tensor

BLOCK = 256
"""Values that share one absmax: 4 bytes in 256, as in 8-bit optimizers."""


@lru_cache
def dynamic_values() -> Tensor:
    """The 256 values in [-1, 1], ascending, float32: in decade 10^(i-7) … 10^(i-6) are 2^i of each sign."""
    positive = [1.0]
    for decade in range(7):
        edges = torch.linspace(0.1, 1, 2**decade + 1)
        positive += (10.0 ** (decade - 6) * (edges[:-1] + edges[1:]) / 2).tolist()
    negative = [-value for value in positive if value != 1.0]
    return torch.tensor(sorted([*negative, 0.0, *positive]), dtype=torch.float32)


def quantize_blocks(x: Tensor) -> tuple[Tensor, Tensor]:
    """Codes and block maxima of a tensor.

    Args:
        x: float32, any shape; read in memory order. The last block may be short.

    Returns:
        `(codes, absmax)`: uint8 of x's shape, and float32 `[ceil(x.numel() / 256)]`.
    """
    blocks = _in_blocks(x)
    absmax = blocks.abs().amax(dim=1)
    tiny = torch.finfo(torch.float32).tiny
    values = dynamic_values().to(x.device)
    between = (values[1:] + values[:-1]) / 2
    codes = torch.bucketize(blocks / absmax.clamp(min=tiny)[:, None], between, out_int32=True)
    return codes.flatten()[: x.numel()].to(torch.uint8).view(x.shape), absmax


def dequantize_blocks(codes: Tensor, absmax: Tensor) -> Tensor:
    """The values that the codes stand for.

    Args:
        codes: uint8, as `quantize_blocks` gave them.
        absmax: float32, one per block.

    Returns:
        float32 of the shape of `codes`.
    """
    values = dynamic_values().to(codes.device)[codes.int()]
    return (_in_blocks(values) * absmax[:, None]).flatten()[: codes.numel()].view(codes.shape)


def _in_blocks(x: Tensor) -> Tensor:
    flat = x.reshape(-1)
    missing = -flat.numel() % BLOCK
    if missing:
        flat = torch.cat([flat, flat.new_zeros(missing)])
    return flat.view(-1, BLOCK)
