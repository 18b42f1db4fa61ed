"""One linear layer, forward and backward: dense, fake-quantized, torchao's and bitsft's, taking turns.

    python benchmarks/cpu/layer.py
    python benchmarks/cpu/layer.py --shapes 2B-4T:640x2560 --rounds 2    # short

2,048 tokens of bf16 activations. Every variant has float32 weights under bf16 autocast, except where its name says
bf16. The floor is what the products alone cost: `torch._int_mm` and bf16 `mm` of the same sizes, with the operations
per second they reach and the bytes that have to be read and written at least once. "int8 + bf16" is the sum of one
int8 product (forward) and two bf16 ones (both gradients): no method with an int8 forward and a bf16 backward is
faster than that.

Shapes (out x in): microsoft/bitnet-b1.58-2B-4T (hidden 2560, MLP 6912, 5 of 20 heads for keys and values);
Falcon-1B (hidden 2048, MLP 8192, 4 heads of 256: the config of tiiuae/Falcon3-1B-Instruct-1.58bit; that of
tiiuae/Falcon-E-1B could not be looked up offline); Llama-3-8B (hidden 4096, MLP 14336, 8 of 32 heads).
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from machine import describe_machine, quartiles, ratio, seconds, take_turns, write_report
from peers import PEERS
from torch import nn

from bitsft import BitLinear158
from bitsft.ternary import hold_codes

SHAPES = {
    f"{model}:{out}x{width}": (out, width)
    for model, shapes in {
        "2B-4T": ((6912, 2560), (2560, 6912), (2560, 2560), (640, 2560)),
        "Falcon-1B": ((8192, 2048), (2048, 8192), (2048, 2048), (1024, 2048)),
        "Llama-3-8B": ((14336, 4096), (4096, 14336), (4096, 4096), (1024, 4096)),
    }.items()
    for out, width in shapes
}
VARIANTS = {
    "bitsft": "bitsft, codes held",
    "bitsft-each": "bitsft, codes in each forward",
    "dense-autocast": PEERS["dense-autocast"].label,
    "dense-bf16": PEERS["dense-bf16"].label,
    "autobitlinear": PEERS["autobitlinear"].label,
    "torchao-cast": PEERS["torchao-cast"].label,
    "torchao-bf16": PEERS["torchao-bf16"].label,
    "bitlinear": PEERS["bitlinear"].label,
}


def build(variant: str, weight: torch.Tensor) -> nn.Module:
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    linear.weight = nn.Parameter(weight.clone())
    if variant.startswith("bitsft"):
        return BitLinear158.from_linear(linear)
    peer = PEERS[variant]
    model = nn.Sequential(linear).to(peer.dtype)
    if peer.convert is not None:
        peer.convert(model)
    return model


def forward_and_backward(
    layer: nn.Module, x: torch.Tensor, grad: torch.Tensor, autocast: bool
) -> dict[str, float]:
    x.grad = None
    layer.zero_grad()
    start = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        y = layer(x)
    forward = time.perf_counter() - start
    grad = grad.to(y.dtype)  # bitlinear's output is float32
    start = time.perf_counter()
    y.backward(grad)
    backward = time.perf_counter() - start
    return {"forward": forward, "backward": backward, "both": forward + backward}


def products(tokens: int, out: int, width: int) -> dict[str, dict[str, Any]]:
    """The products of a layer, each with its operations and the bytes that it has to touch."""
    x = torch.randn(tokens, width, dtype=torch.bfloat16)
    w = torch.randn(out, width, dtype=torch.bfloat16)
    g = torch.randn(tokens, out, dtype=torch.bfloat16)
    x_i8 = torch.randint(-128, 128, (tokens, width), dtype=torch.int8)
    codes = torch.randint(-1, 2, (out, width), dtype=torch.int8)
    sizes = tokens * width, out * width, tokens * out
    functions: dict[str, tuple[Callable[[], torch.Tensor], int]] = {
        "int8 forward": (
            lambda: torch._int_mm(x_i8, codes.t()),
            sizes[0] + sizes[1] + 4 * sizes[2],
        ),
        "bf16 forward": (lambda: x @ w.t(), 2 * sum(sizes)),
        "bf16 input gradient": (lambda: g @ w, 2 * sum(sizes)),
        "bf16 weight gradient": (lambda: g.t() @ x, 2 * sum(sizes)),
    }
    return {
        name: {"run": function, "bytes": moved, "operations": 2 * tokens * out * width}
        for name, (function, moved) in functions.items()
    }


def measure(shape: str, parsed: argparse.Namespace) -> dict[str, Any]:
    out, width = SHAPES[shape]
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(out, width, generator=generator) * 0.02
    x = torch.randn(parsed.tokens, width, generator=generator).to(torch.bfloat16).requires_grad_()
    grad = torch.randn(parsed.tokens, out, generator=generator).to(torch.bfloat16)
    jobs: dict[str, Callable[[], dict[str, float]]] = {}
    failed: dict[str, str] = {}
    for variant in parsed.variants:
        autocast = not variant.endswith("bf16")
        try:
            layer = build(variant, weight)
            if variant == "bitsft":
                holding = hold_codes(layer)
                holding.__enter__()  # for as long as the layer lives
            forward_and_backward(layer, x, grad, autocast)
        except Exception as error:  # a peer that does not work says so in its row
            failed[variant] = f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"
            continue
        jobs[variant] = lambda layer=layer, autocast=autocast: forward_and_backward(
            layer, x, grad, autocast
        )
    floor = products(parsed.tokens, out, width)
    for name, product in floor.items():
        jobs[name] = lambda run=product["run"]: {"both": seconds(run)}
    timed = take_turns(jobs, parsed.rounds, parsed.warm_up)
    reference = [r["both"] for r in timed["bitsft"]] if "bitsft" in timed else None
    rows: list[dict[str, Any]] = []
    for variant in parsed.variants:
        row: dict[str, Any] = {"variant": variant, "label": VARIANTS[variant]}
        if variant in failed:
            rows.append({**row, "error": failed[variant]})
            continue
        for part in ("forward", "backward", "both"):
            row[f"{part}_ms"] = quartiles([1e3 * r[part] for r in timed[variant]], 2)
        if reference:
            row["speed_of_reference"] = ratio([r["both"] for r in timed[variant]], reference)
        rows.append(row)
    peaks = {}
    for name, product in floor.items():
        _, middle, _ = quartiles([r["both"] for r in timed[name]], 6)
        peaks[name] = {
            "ms": round(1e3 * middle, 2),
            "gop_per_second": round(product["operations"] / middle / 1e9),
            "mega_bytes": round(product["bytes"] / 1e6, 1),
            "gb_per_second": round(product["bytes"] / middle / 1e9, 1),
        }
    backward = peaks["bf16 input gradient"]["ms"] + peaks["bf16 weight gradient"]["ms"]
    return {
        "shape": shape,
        "tokens": parsed.tokens,
        "rows": rows,
        "products": peaks,
        "floor_ms": {
            "int8 + bf16": round(peaks["int8 forward"]["ms"] + backward, 2),
            "bf16": round(peaks["bf16 forward"]["ms"] + backward, 2),
        },
    }


def print_result(result: dict[str, Any]) -> None:
    print(f"\n{result['shape']}, {result['tokens']} tokens; floor, ms: {result['floor_ms']}")
    for name, product in result["products"].items():
        print(
            f"    {name:22} {product['ms']:8.2f} ms {product['gop_per_second']:6} Gop/s "
            f"{product['mega_bytes']:8.1f} MB {product['gb_per_second']:6.1f} GB/s"
        )
    print(f"  {'':46} {'forward':>8} {'backward':>9} {'both, ms':>9}  bitsft is faster by")
    for row in result["rows"]:
        if "error" in row:
            print(f"  {row['label']:46} failed: {row['error']}")
            continue
        times = "".join(f"{row[f'{part}_ms'][1]:9.2f}" for part in ("forward", "backward", "both"))
        low, middle, high = row.get("speed_of_reference", [float("nan")] * 3)
        print(f"  {row['label']:46}{times}   {middle:6.2f} ({low:.2f}-{high:.2f})", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--shapes", nargs="+", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--warm-up", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"))
    parsed = parser.parse_args()
    torch.set_num_threads(parsed.threads)
    report: dict[str, Any] = {
        "machine": describe_machine(parsed.threads),
        "rounds": parsed.rounds,
        "results": [],
    }
    print(json.dumps(report["machine"]))
    for shape in parsed.shapes:
        result = measure(shape, parsed)
        print_result(result)
        report["results"].append(result)
    report["load_average_at_end"] = list(os.getloadavg())
    write_report(parsed.json, report)


if __name__ == "__main__":
    main()
