"""Time and memory of a training step with the lower half of a small Llama frozen, against training all of it.

    python benchmarks/cpu/freezing.py                          # 10M, one thread, about a minute on a free core
    python benchmarks/cpu/freezing.py --size tiny --rounds 2   # short

The competitors are in one process and take turns. A step is forward, backward, clipping, AdamW and what the trainer does
about codes (held; dropped for trained layers after each step); float32, rows of random ids. Ratios are formed round by
round; medians and quartiles are printed. Memory is counted, not sampled: bytes of the gradients and of the optimizer's state
after a step, and of the distinct tensors that forward saved for backward, the weights not among them.

`to the embeddings` is what transformers does by itself under gradient checkpointing: its hook on the embeddings lets
backward, and the forward that it repeats, run through the frozen layers.
"""

import argparse
import json
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from machine import describe_machine, quartiles, ratio, seconds, take_turns, write_report
from peers import SIZES, Shape

from bitsft.ternary import replace_linear_with_bitlinear, ternary_layers
from bitsft.ternary.held_codes import hold_codes
from bitsft.training import freeze_parameters

ALL = "everything trained"
COMPETITORS: dict[str, dict[str, Any]] = {
    ALL: {},
    "lower half of the layers frozen": {"layers": True},
    "and embeddings, head": {"layers": True, "embeddings": True},
    f"checkpointing, {ALL}": {"checkpointing": True},
    "checkpointing, lower half, embeddings, head frozen, to the embeddings": {
        "checkpointing": True,
        "layers": True,
        "embeddings": True,
        "hook": True,
    },
    "checkpointing, lower half, embeddings, head frozen": {
        "checkpointing": True,
        "layers": True,
        "embeddings": True,
    },
}


class Training:
    """A model, its optimizer, and one step of both."""

    def __init__(self, shape: Shape, options: dict[str, Any], ids: torch.Tensor) -> None:
        self.model = replace_linear_with_bitlinear(shape.model()).train()
        patterns = []
        if options.get("layers"):
            patterns += [f"model.layers.{number}.*" for number in range(shape.layers // 2)]
        if options.get("embeddings"):
            patterns.append("model.embed_tokens.weight")
        freeze_parameters(self.model, patterns)
        if options.get("checkpointing"):
            self.model.activation_checkpointing_enable()
            if not options.get("hook"):
                self.model.disable_input_require_grads()
        self.trained = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.trained, lr=1e-4)
        self.ids = ids

    def step(self) -> None:
        self.model(input_ids=self.ids, labels=self.ids).loss.backward()
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        for layer in ternary_layers(self.model).values():
            if layer.weight.requires_grad:
                layer.drop_codes()

    def memory(self) -> dict[str, int]:
        """Bytes, after at least one step."""
        weights = {p.untyped_storage().data_ptr() for p in self.model.parameters()}
        saved: dict[int, int] = {}

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in weights:
                saved[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = self.model(input_ids=self.ids, labels=self.ids).loss
        for_backward = sum(saved.values())
        loss.backward()
        gradients = sum(p.grad.nbytes for p in self.model.parameters() if p.grad is not None)
        self.optimizer.zero_grad()
        states = self.optimizer.state.values()
        state = sum(v.nbytes for one in states for v in one.values() if v.dim())
        return {"saved_for_backward": for_backward, "gradients": gradients, "optimizer": state}


def measure(parsed: argparse.Namespace) -> list[dict[str, Any]]:
    """All competitors in turns, then the memory of each: a row for each."""
    shape = SIZES[parsed.size]
    torch.manual_seed(0)
    ids = torch.randint(3, shape.vocabulary, (parsed.rows, parsed.row_tokens))
    trainings = {name: Training(shape, options, ids) for name, options in COMPETITORS.items()}
    with ExitStack() as stack:
        for training in trainings.values():
            stack.enter_context(hold_codes(training.model))
        jobs = {
            name: (lambda one=one: {"seconds": seconds(one.step)})
            for name, one in trainings.items()
        }
        timed = take_turns(jobs, parsed.rounds, parsed.warm_up)
        memory = {name: one.memory() for name, one in trainings.items()}
    rows = []
    for name, steps in timed.items():
        against = f"checkpointing, {ALL}" if name.startswith("checkpointing") else ALL
        times = [step["seconds"] for step in steps]
        rows.append(
            {
                "competitor": name,
                "step_seconds": quartiles(times),
                "against": against,
                "share_of_it": ratio(times, [step["seconds"] for step in timed[against]]),
                "trained": sum(p.numel() for p in trainings[name].trained),
                **memory[name],
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--size", default="10M", choices=list(SIZES))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--warm-up", type=int, default=1)
    parser.add_argument("--rows", type=int, default=4)
    parser.add_argument("--row-tokens", type=int, default=256)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"))
    parsed = parser.parse_args()
    torch.set_num_threads(parsed.threads)
    settings = {name: getattr(parsed, name) for name in ("size", "rounds", "rows", "row_tokens")}
    report: dict[str, Any] = {
        "machine": describe_machine(parsed.threads),
        "settings": {**settings, "shape": vars(SIZES[parsed.size])},
        "rows": measure(parsed),
    }
    for row in report["rows"]:
        low, middle, high = row["share_of_it"]
        megabytes = [row[part] / 1e6 for part in ("saved_for_backward", "gradients", "optimizer")]
        print(
            f"{row['competitor']:70} {row['step_seconds'][1]:7.3f} s  {middle:5.2f} ({low:.2f}-{high:.2f})  MB saved, "
            f"gradients, optimizer: {json.dumps([round(size, 1) for size in megabytes])}"
        )
    report["load_average_at_end"] = list(os.getloadavg())
    write_report(parsed.json, report)


if __name__ == "__main__":
    main()
