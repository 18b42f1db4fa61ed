"""A kernel as an operator that torch.compile takes as it is.

Dynamo cannot look into a function that launches Triton kernels with data-dependent choices, and need not: under
`torch.compile` the function is called through a custom operator (`bitsft::name`), whose fake implementation says which
shapes and dtypes come out. Outside of it the function itself is called: the dispatcher costs about ten
microseconds, which is felt when one token is decoded.

Source: torch.library.custom_op (PyTorch 2.4 and later). Limits: the operators have no gradients of their own; they stand
inside `TernaryProduct`, which has.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def operator(name: str, fake: Callable[..., Any]) -> Callable[[Callable[..., Any]], Any]:
    """Make a function an operator under `torch.compile`.

    Args:
        name: After `bitsft::`.
        fake: The same signature; returns empty tensors of the results' shapes, dtypes and devices.

    Returns:
        A decorator. The function's first argument is a tensor on whose device everything runs. All arguments
        have annotations that torch.library knows (`Tensor`, `Tensor | None`, `int`, `float`, `bool`, `str`,
        `torch.dtype`); none is changed, and results are fresh tensors.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def on_its_device(first: Tensor, *args: Any, **kwargs: Any) -> Any:
            with torch.cuda.device_of(first):  # Triton launches on the current device
                return function(first, *args, **kwargs)

        operation = torch.library.custom_op(f"bitsft::{name}", on_its_device, mutates_args=())
        operation.register_fake(fake)

        @functools.wraps(function)
        def choose(*args: Any, **kwargs: Any) -> Any:
            chosen = operation if torch.compiler.is_compiling() else on_its_device
            return chosen(*args, **kwargs)

        return choose

    return decorate
