"""One optimizer step of one ternary matrix that has no latent weights.

The matrix is γ·codes, and beside it an int8 *position* says where each weight stands between the codes, in 64ths of γ:

    p ← p - rate · g / √v            computed in float32, in units of γ; v by rows and columns
    p ← floor(64·p + noise) / 64     noise uniform in [0, 1): the expectation is where the step led; within ±127/64
    code = 1 where p >= 1/2, -1 where p <= -1/2, else 0
    W = code · γ                     with the new γ

With one step of the grid per code (64 → 1) this is Direct Quantized Training, arXiv 2412.04787. There a step of 1/64 γ
flips one code in 64, a whole γ away, whatever the other steps say; here the noise of a step has a 64th of that variance,
for one byte a weight.

Limits: rounding noise comes from a generator of this device, so a run is repeated to the bit on the same kind of device
only. Matrices are worked through in blocks of rows, so that float32 temporaries stay small.
"""

import torch
from torch import Tensor

from bitsft.training.latent_free.moments import (
    State,
    inverse_roots,
    new_moments,
    update_scale,
    update_squares,
)

POSITIONS_PER_CODE = 64
LAST_POSITION = 127
WEIGHTS_AT_ONCE = {"cpu": 1 << 18, "cuda": 1 << 24}
"""Weights whose float32 values exist at one time; on a CPU they fit its cache."""


def new_state(weight: Tensor, codes: Tensor, scale: Tensor, into: Tensor | None = None) -> State:
    """The state of a matrix before its first step.

    Args:
        weight: `[rows, columns]`, latent or on the grid; only read.
        codes: int8 in {-1, 0, 1}, of the same shape.
        scale: γ, float32, shape `()` or `[rows, 1]`.
        into: int8 of the weight's shape that becomes the positions; default: a new tensor.

    Returns:
        The moments, and `position`: int8, where the weight stands now; on the codes if it is on the grid.
    """
    height, width = weight.shape
    state = new_moments(height, width, scale)
    state["position"] = torch.empty_like(weight, dtype=torch.int8) if into is None else into
    half = POSITIONS_PER_CODE // 2
    for rows in _blocks(weight):
        position = weight[rows].detach().float() / _of(scale, rows) * POSITIONS_PER_CODE
        position = position.round_().clamp_(-LAST_POSITION, LAST_POSITION)
        # Ties and bf16's rounding must not turn into flips: the position stays on its code's side.
        code = codes[rows]
        position = torch.where(code > 0, position.clamp(min=half), position)
        position = torch.where(code < 0, position.clamp(max=-half), position)
        position = torch.where(code == 0, position.clamp(1 - half, half - 1), position)
        state["position"][rows] = position.to(torch.int8)
    return state


@torch.no_grad()
def grid_step(
    weight: Tensor,
    gradient: Tensor,
    state: State,
    *,
    rate: float,
    scale_rate: float,
    weight_decay: float,
    betas: tuple[float, float],
    generator: torch.Generator,
) -> Tensor:
    """Move a matrix and its state in place.

    Args:
        weight: `[rows, columns]`, exactly γ·codes, any float dtype.
        gradient: ∂L/∂W, of the same shape.
        state: From `new_state`, or a checkpoint.
        rate: How far a step of usual size moves a weight, in units of γ.
        scale_rate: By which share of itself such a step moves γ.
        weight_decay: γ shrinks by scale_rate · weight_decay of itself, which shrinks the whole matrix.
        betas: Decays of the moving averages; the first is that of γ's momentum.
        generator: Noise for the rounding, on the weight's device.

    Returns:
        How many codes changed: int64, shape `()`, on the weight's device.
    """
    state["step"] += 1
    step = int(state["step"])
    row_means, column_sums, by_row = [], torch.zeros_like(state["column_square"]), []
    for rows in _blocks(weight):
        block = gradient[rows].float()
        square = block.square()
        row_means.append(square.mean(dim=1, keepdim=True))
        column_sums += square.sum(dim=0, keepdim=True)
        by_row.append((block * weight[rows].sign()).sum(dim=1, keepdim=True))
    update_squares(state, torch.cat(row_means), column_sums / len(weight), betas[1])
    scale = state["scale"]
    scale_gradient = torch.cat(by_row) if scale.dim() else torch.cat(by_row).sum()
    update_scale(state, scale_gradient, step, rate=scale_rate, betas=betas)
    scale.mul_(1 - scale_rate * weight_decay)

    row_factor, column_factor = inverse_roots(state, step, betas[1])
    row_factor *= -rate * POSITIONS_PER_CODE
    flips = torch.zeros((), dtype=torch.int64, device=weight.device)
    for rows in _blocks(weight):
        position = (gradient[rows].float() * row_factor[rows]).mul_(column_factor)
        position += state["position"][rows]
        position += torch.rand(position.shape, generator=generator, device=position.device)
        position.floor_().clamp_(-LAST_POSITION, LAST_POSITION)
        state["position"][rows] = position.to(torch.int8)
        codes = _codes_at(position)
        flips += (codes != weight[rows].sign()).sum()
        weight[rows] = codes.mul_(_of(scale, rows)).to(weight.dtype)
    return flips


def is_state_of(weight: Tensor, state: State) -> bool:
    """Whether the weight is exactly what the state says: γ·codes of the positions."""
    return all(
        torch.equal(
            weight[rows],
            _codes_at(state["position"][rows]).mul_(_of(state["scale"], rows)).to(weight.dtype),
        )
        for rows in _blocks(weight)
    )


def _codes_at(position: Tensor) -> Tensor:
    half = POSITIONS_PER_CODE // 2
    return (position >= half).float() - (position <= -half).float()


def _blocks(weight: Tensor) -> list[slice]:
    rows, columns = weight.shape
    height = max(1, WEIGHTS_AT_ONCE.get(weight.device.type, 1 << 24) // columns)
    return [slice(start, start + height) for start in range(0, rows, height)]


def _of(scale: Tensor, rows: slice) -> Tensor:
    return scale[rows] if scale.dim() else scale
