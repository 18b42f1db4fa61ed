"""Bytes a weight while a matrix is trained: with latent weights and AdamW, and without.

    python benchmarks/latent_free_memory.py

Ternary matrices (by default 64 of 1024 x 1024, 67 million weights) get one gradient and one optimizer step. Counted are the
bytes of the tensors that outlive the step: weights, gradients, and the optimizer's state as it lies in memory; and the
growth of the process's resident memory from before the matrices to after the step, which holds the step's temporaries
as far as they were not given back. Each way runs in a process of its own.
"""

import argparse
import json
import multiprocessing
import resource
from pathlib import Path
from typing import Any

import torch

from bitsft.ternary import BitLinear158
from bitsft.training.latent_free import LatentFreeOptimizer

WAYS = {
    "latent, AdamW, float32": torch.float32,
    "latent, AdamW, bfloat16": torch.bfloat16,
    "stochastic, float32": torch.float32,
    "stochastic, bfloat16": torch.bfloat16,
}


def tensor_bytes(tensors: list[torch.Tensor]) -> int:
    return sum(t.untyped_storage().nbytes() for t in tensors)


def resident() -> int:
    """Largest resident memory so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(way: str, size: int, matrices: int) -> dict[str, Any]:
    torch.set_num_threads(1)
    dtype = WAYS[way]
    warm = BitLinear158(64, 64, bias=False, dtype=dtype)  # what the first use of anything loads
    LatentFreeOptimizer([warm])
    before = resident()
    layers = [BitLinear158(size, size, bias=False, dtype=dtype) for _ in range(matrices)]
    weights = [layer.weight for layer in layers]
    optimizer: torch.optim.Optimizer
    if way.startswith("latent"):
        optimizer = torch.optim.AdamW(weights, foreach=False)
    else:
        optimizer = LatentFreeOptimizer(layers)
    for weight in weights:
        weight.grad = torch.empty_like(weight).fill_(1e-3)
    optimizer.step()
    state = [v for s in optimizer.state.values() for v in s.values() if torch.is_tensor(v)]
    count = size * size * matrices
    parts = {
        "weight": tensor_bytes(weights) / count,
        "gradient": tensor_bytes([w.grad for w in weights if w.grad is not None]) / count,
        "optimizer": tensor_bytes(state) / count,
    }
    return {
        **{name: round(value, 4) for name, value in parts.items()},
        "together": round(sum(parts.values()), 4),
        "process": round((resident() - before) / count, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--matrices", type=int, default=64)
    parser.add_argument("--json", default=str(Path(__file__).with_suffix(".json")))
    options = parser.parse_args()
    results = {}
    for way in WAYS:
        with multiprocessing.get_context("fork").Pool(1) as pool:
            results[way] = pool.apply(measure, (way, options.size, options.matrices))
        print(f"{way:26}", results[way])
    machine = {"torch": torch.__version__, "size": options.size, "matrices": options.matrices}
    Path(options.json).write_text(
        json.dumps({"setting": machine, "bytes": results}, indent=2) + "\n"
    )


if __name__ == "__main__":
    main()
