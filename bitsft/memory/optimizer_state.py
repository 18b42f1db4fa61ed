"""Bytes of optimizer state for one parameter, from the name of the optimizer and the parameter's shape.

    adamw_torch, adamw_torch_fused       2 moments in the parameter's dtype
    adagrad, rmsprop                     1 in the parameter's dtype
    adafactor                            (rows + columns) float32 of a matrix; a vector has one float32 for each value
    sgd                                  nothing (Trainer gives it no momentum)
    *_32bit of bitsandbytes              2 (AdamW) or 1 (Lion, RMSprop) float32
    *_8bit of bitsandbytes               2 or 1 bytes, and a float32 for each 256 of them; float32 below 4,096 values and
                                         for embeddings, as Trainer sets it
    latent_free                          1 byte and (rows + columns) float32 for a ternary matrix (docs/latent_free.md),
                                         AdamW's moments for the rest

Sources: `torch.optim`, transformers' `Adafactor` and `get_optimizer_cls_and_kwargs`, `bitsandbytes.optim.optimizer`; the
tests measure each of them. Limits: scalars, such as the number of steps, and bitsandbytes' tables of 1 kB do not count;
paged state counts in full, wherever it lies; quantities that PyTorch allocates for the length of a step do not count.
"""

from collections.abc import Sequence
from math import prod

LATENT_FREE = "latent_free"
"""The optimizer of `projection="stochastic"`, among the names of `TrainingArguments.optim`."""

_IN_PARAMETER_DTYPE = {
    "adamw_torch": 2,
    "adamw_torch_fused": 2,
    "adagrad": 1,
    "rmsprop": 1,
    "sgd": 0,
}
_IN_FLOAT32 = {
    "paged_adamw_32bit": 2,
    "rmsprop_bnb": 1,
    "lion_32bit": 1,
    "paged_lion_32bit": 1,
    "rmsprop_bnb_32bit": 1,
}
_IN_8_BITS = {
    "adamw_bnb_8bit": 2,
    "adamw_8bit": 2,
    "paged_adamw_8bit": 2,
    "lion_8bit": 1,
    "paged_lion_8bit": 1,
    "rmsprop_bnb_8bit": 1,
}
_BLOCK, _SMALLEST = 256, 4096


def optimizer_state_bytes(
    optim: str,
    shape: Sequence[int],
    itemsize: int,
    *,
    is_ternary: bool = False,
    is_embedding: bool = False,
) -> int | None:
    """What the optimizer keeps of a trained parameter from its first step on.

    Args:
        optim: A value of `TrainingArguments.optim`, or `LATENT_FREE`.
        shape: Of the parameter.
        itemsize: Bytes of a value of the parameter.
        is_ternary: It is the weight of a ternary layer, `[rows, columns]`.
        is_embedding: It is the weight of an `nn.Embedding`.

    Returns:
        Bytes; None for an optimizer that this module does not know.
    """
    values = prod(shape)
    if optim == LATENT_FREE:
        if not is_ternary:
            return 2 * itemsize * values
        rows, columns = shape
        return values + 4 * (rows + columns)
    if optim == "adafactor":
        if len(shape) < 2:
            return 4 * values
        return 4 * (prod(shape[:-1]) + prod(shape[:-2]) * shape[-1])
    if optim in _IN_PARAMETER_DTYPE:
        return _IN_PARAMETER_DTYPE[optim] * itemsize * values
    if optim in _IN_FLOAT32:
        return _IN_FLOAT32[optim] * 4 * values
    if optim in _IN_8_BITS:
        if is_embedding or values < _SMALLEST:
            return _IN_8_BITS[optim] * 4 * values
        return _IN_8_BITS[optim] * (values + 4 * -(-values // _BLOCK))
    return None
