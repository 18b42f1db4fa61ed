"""Tokens per second and peak memory of full TRL training steps: bitsft and its peers, taking turns.

    python benchmarks/cpu/training.py                         # 10M and 100M, no accumulation, no checkpointing
    python benchmarks/cpu/training.py --sizes 10M --rounds 2    # short
    python benchmarks/cpu/training.py --sizes 10M 100M 350M --checkpointing off on
    python benchmarks/cpu/training.py --accumulation 8 --rows 1 --json benchmarks/cpu/accumulation.json

Each competitor is a real trainer (`TernarySFTTrainer`, or `trl.SFTTrainer` over the peer's model) in a process of its
own that computes a step while all others wait (trainer_steps.py): a step holds everything the trainer does. One step at
set-up and the first `--warm-up` rounds are not counted. Rows are 512 random ids of constant length, four to a
micro-step.

Memory is taken in a process of its own for each competitor, in its third step. `above` is the largest resident set in
that step, minus what was resident before it, plus whatever tensors were alive before it besides parameters, buffers
and optimizer state (codes kept from step to step, for example): everything above the weights and the optimizer,
gradients included.
Where not all processes fit into memory at once they run in groups, bitsft in each of them; ratios are formed within
a group.
"""

import argparse
import gc
import json
import os
import tempfile
import time
from typing import Any, TextIO

from machine import (
    GIVE_BACK,
    Worker,
    WorkerError,
    describe_machine,
    memory_of_machine,
    quartiles,
    ratio,
    reset_peak,
    resident,
    take_turns,
    write_report,
)
from trainer_steps import (
    LEARNING_RATE,
    Specification,
    add_common_options,
    callback_that_waits,
    check_known,
    random_ids,
    run_worker,
    settings,
    small_tokenizer,
    trainer_options,
)

DEFAULT_PEERS = (
    "bitsft", "bitsft-trl-head", "bitsft-stochastic", "dense-autocast", "dense-bf16",
    "nothing", "autobitlinear", "torchao", "torchao-cast", "torchao-bf16", "bitlinear",
)  # fmt: skip
ROOM_FOR_ACTIVATIONS = (
    3_000_000_000  # bytes beside weights, gradients and optimizer, while a step runs
)
LIBRARIES = 700_000_000  # bytes: Python, torch, transformers, TRL


# --- the worker: one trainer that steps on request ----------------------------------------------------------


def make_trainer(specification: Specification) -> Any:
    """The trainer of one peer, ready to train.

    Args:
        specification: `peer`, `size`, `accumulation`, `checkpointing`, and what `trainer_options` wants.
    """
    from datasets import Dataset
    from peers import PEERS, SIZES
    from trl import SFTConfig, SFTTrainer

    from bitsft import TernarySFTConfig, TernarySFTTrainer

    peer, shape = PEERS[specification["peer"]], SIZES[specification["size"]]
    model = shape.model(peer.dtype)
    if peer.convert is not None:
        peer.convert(model)
    ids = random_ids(specification, shape.vocabulary)
    options = trainer_options(
        specification,
        gradient_accumulation_steps=specification["accumulation"],
        gradient_checkpointing=specification["checkpointing"] == "on",
    )
    trainer_class, config_class = SFTTrainer, SFTConfig
    if peer.projection is not None:
        trainer_class, config_class = TernarySFTTrainer, TernarySFTConfig
        options["projection"] = peer.projection
    return trainer_class(
        model=model,
        args=config_class(**options),
        train_dataset=Dataset.from_dict({"input_ids": ids, "labels": ids}),
        processing_class=small_tokenizer(),
    )


def _train(specification: Specification, answers: TextIO) -> None:
    trainer = make_trainer(specification)
    before: dict[str, int] = {}

    def prepare(request: Any, given: Any) -> None:
        before.clear()
        if request["memory"]:
            before.update(_memory_before(given["model"], given["optimizer"]))

    def describe(_: Any) -> dict[str, int]:
        if not before:
            return {}
        peak = resident("VmHWM")
        return {**before, "peak": peak, "above": peak - before["resident"] + before["kept"]}

    trainer.add_callback(callback_that_waits(answers, describe, prepare))
    trainer.train()


