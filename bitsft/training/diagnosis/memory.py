"""Out of memory: recognised where it is raised, explained, and raised on.

Recognised are torch's `OutOfMemoryError` (CUDA and other accelerators), the RuntimeError of PyTorch's CPU
allocator, and Python's MemoryError. What the kernel kills leaves no exception to see.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from bitsft.training.diagnosis.finding import Finding, change

logger = logging.getLogger(__name__)

_CPU_ALLOCATOR = ("DefaultCPUAllocator", "can't allocate memory", "not enough memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _CPU_ALLOCATOR)


def out_of_memory(error: BaseException, step: int, args: Any) -> Finding:
    """What to change when memory ran out; the effective batch size stays.

    Args:
        error: The exception.
        step: Optimizer steps done.
        args: The trainer's arguments.
    """
    said = (str(error) or type(error).__name__).split("\n")[0].rstrip(".")[:160]
    batch, accumulated = args.per_device_train_batch_size, args.gradient_accumulation_steps
    # not an argument of a plain Trainer
    length = getattr(args, "max_length", None)
    at = f"per_device_train_batch_size={batch}" + (f", max_length={length}" if length else "")
    if batch > 1:
        advice = (
            f"Halve {change('per_device_train_batch_size', batch, batch // 2)} and double "
            f"{change('gradient_accumulation_steps', accumulated, 2 * accumulated)}, which learns the same"
        )
    elif not args.gradient_checkpointing:
        advice = "Set gradient_checkpointing=True, about a third slower"
    elif length:
        advice = (
            f"Shorten {change('max_length', length, length // 2)} (bitsft data look counts what that cuts "
            "off), or use optim='adamw_bnb_8bit'"
        )
    else:
        advice = "Set max_length, or use optim='adamw_bnb_8bit'"
    return Finding("out_of_memory", step, f"after step {step}, with {at}: {said}", advice)


@contextmanager
def out_of_memory_explained(trainer: Any) -> Iterator[None]:
    """Log what to change when memory runs out inside; the exception goes on as it is.

    `TernarySFTTrainer.train` does this by itself. With another trainer:

        with out_of_memory_explained(trainer):
            trainer.train()

    The finding is also kept by the trainer's `DiagnosisCallback`, if it has one.

    Args:
        trainer: A transformers `Trainer`.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # torch.OutOfMemoryError is a RuntimeError
        if is_out_of_memory(error):
            from bitsft.training.diagnosis.callback import DiagnosisCallback

            finding = out_of_memory(error, trainer.state.global_step, trainer.args)
            logger.warning("%s", finding)
            for callback in trainer.callback_handler.callbacks:
                if isinstance(callback, DiagnosisCallback):
                    callback.findings.append(finding)
        raise
