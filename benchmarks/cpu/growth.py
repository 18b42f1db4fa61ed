"""How the time of forward and backward grows with tokens, width and depth: bitsft beside dense, taking turns.

    python benchmarks/cpu/growth.py
    python benchmarks/cpu/growth.py --axes tokens --tokens 256 512 --width 128 --depth 2 --rounds 2    # short

A Llama (vocabulary 1,024, MLP 2.75 times the width, rows of 256 tokens so that attention does not grow with them)
under bf16 autocast with float32 weights; the loss is taken over all tokens. Codes are computed once in each forward,
as in a step without gradient accumulation. No optimizer. One axis is varied, the others stay at --base values.
`exponent` is the slope of log(time) over log(size) between neighbours: 1 is proportional.
"""

import argparse
import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from machine import describe_machine, quartiles, ratio, take_turns, write_report
from peers import Shape, convert_with_bitsft
from torch import nn

ROW_TOKENS = 256
VALUES = {
    "tokens": [256, 512, 1024, 2048, 4096, 8192],
    "width": [256, 512, 1024, 2048],
    "depth": [2, 4, 8, 16],
}
BASE = {"tokens": 2048, "width": 512, "depth": 4}
LABELS = {"bitsft": "bitsft", "dense": "dense, float32 weights, bf16 autocast"}


def step(model: nn.Module, ids: torch.Tensor) -> dict[str, float]:
    model.zero_grad()
    start = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
    forward = time.perf_counter() - start
    loss.backward()
    return {"forward": forward, "both": time.perf_counter() - start}


def measure(tokens: int, width: int, depth: int, rounds: int, warm_up: int) -> dict[str, Any]:
    shape = Shape(width, int(2.75 * width), depth, 1024)
    ids = torch.randint(3, 1024, (max(1, tokens // ROW_TOKENS), min(tokens, ROW_TOKENS)))
    models = {
        "bitsft": convert_with_bitsft(shape.model()).train(),
        "dense": shape.model().train(),
    }
    jobs: dict[str, Callable[[], dict[str, float]]] = {
        name: (lambda model=model: step(model, ids)) for name, model in models.items()
    }
    timed = take_turns(jobs, rounds, warm_up)
    both = {name: [r["both"] for r in results] for name, results in timed.items()}
    return {
        "tokens": ids.numel(),
        "width": width,
        "depth": depth,
        "seconds": {name: quartiles(times) for name, times in both.items()},
        "dense_over_bitsft": ratio(both["dense"], both["bitsft"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--axes", nargs="+", default=list(VALUES), choices=list(VALUES))
    for axis, values in VALUES.items():
        parser.add_argument(f"--{axis}", nargs="+", type=int, default=values)
        parser.add_argument(f"--base-{axis}", type=int, default=BASE[axis])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--warm-up", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"))
    parsed = parser.parse_args()
    torch.set_num_threads(parsed.threads)
    base = {axis: getattr(parsed, f"base_{axis}") for axis in VALUES}
    report: dict[str, Any] = {
        "machine": describe_machine(parsed.threads),
        "rounds": parsed.rounds,
        "base": base,
        "labels": LABELS,
        "axes": {},
    }
    print(json.dumps(report["machine"]))
    for axis in parsed.axes:
        print(f"\n{axis}; the others: { {k: v for k, v in base.items() if k != axis} }")
        print(
            f"{axis:>8} {'bitsft, ms':>12} {'dense, ms':>12} {'dense/bitsft':>22} {'exponents':>14}"
        )
        points: list[dict[str, Any]] = []
        for value in getattr(parsed, axis):
            point = measure(**{**base, axis: value}, rounds=parsed.rounds, warm_up=parsed.warm_up)
            point["exponents"] = {}
            if points:
                size = math.log(point[axis] / points[-1][axis])
                for name in LABELS:
                    growth = point["seconds"][name][1] / points[-1]["seconds"][name][1]
                    point["exponents"][name] = round(math.log(growth) / size, 2)
            points.append(point)
            low, middle, high = point["dense_over_bitsft"]
            print(
                f"{value:8} {1e3 * point['seconds']['bitsft'][1]:12.1f} "
                f"{1e3 * point['seconds']['dense'][1]:12.1f} {middle:8.2f} ({low:.2f}-{high:.2f}) "
                f"{list(point['exponents'].values())!s:>14}",
                flush=True,
            )
        report["axes"][axis] = points
    report["load_average_at_end"] = list(os.getloadavg())
    write_report(parsed.json, report)


if __name__ == "__main__":
    main()
