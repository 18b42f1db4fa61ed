"""`weight_scale` of packed checkpoints: two conventions that nothing in the tensors tells apart but their size.

    divide      transformers' BitLinear         weight_scale = 1/γ
    multiply    transformers' AutoBitLinear     weight_scale = γ

A file with the wrong linear_class loads without an error into a model that talks nonsense. It is recognised by its size: γ of
a trained model is mostly 0.005 to 0.3, so 1/γ read as γ gives 3 to 200. Limit: around 1 the two cannot be told apart, and
microsoft/bitnet-b1.58-2B-4T has γ of about 1.5 (microsoft/BitNet pull request 616 quotes 1.555); so only a median above 4 is
refused, where the other convention would give a plausible one.
"""

import math
import statistics
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from bitsft.checkpoint.files import CheckpointFiles

ScaleConvention = Literal["divide", "multiply"]

LARGEST_PLAUSIBLE_SCALE = 4.0
"""A median γ above this, with one between it and SMALLEST the other way round, is the wrong convention."""
SMALLEST_PLAUSIBLE_SCALE = 1e-4

_CONVENTIONS = (
    "There are two conventions: transformers' BitLinear (linear_class 'bitlinear') divides by weight_scale, which "
    "then holds 1/γ; AutoBitLinear (linear_class 'autobitlinear') multiplies by it, and it holds γ."
)


def scale_of_stored(stored: Tensor, convention: ScaleConvention | None) -> Tensor:
    """γ of a packed layer from its `weight_scale`.

    Args:
        stored: `weight_scale`, float32 `()`.
        convention: What it does.
    """
    return _reciprocal(stored) if convention == "divide" else stored


def _reciprocal(stored: Tensor) -> Tensor:
    """The γ whose float32 reciprocal is exactly `stored` where there is one: forward divides by 1/γ."""
    nearest = 1 / stored
    infinity = torch.tensor(math.inf)
    for scale in (
        nearest,
        torch.nextafter(nearest, infinity),
        torch.nextafter(nearest, -infinity),
    ):
        if 1 / scale == stored:
            return scale
    return nearest


def check_plausible(
    scales: Mapping[str, Tensor], convention: ScaleConvention, files: CheckpointFiles, path: str
) -> None:
    """Refuse scales that would be of usual size in the other convention.

    Args:
        scales: γ by layer, as `convention` reads them.
        convention: What config.json says.
        files: The checkpoint.
        path: Of config.json, for the message.

    Raises:
        ValueError: They are.
    """
    median = statistics.median(scale.item() for scale in scales.values())
    if median <= LARGEST_PLAUSIBLE_SCALE or 1 / median < SMALLEST_PLAUSIBLE_SCALE:
        return
    layer = next(iter(scales))
    name = f"{layer}.weight_scale"
    stored = files.read(name).float().item()
    right = "autobitlinear" if convention == "divide" else "bitlinear"
    other = "multiply" if convention == "divide" else "divide"
    remedy = f"Set linear_class to {right!r} in {path}, or pass scale_convention={other!r}"
    if any(f"{layer}.bias" in files for layer in scales):
        remedy = (
            f"Pass scale_convention={other!r} (the other linear_class would change the biases, too)"
        )
    raise ValueError(
        f"The scales are in the wrong convention: read as config.json says ({convention}), the median γ of "
        f"{len(scales)} layers is {median:.4g}, while γ of a ternary model is mostly 0.005 to 0.3; the other way round "
        f"it is {1 / median:.4g}. For example {name!r} in {files.file_of(name)} is {stored:.4g}. {_CONVENTIONS} "
        f"{remedy}; if the scales really are this large, pass scale_convention={convention!r}."
    )
