"""What was last made of a tensor, remembered for as long as that tensor lives unchanged: one entry per thread.

For work that several layers would repeat one after the other on the same tensor object. The tensor is held weakly; what
was made of it goes when it goes. A tensor changed in place since is a miss (the caller puts its version counter into the
state). Limits: writes around the version counter (`.data`, raw pointers) are not seen.
"""

import threading
import weakref
from typing import Any

from torch import Tensor


class LastMade(threading.local):
    """The last tensor of this thread and what was made of it."""

    def __init__(self) -> None:
        self._reference: weakref.ref[Tensor] | None = None
        self._state: tuple[object, ...] = ()
        self._made: Any = None

    def get(self, tensor: Tensor, *state: object) -> Any:
        """What was made of this tensor in this state, or None.

        Args:
            tensor: The very object counts, not its content.
            state: What else has to be as it was; compared with `==`.
        """
        reference = self._reference
        known = reference is not None and reference() is tensor
        return self._made if known and self._state == _full(tensor, state) else None

    def put(self, tensor: Tensor, *state: object, made: Any) -> None:
        """Remember `made` instead of what was remembered before."""
        self._reference = weakref.ref(tensor, self._forget)
        self._state = _full(tensor, state)
        self._made = made

    def _forget(self, reference: "weakref.ref[Tensor]") -> None:
        if self._reference is reference:
            self._reference = self._made = None


def _full(tensor: Tensor, state: tuple[object, ...]) -> tuple[object, ...]:
    return (tensor._version, tensor.data_ptr(), tensor.shape, *state)