def _memory_before(model: Any, optimizer: Any) -> dict[str, int]:
    """Bytes before a step; the gradients are zeroed (freed) by then."""
    import torch

    def storages(tensors: Any) -> dict[int, int]:
        found = {}
        for tensor in tensors:
            inner = getattr(tensor, "_data", tensor)  # torchao's weight is a wrapper around one
            if inner.layout == torch.strided and inner.device.type == "cpu":
                found[inner.untyped_storage().data_ptr()] = inner.untyped_storage().nbytes()
        return found

    while not isinstance(optimizer, torch.optim.Optimizer) or hasattr(optimizer, "optimizer"):
        optimizer = optimizer.optimizer  # out of accelerate's wrapper
    parameters = list(model.parameters())
    state = [v for s in optimizer.state.values() for v in s.values() if torch.is_tensor(v)]
    weights = storages([*parameters, *model.buffers()])
    states = storages(state)
    now = reset_peak()
    plain = (torch.Tensor, torch.nn.Parameter)  # not the compiler's fake tensors
    alive = storages(o for o in gc.get_objects() if type(o) in plain)
    kept = sum(size for at, size in alive.items() if at not in weights and at not in states)
    return {
        "resident": now,
        "kept": kept,
        "weights": sum(weights.values()),
        "optimizer": sum(states.values()),
        "gradients": sum(p.numel() * p.element_size() for p in parameters if p.requires_grad),
    }


# --- the parent: everybody takes turns ----------------------------------------------------------------------


