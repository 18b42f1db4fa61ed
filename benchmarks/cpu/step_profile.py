"""Where the processor time of a training step goes: the splits of docs/performance.md.

    python benchmarks/cpu/step_profile.py                                    # all four, two or three minutes of one core
    python benchmarks/cpu/step_profile.py --competitors packed --sizes tiny  # short

    packed, nf4       LoRA r 16 on q/k/v/o over a frozen base, gradient checkpointing, 4 rows of 256 tokens (adapters.py)
    bitsft, dense     everything trained, float32 weights under bf16 autocast, 4 rows of 512 tokens (training.py)

One competitor after the other, each a trainer in a process of its own with one thread. Its first step is not counted. Two
steps give its processor time (the lesser counts). In two more a dispatch mode takes the processor time of each
operation; the part that it belongs to follows from its name, its shapes and the function that called it. Processor time
hardly depends on what else the machine does, which the wall's time, torch.profiler's, does.

    products of the linear layers      forward, recomputed, and the gradients; those of head and adapters excluded
    beside them in the linear layers   rounding, rescaling, unpacking, casting; of a dense layer those of the forward pass
    attention, head, optimizer         all that they do
    products of the adapters           those with a side of 16
    everything else                    what is left of a step: norms, activations, residuals, copies, Python, the trainer
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

import adapters
import torch
import training
from machine import Worker, describe_machine, write_report
from torch.utils._python_dispatch import TorchDispatchMode
from trainer_steps import Specification, check_known, run_worker

LORA = {"targets": "attention", "checkpointing": True, "row_tokens": 256}
FULL = {"accumulation": 1, "checkpointing": "off", "row_tokens": 512}
COMPETITORS: dict[str, dict[str, Any]] = {
    "packed": {"competitor": "packed", **LORA},
    "nf4": {"competitor": "nf4", **LORA},
    "bitsft": {"peer": "bitsft", **FULL},
    "dense": {"peer": "dense-autocast", **FULL},
}
ROWS, RANK = 4, 16
PLAIN_STEPS, MEASURED_STEPS = 2, 2
PRODUCTS = {"mm", "addmm", "addmm_", "linear", "_int_mm"}
LINEAR_LAYERS = ("/bitsft/ternary/", "/bitsandbytes/", "/torch/nn/modules/linear.py")
PLACES = {"/chunked_logprob.py": "head", "/torch/optim/": "optimizer"}
REST = "everything else"


def part_of(name: str, shapes: list[int]) -> str:
    """The line of the table that an operation counts to.

    Args:
        name: Of the operation, without its namespace.
        shapes: The sides of its tensors.
    """
    if "scaled_dot_product" in name:
        return "attention"
    in_linear_layer = False
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:  # from the innermost caller outwards
        file = frame.f_code.co_filename
        for place, part in PLACES.items():
            if place in file:
                return part
        in_linear_layer = in_linear_layer or any(place in file for place in LINEAR_LAYERS)
        frame = frame.f_back
    if name in PRODUCTS:  # the gradients' products of nn.Linear have no caller in Python
        return "products of the adapters" if RANK in shapes else "products of the linear layers"
    return "beside them in the linear layers" if in_linear_layer else REST


class Split(TorchDispatchMode):
    """Adds up the processor time of operations by part.

    Attributes:
        seconds: By part.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seconds: dict[str, float] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        kwargs = kwargs or {}
        if func.overloadpacket.__name__ == "gemm_4bit":  # Python: unpacking, then a product
            with self:
                composite = torch._C.DispatchKey.CompositeExplicitAutograd
                return func._op_dk(composite, *args, **kwargs)
        tensors = [value for value in args if isinstance(value, torch.Tensor)]
        part = part_of(func.overloadpacket.__name__, [n for t in tensors for n in t.shape])
        started = time.thread_time()
        result = func(*args, **kwargs)
        self.seconds[part] = self.seconds.get(part, 0.0) + time.thread_time() - started
        return result


def _train(specification: Specification, answers: TextIO) -> None:
    from transformers import TrainerCallback

    make_trainer = adapters.make_trainer if "competitor" in specification else training.make_trainer
    trainer = make_trainer(specification)
    plain: list[float] = []
    split = Split()

    class Measures(TrainerCallback):
        step, started = 0, 0.0

        def on_step_begin(self, args, state, control, **kwargs):  # type: ignore[no-untyped-def]
            if self.step > PLAIN_STEPS:
                split.__enter__()
            self.started = time.process_time()

        def on_step_end(self, args, state, control, **kwargs):  # type: ignore[no-untyped-def]
            if self.step > PLAIN_STEPS:
                split.__exit__(None, None, None)
            elif self.step > 0:
                plain.append(time.process_time() - self.started)
            control.should_training_stop = self.step == PLAIN_STEPS + MEASURED_STEPS
            self.step += 1

    trainer.add_callback(Measures())
    trainer.train()
    parts = {part: seconds / MEASURED_STEPS for part, seconds in split.seconds.items()}
    answers.write(json.dumps({"seconds": min(plain), "parts": parts}) + "\n")
    answers.flush()


def measure(name: str, size: str, folder: str) -> dict[str, Any]:
    """One competitor's row: processor seconds of a step, and of each part of it."""
    common = {"size": size, "rows": ROWS, "folder": folder}
    worker = Worker(__file__, {**common, **COMPETITORS[name]}, threads=1)
    try:
        answer = worker.answer()
    finally:
        worker.end()
    parts = {part: seconds for part, seconds in answer["parts"].items() if part != REST}
    parts = dict(sorted(parts.items(), key=lambda part: -part[1]))
    parts[REST] = answer["seconds"] - sum(parts.values())
    return {
        "size": size,
        "competitor": name,
        "step_processor_seconds": round(answer["seconds"], 3),
        "seconds": {part: round(seconds, 3) for part, seconds in parts.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", default=["100M"])
    parser.add_argument("--competitors", nargs="+", choices=COMPETITORS, default=list(COMPETITORS))
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--worker", default=None, help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    if parsed.worker:
        run_worker(_train, parsed.worker)
        return
    from peers import SIZES

    check_known(parser, "--sizes", parsed.sizes, SIZES)
    report: dict[str, Any] = {
        "machine": describe_machine(1),
        "settings": {
            "rows": ROWS,
            "rank": RANK,
            "competitors": {name: COMPETITORS[name] for name in parsed.competitors},
            "shapes": {size: vars(SIZES[size]) for size in parsed.sizes},
        },
        "rows": [],
    }
    print(json.dumps(report["machine"]), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for size in parsed.sizes:
            for name in parsed.competitors:
                row = measure(name, size, folder)
                whole = row["step_processor_seconds"]
                print(f"{size} {name}: {whole:.2f} s of processor time")
                for part, seconds in row["seconds"].items():
                    print(f"  {part:34} {seconds:6.2f} s  {seconds / whole:6.1%}", flush=True)
                report["rows"].append(row)
    report["load_average_at_end"] = list(os.getloadavg())
    write_report(parsed.json, report)


if __name__ == "__main__":
    main()
