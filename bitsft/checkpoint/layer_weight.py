"""A ternary layer gets its weight from a checkpoint, which is looked at on the way.

Whether a weight lies on the grid follows from the checkpoint's form, except where it is float without further word: only
there are weights looked at closely (replace_linear_with_bitlinear has to do that for each, which takes longer than
loading it).
"""

import torch
from torch import Tensor, nn

from bitsft.checkpoint.outline import TernaryCheckpoint
from bitsft.ternary.linear import BitLinear158
from bitsft.ternary.quantize import Granularity, grid_scale


def give_weight(
    layer: BitLinear158, weight: nn.Parameter, checkpoint: TernaryCheckpoint, name: str
) -> None:
    """Put a weight into a layer of a checkpoint's outline, in the state that it has there.

    Args:
        layer: The outline's layer.
        weight: γ·codes or latents, `[out_features, in_features]`.
        checkpoint: Where it is from.
        name: The layer's name, for messages.

    Raises:
        ValueError: The weight holds NaN or infinite values, or is not γ·{-1, 0, 1} though config.json says so.
    """
    values = weight.detach()
    smallest, largest = values.aminmax()
    if not bool(torch.isfinite(largest - smallest)):
        raise ValueError(
            f"{checkpoint.files.directory}: the weight of {name} holds NaN or infinite values. Fetch the files "
            "again; if training had diverged before they were written, use an earlier checkpoint."
        )
    layer.weight = weight
    layer.on_grid = checkpoint.form.kind == "packed" or (
        checkpoint.form.kind in ("dense", "rows")
        and _is_on_grid(values[:1], layer.granularity)  # settles it for nearly all others
        and _is_on_grid(values, layer.granularity)
        and bool(smallest < 0 or largest > 0)
    )
    if checkpoint.form.kind == "rows" and not layer.on_grid and bool(values.any()):
        raise ValueError(
            f"{checkpoint.files.directory}: a row of the weight of {name} is not γ·{{-1, 0, 1}}, though config.json "
            "says that it is quantized (offline). For master weights set quantization_mode to 'online' there."
        )


def _is_on_grid(weight: Tensor, granularity: Granularity) -> bool:
    magnitude, on_grid = grid_scale(weight, granularity)
    return bool((on_grid | (magnitude == 0)).all())  # zeros fit any grid
