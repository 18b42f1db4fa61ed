"""The fast paths of a ternary layer, and the one place where they are chosen.

    reference   plain PyTorch: the truth, for any device and dtype
    blocked     the same on blocks of rows, for CPUs
    gpu         Triton kernels, for NVIDIA GPUs

`BITSFT_KERNELS=reference` in the environment of the process forces the first, to find out whether a kernel is to blame.
"""

import logging
import os
from types import ModuleType

import torch
from torch import Tensor

from bitsft.ternary.kernels import blocked, reference

KERNELS_VARIABLE = "BITSFT_KERNELS"

logger = logging.getLogger(__name__)


def _forced() -> bool:
    value = os.environ.get(KERNELS_VARIABLE, "")
    if value not in ("", "reference"):
        raise ValueError(f"{KERNELS_VARIABLE}={value!r}; it may be unset, or 'reference'.")
    return value == "reference"


def _gpu_kernels() -> ModuleType:
    if torch.version.cuda is None or not torch.cuda.is_available():
        return reference
    try:
        from bitsft.ternary.kernels import gpu
    except ImportError as error:
        logger.warning(
            "Triton cannot be imported (%s): ternary layers run on the GPU in plain PyTorch, which is slower. "
            "Install the Triton that belongs to your PyTorch.",
            error,
        )
        return reference
    return gpu


reference_is_forced = _forced()
"""Read once: a look into the environment in each forward would be felt when one token is decoded."""

gpu_kernels = _gpu_kernels()
"""For CUDA tensors; the reference where there is no NVIDIA GPU or no Triton, or where they are wrong."""

gpu_kernels_are_checked = gpu_kernels is reference


def check_gpu_kernels(device: torch.device) -> None:
    """Compare the kernels for GPUs with the reference once; where they differ or fail the reference is used from now on.

    Args:
        device: To run them on.
    """
    global gpu_kernels, gpu_kernels_are_checked
    from bitsft.ternary.kernels.gpu.self_check import wrong_kernels

    gpu_kernels_are_checked = True
    try:
        wrong = wrong_kernels(device)
        problem = f"they differ from the reference ({', '.join(wrong)})" if wrong else ""
    except Exception as error:  # whatever stops a kernel here, the plain formulas still run
        problem = f"{type(error).__name__}: {error}"
    if problem:
        gpu_kernels = reference
        logger.warning(
            "bitsft's Triton kernels do not work on %s: %s. Ternary layers run in plain PyTorch there, which is "
            "slower. Please report this with the versions of torch and triton.",
            device,
            problem,
        )


def kernels_for(x: Tensor) -> ModuleType:
    """The kernels for a tensor: a module with the functions of `reference`.

    Args:
        x: The layer's input, or its weight.
    """
    if reference_is_forced:
        return reference
    compiling = torch.compiler.is_compiling()
    if x.is_cuda:
        if not (gpu_kernels_are_checked or compiling or torch.cuda.is_current_stream_capturing()):
            check_gpu_kernels(x.device)
        return gpu_kernels
    if x.is_cpu and not compiling:
        return blocked
    return reference  # on a CPU a compiler fuses the plain formulas better than blocks of them
