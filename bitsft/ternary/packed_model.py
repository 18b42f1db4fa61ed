"""`pack_model`: a model whose ternary layers keep codes of 2 bits and no latent weights: for generation, or below adapters."""

from torch import nn

from bitsft.ternary.linear import BitLinear158
from bitsft.ternary.packed_linear import CodesInMemory, PackedLinear158


def pack_model(model: nn.Module, codes_in_memory: CodesInMemory = "packed") -> nn.Module:
    """Replace every `BitLinear158` of a model by its packed form, in place.

    Args:
        model: A model with ternary layers; a layer that stands in several places is packed once.
        codes_in_memory: `"packed"`, a quarter of a byte a weight, or `"int8"`, a byte a weight and faster.

    Returns:
        The same model. Its ternary layers cannot be trained any more.

    Raises:
        ValueError: A weight holds NaN or infinite values; the model may be packed in part. `codes_in_memory` is
            neither of the two.
    """
    made: dict[int, PackedLinear158] = {}
    for name, _ in list(model.named_modules(remove_duplicate=False)):
        layer = model.get_submodule(name)
        if isinstance(layer, BitLinear158):
            packed = made.get(id(layer)) or PackedLinear158.from_bitlinear(layer, codes_in_memory)
            made[id(layer)] = packed
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, packed)
    return model
