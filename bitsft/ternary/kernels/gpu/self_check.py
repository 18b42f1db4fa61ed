"""Each kernel against the reference on a small input, on the device at hand.

The kernels are tested in Triton's interpreter and compiled for some GPUs; a GPU, a driver or a Triton that nobody tried may
still break one. So the first use on a device compares them once: integers have to be equal, floats to agree within the
rounding of bfloat16. It waits for the device, and compiles and tunes what training would compile and tune anyway.
"""

import torch
from torch import Tensor

from bitsft.ternary.kernels import reference
from bitsft.ternary.kernels.gpu.forward_product import ternary_product
from bitsft.ternary.kernels.gpu.gradients import input_gradient, weight_gradient
from bitsft.ternary.kernels.gpu.packed_product import packed_product
from bitsft.ternary.kernels.gpu.rows import quantize_rows
from bitsft.ternary.kernels.gpu.weights import quantize_weight, requantize_weight
from bitsft.ternary.pack import pack_codes

TOKENS, IN, OUT = 40, 64, 48


def wrong_kernels(device: torch.device) -> list[str]:
    """The names of the kernels whose results are not the reference's on this device.

    Args:
        device: With a GPU, or any under Triton's interpreter.
    """
    generator = torch.Generator().manual_seed(0)
    dtype = torch.bfloat16
    x, grad, weight = (
        torch.randn(size, generator=generator).to(device, dtype)
        for size in ((TOKENS, IN), (TOKENS, OUT), (OUT, IN))
    )
    codes, scale = reference.quantize_weight(weight)
    rows = reference.quantize_rows(x)
    packed = pack_codes(codes)
    few = (rows[0][:3], rows[1][:3])
    pairs = {
        "quantize_rows": (quantize_rows(x), rows),
        "quantize_weight": (quantize_weight(weight)[:1], (codes,)),
        "requantize_weight": (
            requantize_weight(weight, -codes)[::2],
            reference.requantize_weight(weight, -codes)[::2],
        ),
        "ternary_product": (
            (ternary_product(*rows, codes, scale, None, dtype),),
            (reference.ternary_product(*rows, codes, scale, None, dtype),),
        ),
        "packed_product": (
            tuple(packed_product(*r, packed, scale, None, dtype) for r in (rows, few)),
            tuple(reference.packed_product(*r, packed, scale, None, dtype) for r in (rows, few)),
        ),
        "input_gradient": (
            (input_gradient(grad, codes, scale, dtype),),
            (reference.input_gradient(grad, codes, scale, dtype),),
        ),
        "weight_gradient": (
            (weight_gradient(grad, *rows, dtype),),
            (reference.weight_gradient(grad, *rows, dtype),),
        ),
    }
    return [name for name, (found, expected) in pairs.items() if not _agree(found, expected)]


def _agree(found: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> bool:
    return all(
        torch.allclose(f.float(), e.float(), rtol=2e-2, atol=2e-2 * float(e.abs().max()))
        if f.is_floating_point()
        else torch.equal(f, e)
        for f, e in zip(found, expected, strict=True)
    )
