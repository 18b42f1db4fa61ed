"""TRL's fused head on a CPU, forward and backward, against the width of its tiles: the table of docs/performance.md.

    python benchmarks/cpu/head_tiles.py

2,048 tokens of hidden size 768 under bf16 autocast, float32 weights; the widths take turns, medians of five rounds.
"""

from functools import partial

import torch
import trl.trainer.utils as trl_utils
from machine import quartiles, seconds, take_turns
from torch import Tensor

TOKENS, HIDDEN, WIDTHS = 2048, 768, (128, 256, 512, 1024, 2048, 8192)
OUTPUTS = ("log_probs", "entropy", "is_top1")  # what SFTTrainer asks for


def step(hidden: Tensor, weight: Tensor, targets: Tensor, width: int) -> dict[str, float]:
    def both() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            scored = trl_utils._ChunkedLogProbFunction.apply(
                hidden, weight, None, targets, 1.0, width, None, 1.0, OUTPUTS
            )
        scored[0].mean().backward()

    return {"seconds": seconds(both)}


def main() -> None:
    torch.manual_seed(0)
    for vocabulary in (8192, 32768):
        hidden = torch.randn(TOKENS, HIDDEN, requires_grad=True)
        weight = (0.02 * torch.randn(vocabulary, HIDDEN)).requires_grad_()
        targets = torch.randint(0, vocabulary, (TOKENS,))
        jobs = {str(width): partial(step, hidden, weight, targets, width) for width in WIDTHS}
        timed = take_turns(jobs, 5, 1)
        medians = {n: quartiles([r["seconds"] for r in rows], 2)[1] for n, rows in timed.items()}
        print(f"{vocabulary} words, seconds by the tile's width: {medians}", flush=True)


if __name__ == "__main__":
    main()
