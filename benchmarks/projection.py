"""What share of a training step the projection takes (recomputing codes and γ, counting flips).

    python benchmarks/projection.py

A real `TernarySFTTrainer` runs on packed rows. The step is timed from `on_step_begin` to `on_step_end`, with
the projection off the clock: codes are dropped before the step and computed by hand, timed on their own, so
that the two times are taken in turn, step by step, in one run. Printed: medians, quartiles and their ratio; the
JSON beside this file holds all of it with a description of the machine.
"""

import json
import platform
import statistics
import tempfile
import time
from pathlib import Path

import torch
from datasets import Dataset
from transformers import TrainerCallback

from bitsft import TernarySFTConfig, TernarySFTTrainer
from bitsft.data.demo import load_demo_rows
from bitsft.scratch import new_llama, train_tokenizer
from bitsft.ternary import ternary_layers

SIZES = {"10 M": (384, 6), "30 M": (640, 6)}
STEPS, WARM_UP_STEPS, TOKENS_PER_ROW, ROWS = 12, 2, 512, 4


class Clock(TrainerCallback):
    def __init__(self) -> None:
        self.steps: list[float] = []
        self.projections: list[float] = []

    def on_step_begin(self, args, state, control, model=None, **kwargs):  # type: ignore[no-untyped-def]
        # Runs before the trainer's own callback drops the codes, so this is one full projection more.
        layers = ternary_layers(model).values()
        for layer in layers:
            layer.drop_codes()
        start = time.perf_counter()
        for layer in layers:
            layer.ternary()
        self.projections.append(time.perf_counter() - start)
        self._start = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs):  # type: ignore[no-untyped-def]
        self.steps.append(time.perf_counter() - self._start)


def measure(hidden_size: int, layers: int) -> dict[str, object]:
    rows = [row["instruction"] + " " + row["output"] for row in load_demo_rows("train_koalpaca")]
    tokenizer = train_tokenizer(rows, 2000)
    text = " ".join(rows)
    ids = (tokenizer(text).input_ids * 100)[: TOKENS_PER_ROW * 64]
    blocks = [ids[i : i + TOKENS_PER_ROW] for i in range(0, len(ids), TOKENS_PER_ROW)]
    dataset = Dataset.from_dict({"input_ids": blocks, "labels": blocks})
    model = new_llama(tokenizer, hidden_size=hidden_size, layers=layers, heads=hidden_size // 64)
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        config = TernarySFTConfig(
            folder,
            max_steps=STEPS,
            per_device_train_batch_size=ROWS,
            gradient_checkpointing=False,
            logging_strategy="no",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        TernarySFTTrainer(
            model, config, train_dataset=dataset, processing_class=tokenizer, callbacks=[clock]
        ).train()
    steps, projections = clock.steps[WARM_UP_STEPS:], clock.projections[WARM_UP_STEPS:]
    ratios = [p / s for p, s in zip(projections, steps, strict=True)]
    return {
        "parameters": model.num_parameters(),
        "ternary_weights": sum(layer.weight.numel() for layer in ternary_layers(model).values()),
        "tokens_per_step": TOKENS_PER_ROW * ROWS,
        "step_ms": [round(1e3 * q, 1) for q in statistics.quantiles(steps, n=4)],
        "projection_ms": [round(1e3 * q, 1) for q in statistics.quantiles(projections, n=4)],
        "share": [round(q, 4) for q in statistics.quantiles(ratios, n=4)],
    }


def main() -> None:
    torch.manual_seed(0)
    results = {name: measure(*size) for name, size in SIZES.items()}
    machine = {
        "processor": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    print(f"{machine}\nquartiles: 25%, median, 75%")
    print(f"{'model':8}{'step, ms':>28}{'projection, ms':>24}{'share of the step':>28}")
    for name, r in results.items():
        share = [f"{q:.2%}" for q in r["share"]]  # type: ignore[attr-defined]
        print(f"{name:8}{r['step_ms']!s:>28}{r['projection_ms']!s:>24}{', '.join(share):>28}")
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps({"machine": machine, "results": results}, indent=2) + "\n")
    print(f"written: {path.name}")


if __name__ == "__main__":
    main()
