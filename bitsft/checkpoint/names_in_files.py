"""What a checkpoint's files call the tensors of its model: the same, or with a prefix more or less.

A prefix differs where a base model was saved (`layers.0…`) and is loaded with its head (`model.layers.0…`), or the other way
round. Whoever reads tensor by tensor needs the names; where transformers renames by more, stacks or splits tensors on
loading, they cannot be told, and the model has to be loaded whole.
"""

from collections.abc import Iterable

from bitsft.checkpoint.outline import TernaryCheckpoint
from bitsft.ternary.pack import CODES_PER_BYTE


def names_in_files(checkpoint: TernaryCheckpoint, names: Iterable[str]) -> dict[str, str] | None:
    """Find tensors of the model in the files.

    Args:
        checkpoint: The checkpoint.
        names: state_dict names of the model, tied ones once.

    Returns:
        Name in the model -> name in the files, each of the right shape and none of them twice; None where that cannot be
        told for one of them.
    """
    shapes = {name: tensor.shape for name, tensor in checkpoint.outline.state_dict().items()}
    found = {}
    for name in names:
        alike = [name] if name in checkpoint.files else _alike(name, checkpoint.files.names)
        if len(alike) != 1 or _shape(checkpoint, name, alike[0]) != tuple(shapes[name]):
            return None  # another tensor's name may end alike
        found[name] = alike[0]
    return found if len(set(found.values())) == len(found) else None


def _alike(name: str, stored: Iterable[str]) -> list[str]:
    kind = name.rpartition(".")[2]
    return [
        n
        for n in stored
        if n.endswith(f".{name}") or (n.endswith(f".{kind}") and name.endswith(f".{n}"))
    ]


def _shape(checkpoint: TernaryCheckpoint, name: str, stored: str) -> tuple[int, ...] | None:
    """Of what is stored, unpacked; None where a ternary weight of a packed checkpoint is not packed."""
    shape = checkpoint.files.shape(stored)
    layer, _, kind = name.rpartition(".")
    if checkpoint.form.kind != "packed" or kind != "weight" or layer not in checkpoint.ternary:
        return shape
    if stored.removesuffix(".weight") not in checkpoint.form.scales:
        return None
    return (shape[0] * CODES_PER_BYTE, *shape[1:])
