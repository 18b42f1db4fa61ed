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
of its own that computes a step while the others wait (trainer_steps.py). All but the last run under bf16 autocast with dense tensors in
bfloat16. Rows are 512 random ids of constant length. Ratios are formed round by round; their medians and quartiles are
printed. Bytes a base weight are those of all tensors that the adapted layers' bases hold, scales and tables included.
"""

import argparse
import json
import os
import tempfile
from typing import Any, TextIO

from machine import describe_machine, quartiles, ratio, write_report
from trainer_steps import (
    Specification,
    add_common_options,
    callback_that_waits,
    check_known,
    random_ids,
    run_worker,
    settings,
    small_tokenizer,
    steps_in_turns,
    trainer_options,
)

COMPETITORS = ["packed", "packed-int8", "nf4", "lora-bf16", "lora-float32"]
TARGETS: dict[str, Any] = {
    "attention": ["q_proj", "k_proj", "v_proj", "o_proj"],
    "all-linear": "all-linear",
}


def _base(competitor: str, size: str) -> Any:
    import torch
    from peers import SIZES
    from transformers import BitsAndBytesConfig, LlamaForCausalLM

    from bitsft.ternary import replace_linear_with_bitlinear
    from bitsft.ternary.packed_model import pack_model

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


def make_trainer(specification: Specification) -> Any:
    """The trainer of one competitor, ready to train.

    Args:
        specification: `competitor`, `size`, `targets`, `checkpointing`, and what `trainer_options` wants.
    """
    from datasets import Dataset
    from peers import SIZES
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    from bitsft import TernarySFTConfig, TernarySFTTrainer

    competitor, size = specification["competitor"], specification["size"]
    ids = random_ids(specification, SIZES[size].vocabulary)
    is_ternary = competitor.startswith("packed")
    options: dict[str, Any] = {"run_record": False} if is_ternary else {}
    config, trainer_class = (
        (TernarySFTConfig, TernarySFTTrainer) if is_ternary else (SFTConfig, SFTTrainer)
    )
    options |= {
        "gradient_checkpointing": specification["checkpointing"],
        "bf16": competitor != "lora-float32",
    }
    return trainer_class(
        model=_base(competitor, size),
        args=config(**trainer_options(specification, **options)),
        train_dataset=Dataset.from_dict({"input_ids": ids, "labels": ids}),
        processing_class=small_tokenizer(),
        peft_config=LoraConfig(
            r=16,
            lora_alpha=32,
            target_modules=TARGETS[specification["targets"]],
            task_type="CAUSAL_LM",
        ),
    )


def _train(specification: Specification, answers: TextIO) -> None:
    trainer = make_trainer(specification)
    held = {"bytes_a_weight": _bytes_a_base_weight(trainer.model)}
    trainer.add_callback(callback_that_waits(answers, lambda _: held))
    trainer.train()


def measure(size: str, targets: str, parsed: argparse.Namespace) -> list[dict[str, Any]]:
    """All competitors of one size and set of targets, in turns: a row for each."""
    common = {"size": size, "targets": targets, "checkpointing": parsed.checkpointing}
    specifications = {name: {**common, "competitor": name} for name in parsed.competitors}
    first, timed = steps_in_turns(__file__, specifications, parsed)
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
    add_common_options(parser, __file__, sizes=["100M"], rounds=7)
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--competitors", nargs="+", choices=COMPETITORS, default=COMPETITORS)
    parser.add_argument("--checkpointing", action="store_true", help="gradient checkpointing")
    parsed = parser.parse_args()
    if parsed.worker:
        run_worker(_train, parsed.worker)
        return
    if "nf4" not in parsed.competitors:
        parsed.competitors = [*parsed.competitors, "nf4"]
    from peers import SIZES

    check_known(parser, "--sizes", parsed.sizes, SIZES)
    report: dict[str, Any] = {
        "machine": describe_machine(parsed.threads),
        "settings": settings(parsed, "checkpointing"),
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
