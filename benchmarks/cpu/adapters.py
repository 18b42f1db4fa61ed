"""Tokens per second of LoRA training over a packed ternary base, over NF4 and over dense weights, taking turns.

    python benchmarks/cpu/adapters.py                                 # 100M, both sets of targets
    python benchmarks/cpu/adapters.py --sizes tiny --rounds 2         # short
    python benchmarks/cpu/adapters.py --checkpointing                 # with gradient checkpointing

    packed        PackedLinear158, 2 bits a weight, unpacked a block at a time       TernarySFTTrainer
    packed-int8   PackedLinear158, a byte a weight                                   TernarySFTTrainer
    nf4           bitsandbytes NF4, double quantization, bf16 compute (QLoRA)        trl.SFTTrainer
    lora-bf16     nn.Linear in bfloat16                                              trl.SFTTrainer
    lora-float32  nn.Linear in float32, no autocast                                  trl.SFTTrainer

Adapters: LoRA r 16, alpha 32, on q/k/v/o or on all linear layers below the head. Each competitor is a trainer in a process
of its own, waiting inside `on_step_end` until it is asked for the next optimizer step; then it computes one while the
others wait. A step holds everything that the trainer does. All but the last run under bf16 autocast with dense tensors in
bfloat16. Rows are 512 random ids of constant length. Ratios are formed round by round; their medians and quartiles are
printed. Bytes a base weight are those of all tensors that the adapted layers' bases hold, scales and tables included.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, TextIO

from machine import (
    Worker,
    answers_to_parent,
    describe_machine,
    quartiles,
    ratio,
    take_turns,
    write_report,
)

ROW_TOKENS, ROWS = 512, 4
COMPETITORS = ["packed", "packed-int8", "nf4", "lora-bf16", "lora-float32"]
TARGETS: dict[str, Any] = {
    "attention": ["q_proj", "k_proj", "v_proj", "o_proj"],
    "all-linear": "all-linear",
}


def run_worker(specification: dict[str, Any]) -> None:
    answers = answers_to_parent()
    try:
        _train(specification, answers)
    except Exception as error:  # said in the table's place
        answers.write(json.dumps({"error": f"{type(error).__name__}: {error}"[:300]}) + "\n")
        answers.flush()
        raise


def _base(competitor: str, size: str) -> Any:
    import torch
    from peers import SIZES
    from transformers import BitsAndBytesConfig, LlamaForCausalLM

    from bitsft.ternary import replace_linear_with_bitlinear
    from bitsft.ternary.packed_linear import pack_model

    if competitor == "lora-float32":
        return SIZES[size].model(torch.float32)
    model = SIZES[size].model(torch.bfloat16)
    if competitor == "packed":
        return pack_model(replace_linear_with_bitlinear(model))
    if competitor == "packed-int8":
        return pack_model(replace_linear_with_bitlinear(model), codes_in_memory="int8")
    if competitor == "nf4":
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            return LlamaForCausalLM.from_pretrained(
                folder,
                dtype=torch.bfloat16,
                device_map="cpu",
                quantization_config=BitsAndBytesConfig(
                    load_in_4bit=True,
                    bnb_4bit_quant_type="nf4",
                    bnb_4bit_use_double_quant=True,
                    bnb_4bit_compute_dtype=torch.bfloat16,
                ),
            )
    return model


def _bytes_a_base_weight(model: Any) -> float:
    """Of all tensors that the linear layers below the head hold, each storage counted once."""
    import torch
    from peft.tuners.tuners_utils import BaseTunerLayer

    held: dict[int, int] = {}
    weights = 0

    def count(tensor: Any) -> None:
        if isinstance(tensor, torch.Tensor):
            held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()

    layers = [
        module.get_base_layer() if isinstance(module, BaseTunerLayer) else module
        for name, module in model.named_modules()
        if name.endswith("_proj")
    ]
    for layer in layers:
        weights += layer.in_features * layer.out_features
        for tensor in (*layer.parameters(), *layer.buffers()):
            count(tensor)
            state = getattr(tensor, "quant_state", None)
            if state is not None:
                for part in (*vars(state).values(), *vars(state.state2 or object).values()):
                    count(part)
    return sum(held.values()) / weights


def _train(specification: dict[str, Any], answers: TextIO) -> None:
    import torch
    from datasets import Dataset
    from peers import SIZES
    from peft import LoraConfig
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from bitsft import TernarySFTConfig, TernarySFTTrainer
    from bitsft.scratch import train_tokenizer

    competitor, tokens = specification["competitor"], specification["row_tokens"]
    vocabulary = SIZES[specification["size"]].vocabulary
    ids = torch.randint(3, vocabulary, (8 * specification["rows"], tokens)).tolist()

    class Turns(TrainerCallback):
        """Added last, so that the other callbacks' share of the step is in the time."""

        started = time.perf_counter()
        bytes_a_weight: float | None = None

        def on_step_end(self, args, state, control, **kwargs):  # type: ignore[no-untyped-def]
            seconds = time.perf_counter() - self.started
            if self.bytes_a_weight is None:
                self.bytes_a_weight = _bytes_a_base_weight(kwargs["model"])
            found = {"seconds": seconds, "bytes_a_weight": self.bytes_a_weight}
            answers.write(json.dumps(found) + "\n")
            answers.flush()
            if not sys.stdin.readline():
                os._exit(0)  # the parent is gone
            self.started = time.perf_counter()

    is_ternary = competitor.startswith("packed")
    options: dict[str, Any] = {"run_record": False} if is_ternary else {}
    config, trainer_class = (
        (TernarySFTConfig, TernarySFTTrainer) if is_ternary else (SFTConfig, SFTTrainer)
    )
    trainer = trainer_class(
        model=_base(competitor, specification["size"]),
        args=config(
            specification["folder"],
            max_steps=100_000,
            learning_rate=1e-4,
            lr_scheduler_type="constant",
            per_device_train_batch_size=specification["rows"],
            gradient_checkpointing=specification["checkpointing"],
            max_length=tokens,
            bf16=competitor != "lora-float32",
            use_cpu=True,
            logging_strategy="no",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            **options,
        ),
        train_dataset=Dataset.from_dict({"input_ids": ids, "labels": ids}),
        processing_class=train_tokenizer(["서울의 인구는 약 천만 명입니다"] * 4, 300),
        peft_config=LoraConfig(
            r=16,
            lora_alpha=32,
            target_modules=TARGETS[specification["targets"]],
            task_type="CAUSAL_LM",
        ),
    )
    trainer.add_callback(Turns())
    trainer.train()


