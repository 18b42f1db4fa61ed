"""How long a patch takes to apply to a loaded model, and to revert: docs/patches.md.

    python benchmarks/patch_switching.py              # a few minutes; writes benchmarks/patch_switching.json

On the model that ships with bitsft (4.3 million ternary weights) and on a Llama of 100 million with random codes; 1 % of the codes
flip and every γ changes. Processor time, median of the repeats, one thread, for each way to hold a layer and both checks. "load" is reading and
decoding the patch, once.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from bitsft import (
    apply_patch,
    demo_model_path,
    diff_checkpoints,
    load_patch,
    load_ternary,
    replace_linear_with_bitlinear,
    revert_patch,
    save_ternary,
)
from bitsft.scratch import new_llama, train_tokenizer
from bitsft.ternary import ternary_layers

KINDS: dict[str, dict[str, Any]] = {
    "packed": {"trainable": False},
    "int8": {"trainable": False, "codes_in_memory": "int8"},
    "BitLinear158": {},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for label, base in (("demo", demo_model_path()), ("100 M", synthetic(folder / "base"))):
            tuned = flipped(base, folder / f"tuned {label}")
            report = diff_checkpoints(base, tuned, folder / f"patch {label}", progress=False)
            for kind, options in KINDS.items():
                row = measure(base, folder / f"patch {label}", options, arguments.repeats)
                flips = report.all_flips
                said = {"model": label, "codes": flips.codes, "flips": flips.flips, "held": kind}
                rows.append({**said, **row})
                print(json.dumps(rows[-1]), flush=True)
    arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


def synthetic(folder: Path) -> Path:
    torch.manual_seed(0)
    model = new_llama(train_tokenizer(["가나다라"], 300), hidden_size=1024, layers=8, heads=16)
    save_ternary(replace_linear_with_bitlinear(model), folder)  # type: ignore[arg-type]
    return folder


def flipped(base: Path, folder: Path) -> Path:
    torch.manual_seed(1)
    model = load_ternary(base)
    with torch.no_grad():
        for layer in ternary_layers(model).values():
            codes, scale = layer.ternary()
            steps = torch.randint(1, 3, codes.shape) * (torch.rand(codes.shape) < 0.01)
            layer.weight.copy_(((codes + 1 + steps) % 3 - 1) * (scale * 1.01))
    save_ternary(model, folder)
    return folder


def measure(base: Path, path: Path, options: dict[str, Any], repeats: int) -> dict[str, float]:
    model = load_ternary(base, **options)
    start = time.process_time()
    patch = load_patch(path)
    found = {"load_ms": round(1e3 * (time.process_time() - start), 1)}
    for check in ("touched", "all"):
        times: dict[str, list[float]] = {"apply": [], "revert": []}
        for _ in range(repeats):
            for name, switch in (("apply", apply_patch), ("revert", revert_patch)):
                start = time.process_time()
                switch(model, patch, check=check)  # type: ignore[arg-type]
                times[name].append(1e3 * (time.process_time() - start))
        for name, values in times.items():
            found[f"{name}_{check}_ms"] = round(statistics.median(values), 1)
    return found


if __name__ == "__main__":
    main()
