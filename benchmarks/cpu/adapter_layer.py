"""One frozen layer, 768 -> 2048: packed codes against NF4, forward alone and with the input's gradient.

    python benchmarks/cpu/adapter_layer.py

Milliseconds of processor time on one thread, the least of twelve calls each, the competitors taking turns; bf16
autocast. The last columns are the products alone: int8 by codes (forward), bf16 gradient by bf16 weights (backward), and what
the backward product would take in int8. The table of docs/performance.md, "Adapters on a packed base".
"""

import json
import time
from collections.abc import Callable
from pathlib import Path

import bitsandbytes as bnb
import torch
from machine import describe_machine, write_report

from bitsft.ternary.kernels.int8_matmul import int8_matmul
from bitsft.ternary.packed_linear import PackedLinear158

IN_FEATURES, OUT_FEATURES, SCALE = 768, 2048, 0.02
CALLS = 12


def nf4_layer(codes: torch.Tensor) -> torch.nn.Module:
    layer = bnb.nn.Linear4bit(
        IN_FEATURES, OUT_FEATURES, bias=False, compute_dtype=torch.bfloat16, quant_type="nf4"
    )
    layer.weight = bnb.nn.Params4bit(
        codes * SCALE, requires_grad=False, quant_type="nf4", compress_statistics=True
    )
    layer = layer.to("cpu")
    layer.support_avx512bf16_for_cpu = (
        False  # its packing for inference loses gradients: docs/qlora.md
    )
    return layer


def measure(tokens: int) -> dict[str, float]:
    """Least milliseconds of each competitor."""
    codes = torch.randint(-1, 2, (OUT_FEATURES, IN_FEATURES), dtype=torch.int8)
    x = torch.randn(tokens, IN_FEATURES, dtype=torch.bfloat16, requires_grad=True)
    grad = torch.randn(tokens, OUT_FEATURES, dtype=torch.bfloat16)
    x_i8 = torch.randint(-127, 128, x.shape, dtype=torch.int8)
    grad_i8 = torch.randint(-127, 128, grad.shape, dtype=torch.int8)
    turned, weight = codes.t().contiguous(), codes.to(torch.bfloat16)
    layers = {"packed": PackedLinear158(codes, torch.tensor(SCALE), None), "nf4": nf4_layer(codes)}
    calls: dict[str, Callable[[], object]] = {}
    for name, layer in layers.items():
        calls[f"{name}_forward"] = lambda layer=layer: layer(x.detach())
        calls[f"{name}_both"] = lambda layer=layer: layer(x).backward(grad)
    calls["product_int8"] = lambda: int8_matmul(x_i8, codes)
    calls["gradient_bf16"] = lambda: grad @ weight
    calls["gradient_int8"] = lambda: int8_matmul(grad_i8, turned)
    least = dict.fromkeys(calls, float("inf"))
    with torch.autocast("cpu", torch.bfloat16):
        for _ in range(1 + CALLS):
            for name, call in calls.items():
                started = time.process_time()
                call()
                least[name] = min(least[name], 1000 * (time.process_time() - started))
    return {name: round(value, 2) for name, value in least.items()}


def main() -> None:
    torch.set_num_threads(1)
    rows = [{"tokens": tokens, **measure(tokens)} for tokens in (256, 1024, 2048)]
    for row in rows:
        print(json.dumps(row))
    report = {"machine": describe_machine(1), "calls": CALLS, "rows": rows}
    write_report(Path(__file__).with_suffix(".json"), report)


if __name__ == "__main__":
    main()
