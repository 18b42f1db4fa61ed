"""A model that is only asked something, and is afterwards as it was, after an exception too.

`inference_state` puts back each module's training flag and activation checkpointing, `seeded` the RNG of the CPU
and of the model's CUDA devices. Generation, likelihoods, `verify` and the harness run inside them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


@contextmanager
def inference_state(model: "torch.nn.Module") -> Iterator[None]:
    """Evaluation mode without activation checkpointing; every module gets its own flags back.

    `model.train(was_training)` would not do: it also switches on modules that were off (frozen
    parts). Switching the flags here, rather than through transformers, keeps the user's
    checkpointing function and `every_n_layers`.
    """
    training = [(module, module.training) for module in model.modules()]
    checkpointed: list[Any] = [
        module for module in model.modules() if vars(module).get("gradient_checkpointing") is True
    ]
    model.eval()
    try:
        for module in checkpointed:
            module.gradient_checkpointing = False
        yield
    finally:
        for module in checkpointed:
            module.gradient_checkpointing = True
        for module, flag in training:
            module.training = flag


@contextmanager
def seeded(model: "PreTrainedModel", seed: int) -> Iterator[None]:
    """Random numbers from `seed` on; the RNG of the CPU and of the model's CUDA devices get their own state back."""
    import torch

    devices = sorted({p.device.index for p in model.parameters() if p.device.type == "cuda"})
    with torch.random.fork_rng(devices=devices):
        torch.random.default_generator.manual_seed(seed)
        for device in devices:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