def measure(size: str, targets: str, parsed: argparse.Namespace) -> list[dict[str, Any]]:
    """All competitors of one size and set of targets, in turns: a row for each."""
    workers: dict[str, Worker] = {}
    first: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for name in parsed.competitors:
                specification = {
                    "size": size,
                    "targets": targets,
                    "competitor": name,
                    "rows": parsed.rows,
                    "row_tokens": parsed.row_tokens,
                    "checkpointing": parsed.checkpointing,
                    "folder": folder,
                }
                workers[name] = Worker(__file__, specification, parsed.threads)
                first[name] = workers[name].answer()  # the first step
            jobs = {name: (lambda name=name: workers[name].ask({})) for name in workers}
            timed = take_turns(jobs, parsed.rounds, parsed.warm_up)
        finally:
            for worker in workers.values():
                worker.end()
    nf4 = [step["seconds"] for step in timed["nf4"]]
    rows = []
    for name, steps in timed.items():
        times = [step["seconds"] for step in steps]
        tokens = parsed.rows * parsed.row_tokens
        rows.append(
            {
                "size": size,
                "targets": targets,
                "competitor": name,
                "step_seconds": quartiles(times),
                "tokens_per_second": quartiles([tokens / seconds for seconds in times]),
                "speed_to_nf4": ratio(nf4, times),
                "bytes_a_weight": first[name]["bytes_a_weight"],
                "bytes_to_nf4": first[name]["bytes_a_weight"] / first["nf4"]["bytes_a_weight"],
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", default=["100M"])
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--competitors", nargs="+", choices=COMPETITORS, default=COMPETITORS)
    parser.add_argument("--checkpointing", action="store_true", help="gradient checkpointing")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--warm-up", type=int, default=1)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--row-tokens", type=int, default=ROW_TOKENS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--worker", default=None, help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    if parsed.worker:
        run_worker(json.loads(parsed.worker))
        return
    if "nf4" not in parsed.competitors:
        parsed.competitors = [*parsed.competitors, "nf4"]
    from peers import SIZES

    unknown = [name for name in parsed.sizes if name not in SIZES]
    if unknown:
        parser.error(f"--sizes: unknown {unknown}; known are {list(SIZES)}")
    report: dict[str, Any] = {
        "machine": describe_machine(parsed.threads),
        "settings": {
            "rounds": parsed.rounds,
            "rows": parsed.rows,
            "row_tokens": parsed.row_tokens,
            "checkpointing": parsed.checkpointing,
            "shapes": {name: vars(SIZES[name]) for name in parsed.sizes},
        },
        "rows": [],
    }
    print(json.dumps(report["machine"]))
    for size in parsed.sizes:
        for targets in parsed.targets:
            for row in measure(size, targets, parsed):
                low, middle, high = row["speed_to_nf4"]
                print(
                    f"{size:>5} {targets:10} {row['competitor']:13} {row['tokens_per_second'][1]:8.0f} tokens/s "
                    f"{middle:5.2f} times NF4 ({low:.2f}-{high:.2f})  {row['bytes_a_weight']:.4f} bytes a weight "
                    f"({row['bytes_to_nf4']:.3f} of NF4's)",
                    flush=True,
                )
                report["rows"].append(row)
    report["load_average_at_end"] = list(os.getloadavg())
    write_report(parsed.json, report)


if __name__ == "__main__":
    main()