def groups(peers: list[str], size: str, parsed: argparse.Namespace) -> list[list[str]]:
    """As many at once as memory holds (or `--together`), the reference in each group."""
    from peers import SIZES

    others = [peer for peer in peers if peer != parsed.reference]
    together = parsed.together
    if together is None:
        shape = SIZES[size]
        layer = 4 * shape.hidden**2 + 3 * shape.hidden * shape.intermediate
        parameters = shape.layers * layer + shape.vocabulary * shape.hidden
        tokens = parsed.rows * parsed.row_tokens
        activations = tokens * shape.layers * (24 * shape.hidden + 12 * shape.intermediate)
        # Float32 weights and AdamW's two moments; and what a step freed, of which glibc keeps most.
        waiting = 12 * parameters + LIBRARIES + 1.5 * activations
        stepping = 4 * parameters + activations
        room = 0.9 * memory_of_machine("MemAvailable") - stepping
        together = max(2, int(room // waiting))
    at_once = max(1, together - 1)
    if not others:
        return [[parsed.reference]]
    count = -(-len(others) // at_once)
    return [[parsed.reference, *others[i::count]] for i in range(count)]


def measure(setting: dict[str, Any], names: list[str], parsed: argparse.Namespace) -> list[dict]:
    """One group in one setting: a row per competitor."""
    from peers import PEERS

    workers: dict[str, Worker] = {}
    specifications: dict[str, dict[str, Any]] = {}
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for (
                name
            ) in names:  # one after the other: loading in parallel would need the memory of all
                specification = {
                    **setting,
                    "peer": name,
                    "rows": parsed.rows,
                    "row_tokens": parsed.row_tokens,
                    "folder": folder,
                }
                environment = dict(PEERS[name].environment)
                specifications[name] = specification
                worker = Worker(__file__, specification, parsed.threads, environment)
                workers[name] = worker
                try:
                    worker.answer()  # the first step
                except WorkerError as error:
                    failed[name] = str(error)
                    workers.pop(name).end()

            def step(name: str) -> dict[str, Any]:
                if name in failed:
                    return {}
                try:
                    return workers[name].ask({"memory": False})
                except WorkerError as error:
                    failed[name] = str(error)
                    return {}

            jobs = {name: (lambda name=name: step(name)) for name in names}
            timed = take_turns(jobs, parsed.rounds, parsed.warm_up)
        finally:
            for worker in workers.values():
                worker.end()
        memory = {
            name: measure_memory(name, specifications[name], parsed)
            for name in names
            if name not in failed
        }
    tokens = setting["accumulation"] * parsed.rows * parsed.row_tokens
    rows = []
    for name in names:
        row: dict[str, Any] = {**setting, "rows": parsed.rows, "peer": name}
        row["label"] = PEERS[name].label
        if name in failed:
            rows.append({**row, "error": failed[name]})
            continue
        times = [step["seconds"] for step in timed[name]]
        row["tokens_per_step"] = tokens
        row["step_seconds"] = quartiles(times)
        row["tokens_per_second"] = quartiles([tokens / t for t in times], 1)
        row["memory"] = {key: value for key, value in memory[name].items() if key != "seconds"}
        if names[0] not in failed:
            reference = [step["seconds"] for step in timed[names[0]]]
            row["speed_of_reference"] = ratio(times, reference)
            above = memory[names[0]]["above"] / memory[name]["above"]
            row["memory_of_reference"] = round(above, 3)
        rows.append(row)
    return rows


def measure_memory(
    name: str, specification: dict[str, Any], parsed: argparse.Namespace
) -> dict[str, Any]:
    from peers import PEERS

    environment = {**dict(PEERS[name].environment), **dict(GIVE_BACK)}
    worker = Worker(__file__, specification, parsed.threads, environment)
    try:
        worker.answer()
        worker.ask({"memory": False})
        return worker.ask({"memory": True})
    finally:
        worker.end()


def print_row(row: dict[str, Any]) -> None:
    where = f"{row['size']:>5} x{row['accumulation']} {row['checkpointing']:>3}"
    if "error" in row:
        print(f"{where}  {row['label']:46} failed: {row['error']}", flush=True)
        return
    low, middle, high = row["tokens_per_second"]
    speed, memory = row.get("speed_of_reference", [float("nan")] * 3), row["memory"]
    print(
        f"{where}  {row['label']:46} {middle:8.0f} {low:7.0f}-{high:<7.0f} {speed[1]:6.2f} "
        f"({speed[0]:.2f}-{speed[2]:.2f}) {memory['peak'] / 1e9:6.2f} {memory['above'] / 1e9:6.2f} "
        f"{row.get('memory_of_reference', float('nan')):6.2f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add_common_options(parser, __file__, sizes=["10M", "100M"], rounds=5)
    parser.add_argument("--accumulation", nargs="+", type=int, default=[1])
    parser.add_argument("--checkpointing", nargs="+", choices=("off", "on"), default=["off"])
    parser.add_argument("--peers", nargs="+", default=list(DEFAULT_PEERS))
    parser.add_argument("--reference", default="bitsft", help="whom the others are compared with")
    parser.add_argument("--together", type=int, default=None, help="processes alive at once")
    parsed = parser.parse_args()
    if parsed.worker:
        run_worker(_train, parsed.worker)
        return
    from peers import PEERS, SIZES

    check_known(parser, "--sizes", parsed.sizes, SIZES)
    check_known(parser, "--peers", [*parsed.peers, parsed.reference], PEERS)
    report: dict[str, Any] = {
        "machine": describe_machine(parsed.threads),
        "reference": parsed.reference,
        "settings": {**settings(parsed), "learning_rate": LEARNING_RATE},
        "rows": [],
    }
    started = time.perf_counter()
    print(json.dumps(report["machine"]))
    print(
        f"speed and memory: {parsed.reference} relative to the row's (memory: above weights and optimizer)\n"
        f"{'size acc ckpt':14} {'':46} {'tok/s':>8} {'quartiles':>15} {'speed':>6} {'':11} "
        f"{'peak':>6} {'above':>6} {'memory':>6}   GB"
    )
    for size in parsed.sizes:
        for checkpointing in parsed.checkpointing:
            for accumulation in parsed.accumulation:
                setting = {
                    "size": size,
                    "accumulation": accumulation,
                    "checkpointing": checkpointing,
                }
                for number, names in enumerate(groups(parsed.peers, size, parsed)):
                    for row in measure(setting, names, parsed):
                        print_row(row)
                        report["rows"].append({"group": number, **row})
    report["minutes"] = round((time.perf_counter() - started) / 60, 1)
    report["load_average_at_end"] = list(os.getloadavg())
    write_report(parsed.json, report)


if __name__ == "__main__":
    main()
