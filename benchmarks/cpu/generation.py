"""Prefill and decode tokens per second: bitsft, dense, and transformers' packed `BitLinear`, taking turns.

    python benchmarks/cpu/generation.py
    python benchmarks/cpu/generation.py --sizes 10M --prompts 64 --new 8 --batches 1 --rounds 2    # short

One greedy `generate()` gives both numbers: a logits processor notes when each forward is done. Prefill is the prompt's
tokens over the time to the first logits, decode the tokens after the first over the time they take. `generate()`'s
own work (masks, cache, sampling) is in the time, as it is for a user.

Weights are random, in bfloat16, the same for all; the dense model does not quantize them. The packed one is written by `save_ternary` and loaded
by stock transformers (bitsft is not imported in that process); its helpers are decorated with `torch.compile`, which
costs more than it gives on a CPU, so it runs both ways. Each competitor has a process of its own.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from machine import (
    Worker,
    WorkerError,
    answers_to_parent,
    describe_machine,
    quartiles,
    ratio,
    resident,
    take_turns,
    write_report,
)

VARIANTS = {
    "bitsft": "bitsft, bf16, model.eval()",
    "bitsft-held": "bitsft, bf16, inside hold_codes",
    "dense-bf16": "dense, bf16",
    "packed-eager": "transformers BitLinear, packed, TORCHDYNAMO_DISABLE=1",
    "packed": "transformers BitLinear, packed, as it is",
}
REFERENCE = "bitsft"


def run_worker(specification: dict[str, Any]) -> None:
    answers = answers_to_parent()
    import torch
    from transformers import LogitsProcessor, LogitsProcessorList

    class Stamps(LogitsProcessor):
        def __init__(self) -> None:
            self.times: list[float] = []

        def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            self.times.append(time.perf_counter())
            return scores

    def answer(content: dict[str, Any]) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    try:
        model = _load(specification)
        answer({"resident": resident()})
        for line in sys.stdin:
            request = json.loads(line)
            generator = torch.Generator().manual_seed(0)
            prompt = torch.randint(
                3, 1000, (request["batch"], request["prompt"]), generator=generator
            )
            stamps = Stamps()
            start = time.perf_counter()
            with torch.no_grad():
                output = model.generate(
                    prompt,
                    attention_mask=torch.ones_like(prompt),
                    max_new_tokens=request["new"],
                    min_new_tokens=request["new"],
                    do_sample=False,
                    logits_processor=LogitsProcessorList([stamps]),
                )
            answer(
                {
                    "prefill": stamps.times[0] - start,
                    "decode": stamps.times[-1] - stamps.times[0],
                    "tokens": output[0, request["prompt"] :].tolist(),
                    "resident": resident(),
                }
            )
    except Exception as error:  # whatever stops a competitor belongs into its row of the table
        answer({"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"})
        raise


def _load(specification: dict[str, Any]) -> Any:
    import torch

    name, folder = specification["variant"], Path(specification["folder"])
    if name.startswith("packed"):
        from transformers import AutoModelForCausalLM

        return AutoModelForCausalLM.from_pretrained(folder / "packed", dtype=torch.bfloat16).eval()
    from peers import SIZES, convert_with_bitsft

    from bitsft.ternary import hold_codes

    model = SIZES[specification["size"]].model(torch.bfloat16).eval()
    if name.startswith("bitsft"):
        convert_with_bitsft(model)
    if name == "bitsft-held":
        holding = hold_codes(model)
        holding.__enter__()  # for as long as the process lives
        model.holding = holding
    return model


def write_packed(size: str, folder: Path) -> None:
    import torch
    from peers import SIZES, convert_with_bitsft

    from bitsft import save_ternary

    model = convert_with_bitsft(SIZES[size].model(torch.bfloat16))
    save_ternary(model, folder / "packed", "transformers")


def measure(
    workers: dict[str, Worker], batch: int, prompt: int, parsed: argparse.Namespace
) -> list[dict]:
    """All variants on one batch size and prompt length: a row each."""
    failed: dict[str, str] = {}

    def generate(name: str) -> dict[str, Any]:
        if name in failed:
            return {}
        try:
            return workers[name].ask({"batch": batch, "prompt": prompt, "new": parsed.new})
        except WorkerError as error:
            failed[name] = str(error)
            return {}

    jobs = {name: (lambda name=name: generate(name)) for name in workers}
    timed = take_turns(jobs, parsed.rounds, parsed.warm_up)
    rows = []
    for name in workers:
        row: dict[str, Any] = {"prompt": prompt, "batch": batch, "variant": name}
        row["label"] = VARIANTS[name]
        if name in failed:
            rows.append({**row, "error": failed[name]})
            continue
        for part, tokens in (
            ("prefill", batch * prompt),
            ("decode", batch * (parsed.new - 1)),
        ):
            times = [r[part] for r in timed[name]]
            row[f"{part}_tokens_per_second"] = quartiles([tokens / t for t in times], 1)
            if REFERENCE in workers and REFERENCE not in failed:
                reference = [r[part] for r in timed[REFERENCE]]
                row[f"{part}_speed_of_reference"] = ratio(times, reference)
        if REFERENCE in workers and REFERENCE not in failed:
            # bfloat16 rounds differently along different paths; random weights make close calls common.
            ours, theirs = timed[REFERENCE][0]["tokens"], timed[name][0]["tokens"]
            pairs = list(zip(ours, theirs, strict=True))
            same = next((i for i, (a, b) in enumerate(pairs) if a != b), len(pairs))
            row["tokens_as_reference"] = same
        row["resident"] = timed[name][-1]["resident"]
        rows.append(row)
    return rows


def print_row(row: dict[str, Any]) -> None:
    where = f"{row['size']:>5}{row['prompt']:>6}{row['batch']:>4}"
    if "error" in row:
        print(f"{where}  {row['label']:54} failed: {row['error']}", flush=True)
        return
    cells = ""
    for part in ("prefill", "decode"):
        low, middle, high = row.get(f"{part}_speed_of_reference", [float("nan")] * 3)
        rate = row[f"{part}_tokens_per_second"][1]
        cells += f"{rate:9.1f} {middle:6.2f} ({low:.2f}-{high:.2f})"
    print(
        f"{where}  {row['label']:54}{cells} {row['resident'] / 1e9:6.2f} "
        f"{row.get('tokens_as_reference', 0):5}",
        flush=True,
    )


def measure_size(size: str, parsed: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """All variants of one size, in processes that live as long."""
    with tempfile.TemporaryDirectory() as folder:
        if any(name.startswith("packed") for name in parsed.variants):
            write_packed(size, Path(folder))
        workers: dict[str, Worker] = {}
        try:
            for name in parsed.variants:
                specification = {"variant": name, "folder": folder, "size": size}
                environment = {"TORCHDYNAMO_DISABLE": "1"} if name == "packed-eager" else {}
                workers[name] = Worker(__file__, specification, parsed.threads, environment)
                try:
                    workers[name].answer()
                except WorkerError as error:
                    print(f"{size:>5}  {VARIANTS[name]:54} failed: {error}")
                    yield {"size": size, "variant": name, "error": str(error)}
                    workers.pop(name).end()
            for prompt in parsed.prompts:
                for batch in parsed.batches:
                    for measured in measure(workers, batch, prompt, parsed):
                        row = {"size": size, **measured}
                        print_row(row)
                        yield row
        finally:
            for worker in workers.values():
                worker.end()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", default=["100M"], help="sizes of peers.py")
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 16])
    parser.add_argument("--prompts", nargs="+", type=int, default=[64, 512], help="tokens")
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--warm-up", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--worker", default=None, help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    if parsed.worker:
        run_worker(json.loads(parsed.worker))
        return
    if parsed.new < 2:
        parser.error("--new: at least 2, decoding is timed from the first new token on")
    report: dict[str, Any] = {
        "machine": describe_machine(parsed.threads),
        "reference": REFERENCE,
        "settings": {
            key: getattr(parsed, key)
            for key in ("sizes", "prompts", "batches", "new", "rounds", "warm_up")
        },
        "rows": [],
    }
    print(json.dumps(report["machine"]))
    print(
        f"tokens per second, {REFERENCE}'s speed relative to the row's, resident GB, equal first tokens\n"
        f"{'size':>5}{'prompt':>6}{'batch':>6}{'':52}{'prefill':>9}{'':19}{'decode':>9}"
    )
    for size in parsed.sizes:
        for row in measure_size(size, parsed):
            report["rows"].append(row)
    report["load_average_at_end"] = list(os.getloadavg())
    write_report(parsed.json, report)


if __name__ == "__main__":
    main()
