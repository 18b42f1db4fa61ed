"""The weight of a packed layer as others may read it: γ·codes, made for the reader, and no place to write to.

A packed layer has no weight in floating point. Libraries that look at `layer.weight` (PEFT places its adapters by it, and
DoRA takes its norms from it) get a tensor that was just computed. What they would write into it, as PEFT's merge does,
would be lost without a word; so each way to write raises, and says what does work. Anything computed from it is an ordinary
tensor.

How: after each operation the tensor's version counter shows whether it wrote, whatever the operation is called; only
`tensor.data = …` leaves no mark there and is known by name. Limits: raw pointers and NumPy views are not watched.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

WAYS_TO_USE_AN_ADAPTER = (
    "To go on from an adapter on a ternary base: keep the adapter (save it, and load it onto this base again); or "
    "merge_to_ternary(model, train_dataset), which distils base and adapter into ternary weights; or train ternary "
    "adapters (peft_config=TernaryLoraConfig(…)), whose merge changes no logit."
)
"""What the refusals of a merge recommend."""


class ReadOnlyWeight(Tensor):
    """γ·codes of one packed layer, for reading."""

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func == Tensor.data.__set__:  # type: ignore[attr-defined]
            raise _refusal()
        watched = [value for value in _flat((*args, *kwargs.values())) if isinstance(value, cls)]
        with torch._C.DisableTorchFunctionSubclass():
            before = [tensor._version for tensor in watched]
            result = func(*args, **kwargs)
            if before != [tensor._version for tensor in watched]:
                raise _refusal()
            memory = {tensor.untyped_storage()._cdata for tensor in watched}
            return _watched_again(result, memory, cls)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return self.clone()  # in memory of its own, so an ordinary tensor


def read_only_weight(codes: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    """γ·codes as a tensor that cannot be written to.

    Args:
        codes: int8 `[out_features, in_features]`.
        scale: γ, float32 `()` or `[out_features, 1]`.
        dtype: Of the result.

    Returns:
        `[out_features, in_features]`; it requires no gradient.
    """
    with torch.inference_mode(False), torch.no_grad():  # inference tensors count no versions
        return (codes * scale).to(dtype).as_subclass(ReadOnlyWeight)


def refuse_to_write() -> None:
    """Raise what any write to a packed layer's weight raises.

    Raises:
        RuntimeError: Always.
    """
    raise _refusal()


def _refusal() -> RuntimeError:
    return RuntimeError(
        "A packed ternary layer holds codes of 2 bits, so its weight can be read but not written to, and an adapter cannot "
        f"be merged into it. {WAYS_TO_USE_AN_ADAPTER}"
    )


def _flat(values: Iterable[Any]) -> Iterable[Any]:
    for value in values:
        if isinstance(value, list | tuple):
            yield from _flat(value)
        else:
            yield value


def _watched_again(result: Any, memory: set[int], cls: type[Tensor]) -> Any:
    """Views (`.data`, `.t()`) are watched, too; results with memory of their own are not."""
    if isinstance(result, list | tuple):
        made = [_watched_again(value, memory, cls) for value in result]
        return type(result)(made) if type(result) in (list, tuple) else result
    if not isinstance(result, Tensor):
        return result
    if result.untyped_storage()._cdata in memory:
        return result.as_subclass(cls)
    return result.as_subclass(Tensor) if isinstance(result, cls) else result
