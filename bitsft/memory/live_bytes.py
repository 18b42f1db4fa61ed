"""How many bytes of tensors are alive, now and at most, while code runs that allocates nothing.

Under `FakeTensorMode` PyTorch computes shapes and dtypes only, and a storage knows its size without having memory. `LiveBytes`
sees each operation, counts a storage when it first appears and takes it off when it dies: the peak of the real code at the
real sizes, temporaries and autograd's saved tensors included.

Limits: what an operation allocates inside (workspaces of matrix products) is not seen; nor is memory outside of tensors.
"""

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """Counts while it is entered; storages that die are taken off at any time.

    Attributes:
        now: Bytes alive.
        peak: Largest `now` since the last `start`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.peak = 0
        self._known: dict[int, int] = {}

    def add(self, tensor: Tensor) -> None:
        """Count a tensor's storage, once."""
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._known:
            self._known[key] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._drop, key)

    def start(self) -> int:
        """Let the peak start from now; returns the bytes alive."""
        self.peak = self.now
        return self.now

    def _drop(self, key: int) -> None:
        self.now -= self._known.pop(key, 0)

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self.add(leaf)
        return result


def without_memory_(model: nn.Module) -> None:
    """Move a model from the meta device to a device that it only seems to be on; inside `FakeTensorMode`.

    Unlike on the meta device, autocast and the kernels that are chosen by device are then those of a CPU.

    Args:
        model: Changed in place; a tensor that stands in several places stays one.
    """
    made: dict[int, Tensor] = {}

    def fake(tensor: Tensor) -> Tensor:
        if id(tensor) not in made:
            made[id(tensor)] = torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu")
        return made[id(tensor)]

    originals: list[Tensor] = []  # alive until the end, so that an id stays one tensor's
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False, remove_duplicate=False)):
            originals.append(parameter)
            module._parameters[name] = nn.Parameter(fake(parameter), parameter.requires_grad)
        for name, buffer in list(module.named_buffers(recurse=False, remove_duplicate=False)):
            originals.append(buffer)
            module._buffers[name] = fake(buffer)
