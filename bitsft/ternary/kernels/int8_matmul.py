"""The exact integer product x_i8 · codesᵀ, by the fastest exact way that device and sizes allow.

Chosen here and nowhere else:

- `torch._int_mm` (int8 × int8 -> int32) on a CPU with two input features or more, and on CUDA where its size rules
  hold (more than 16 rows, widths that are multiples of 8);
- else a float32 product of the integers, exact as long as |sum| < 2²⁴, that is up to 132,104 input
  features; float64 beyond.

Every way gives the same integers, so nothing downstream can tell them apart.
"""

import torch
from torch import Tensor

WIDEST_EXACT_IN_FLOAT32 = (2**24) // 127
"""Input features up to which a float32 sum of products int8 · {-1, 0, 1} cannot round."""


def int8_matmul(x_i8: Tensor, codes: Tensor) -> Tensor:
    """x_i8 · codesᵀ, without rounding.

    Args:
        x_i8: int8 `[tokens, in_features]`.
        codes: int8 `[out_features, in_features]` in {-1, 0, 1}.

    Returns:
        int32 `[tokens, out_features]`.
    """
    if _int_mm_applies(x_i8, codes):
        return torch._int_mm(x_i8, codes.t())
    wide = x_i8.shape[1] > WIDEST_EXACT_IN_FLOAT32
    dtype = torch.float64 if wide else torch.float32
    return (x_i8.to(dtype) @ codes.to(dtype).t()).to(torch.int32)


def _int_mm_applies(x_i8: Tensor, codes: Tensor) -> bool:
    tokens, in_features = x_i8.shape
    if tokens == 0 or codes.numel() == 0:
        return False
    if x_i8.device.type == "cpu":
        return in_features > 1  # with one feature torch 2.13 returns memory that nobody wrote to
    fits_cublas = tokens > 16 and in_features % 8 == 0 and codes.shape[0] % 8 == 0
    return x_i8.device.type == "cuda" and fits_cublas
