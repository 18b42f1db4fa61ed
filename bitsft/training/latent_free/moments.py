"""What the optimizer remembers of a matrix beside its weights: how large gradients are, and where its scale goes.

Second moment by rows and columns (Adafactor, arXiv 1804.04235 §3): with r and c the moving averages of the means of g²
over each row and each column,

    v[i, j] = r[i] · c[j] / mean(r)            (rows + columns) floats instead of rows · columns

Scale: W = γ·codes, so ∂L/∂γ = Σ ∂L/∂W ⊙ codes, out of the gradient that is there anyway. Its logarithm is moved by Adam,
γ ← γ · exp(-rate · m̂ / √v̂): a share of itself, so γ stays above 0 and the rate means the same in every matrix.
"""

import math

import torch
from torch import Tensor

State = dict[str, Tensor]


def new_moments(rows: int, columns: int, scale: Tensor) -> State:
    """The state at the start.

    Args:
        rows: The matrix's height.
        columns: Its width.
        scale: γ, float32, shape `()` or `[rows, 1]`.

    Returns:
        float32 tensors by name; `scale` is a copy, `step` the number of steps done, on the CPU.
    """
    device = scale.device
    return {
        "step": torch.tensor(0.0),
        "scale": scale.detach().float().clone(),
        "scale_momentum": torch.zeros_like(scale, dtype=torch.float32),
        "scale_square": torch.zeros_like(scale, dtype=torch.float32),
        "row_square": torch.zeros(rows, 1, device=device),
        "column_square": torch.zeros(1, columns, device=device),
    }


def update_squares(state: State, row_means: Tensor, column_means: Tensor, beta2: float) -> None:
    """Move the averages of g² in place.

    Args:
        state: See `new_moments`.
        row_means: Mean of g² over each row, `[rows, 1]`.
        column_means: Mean of g² over each column, `[1, columns]`.
        beta2: Decay.
    """
    state["row_square"].lerp_(row_means, 1 - beta2)
    state["column_square"].lerp_(column_means, 1 - beta2)


def update_scale(
    state: State, gradient: Tensor, step: int, *, rate: float, betas: tuple[float, float]
) -> None:
    """Move γ in place.

    Args:
        state: See `new_moments`.
        gradient: ∂L/∂γ, of γ's shape.
        step: This step's number, from 1.
        rate: Share of itself that a step moves γ by, about.
        betas: Decays of Adam's two averages.
    """
    beta1, beta2 = betas
    by_logarithm = gradient * state["scale"]
    state["scale_momentum"].lerp_(by_logarithm, 1 - beta1)
    state["scale_square"].lerp_(by_logarithm.square(), 1 - beta2)
    mean = state["scale_momentum"] / (1 - beta1**step)
    root = (state["scale_square"] / (1 - beta2**step)).sqrt()
    direction = mean / root.clamp(min=torch.finfo(torch.float32).tiny)
    state["scale"].mul_(torch.exp(-rate * direction))


def inverse_roots(state: State, step: int, beta2: float) -> tuple[Tensor, Tensor]:
    """Two factors whose product is 1 / √v.

    Args:
        state: See `new_moments`.
        step: This step's number, from 1; corrects the averages' start at 0.
        beta2: The decay they were moved with.

    Returns:
        `[rows, 1]` and `[1, columns]`, float32; 0 where no gradient was ever seen.
    """
    rows, columns = state["row_square"], state["column_square"]
    correction = math.sqrt(1 - beta2**step)
    by_row = torch.where(rows > 0, rows.rsqrt() * rows.mean().sqrt(), 0.0)
    by_column = torch.where(columns > 0, columns.rsqrt() * correction, 0.0)
    return by_row, by_column
