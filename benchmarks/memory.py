"""The peak memory of two training steps with the real trainers, beside what `predict_memory` says.

    python benchmarks/memory.py                            # every cell that the JSON does not have yet
    python benchmarks/memory.py --only 2B-4T:lora-packed    # cells whose name begins so
    python benchmarks/memory.py --table                    # the table of docs/memory.md from the JSON, and its picture

A cell is a model, a method, a length and whether activations are recomputed; each is measured in a process of its own,
one after the other. The model has the shapes of the real one and weights that mean nothing, made in place without a second
copy. `TernarySFTTrainer` trains it (trl.SFTTrainer and bitsandbytes for qlora and lora) for two steps on rows of random ids,
batch 1, at the trainers' own defaults (bf16 autocast, AdamW).

Measured is the largest resident set of the second step (VmHWM, reset when the step begins) above what the process held
before the model was made, after a small model of the same kind had been trained the same way: everything that the training
holds, without Python and the libraries. The phases forward, backward and optimizer step are taken apart. glibc gives back
whatever is freed above 64 KiB (MALLOC_MMAP_THRESHOLD_), so that the heap's history does not count.

Measured are two small numbers of decoder layers (`LAYERS`), and the line through them is extended to the whole model: layers
are alike, and the rest does not depend on their number. The JSON has both, and what is foretold for them and for the whole.

Needs Linux (/proc), bitsandbytes for qlora and latent-8bit.
"""

import argparse
import contextlib
import copy
import json
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import BitNetConfig, LlamaConfig, PreTrainedConfig, PreTrainedModel

sys.path.insert(0, str(Path(__file__).parent / "cpu"))
from machine import (
    GIVE_BACK,
    describe_machine,
    memory_of_machine,
    reset_peak,
    resident,
)

MODELS: dict[str, PreTrainedConfig] = {
    "2B-4T": BitNetConfig(
        tie_word_embeddings=True
    ),  # the defaults are microsoft/bitnet-b1.58-2B-4T
    "Falcon-E-1B": LlamaConfig(
        vocab_size=32768,
        hidden_size=2048,
        intermediate_size=8192,
        num_hidden_layers=24,
        num_attention_heads=8,
        num_key_value_heads=4,
        max_position_embeddings=32768,
        tie_word_embeddings=False,
    ),
}
METHODS = ("latent", "latent-8bit", "stochastic", "lora-packed", "qlora", "lora")
FULL = ("latent", "latent-8bit", "stochastic")
SETTINGS = (
    ("Falcon-E-1B", 256, True),
    ("2B-4T", 256, True),
    ("Falcon-E-1B", 1024, True),
    ("Falcon-E-1B", 256, False),
)
"""Model, length, and whether activations are recomputed (gradient checkpointing)."""
LAYERS = {
    "latent": (1, 2),
    "latent-8bit": (1, 2),
    "stochastic": (1, 2),
    "lora-packed": (2, 4),
    "qlora": (1, 4),
    "lora": (1, 4),
}
"""Decoder layers of the two models that are measured."""
RANK = 16


class Measured(Exception):
    """Two steps are done; what `train()` does at its end is not part of the measurement."""


def cell_name(model: str, method: str, length: int, checkpointing: bool) -> str:
    return f"{model}:{method}:{length}:{'recomputed' if checkpointing else 'kept'}"


# --- in the measuring process -------------------------------------------------------------------------------


def empty_model(config: PreTrainedConfig, dtype: torch.dtype) -> PreTrainedModel:
    """The model on the meta device."""
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config, dtype=dtype)


def materialise(model: nn.Module) -> None:
    """Give what is still on the meta device memory and values, one tensor at a time."""
    values = torch.empty(2**18).uniform_(-0.04, 0.04)
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            if parameter.is_meta:
                new = torch.empty(parameter.shape, dtype=parameter.dtype)
                if new.dim() < 2:
                    new.fill_(1.0)
                else:
                    new.copy_(
                        values[: new.shape[1]].to(new.dtype)
                    )  # every row the same: quickly made
                module.register_parameter(name, nn.Parameter(new, parameter.requires_grad))
        for name, buffer in list(module.named_buffers(recurse=False)):
            if buffer.is_meta:
                module.register_buffer(name, torch.full(buffer.shape, 1e-4), persistent=False)
    model.tie_weights()


def packed_linears(model: nn.Module) -> None:
    from bitsft.ternary.packed_linear import PackedLinear158

    for name, linear in linears(model):
        quarter = (linear.out_features // 4, linear.in_features)
        packed = torch.randint(0, 3, quarter, dtype=torch.uint8) * 0b01010101
        scale = torch.tensor(0.02)
        set_module(model, name, PackedLinear158.from_packed(packed, scale, None))


def nf4_linears(model: nn.Module) -> None:
    """What loading with load_in_4bit, nf4, double quantization leaves; quantizing 2 billion weights here would take an hour."""
    import bitsandbytes as bnb
    from bitsandbytes.functional import QuantState, create_dynamic_map, get_4bit_type

    for name, linear in linears(model):
        shape = torch.Size((linear.out_features, linear.in_features))
        blocks = shape.numel() // 64
        outer = QuantState(
            absmax=torch.full((-(-blocks // 256),), 1e-4),
            code=create_dynamic_map(),
            blocksize=256,
            dtype=torch.float32,
        )
        state = QuantState(
            absmax=torch.randint(0, 255, (blocks,), dtype=torch.uint8),
            shape=shape,
            code=get_4bit_type("nf4", device="cpu"),
            blocksize=64,
            quant_type="nf4",
            dtype=torch.bfloat16,
            offset=torch.tensor(0.05),
            state2=outer,
        )
        new = bnb.nn.Linear4bit(*reversed(shape), False, torch.bfloat16, True, "nf4", device="meta")
        new.weight = bnb.nn.Params4bit(
            torch.randint(0, 255, (shape.numel() // 2, 1), dtype=torch.uint8),
            requires_grad=False,
            quant_state=state,
            quant_type="nf4",
            bnb_quantized=True,
            module=new,
        )
        new.quant_state = state
        set_module(model, name, new)
    model.is_loaded_in_4bit = True


def linears(model: nn.Module) -> list[tuple[str, nn.Linear]]:
    return [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and not name.endswith("lm_head")
    ]


def set_module(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, module)


def build(config: PreTrainedConfig, method: str) -> PreTrainedModel:
    dtype = torch.float32 if method in ("latent", "latent-8bit") else torch.bfloat16
    model = empty_model(config, dtype)
    if method == "lora-packed":
        packed_linears(model)
    if method == "qlora":
        nf4_linears(model)
    materialise(model)
    return model


def make_trainer(
    model: PreTrainedModel, method: str, length: int, checkpointing: bool, folder: str
) -> Any:
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    from bitsft import TernarySFTConfig, TernarySFTTrainer
    from bitsft.scratch import train_tokenizer

    tokenizer = train_tokenizer(["Seoul lies on the Han."], vocab_size=300)
    top = min(config_of(model).vocab_size, 300)
    rows = [{"input_ids": torch.randint(3, top, (length,)).tolist()} for _ in range(4)]
    common: dict[str, Any] = {
        "output_dir": folder,
        "max_steps": 3,
        "per_device_train_batch_size": 1,
        "gradient_checkpointing": checkpointing,
        "max_length": length,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "logging_steps": 1000,
        "use_cpu": True,
    }
    adapters = LoraConfig(r=RANK, lora_alpha=32, lora_dropout=0.05, target_modules="all-linear")
    arguments: dict[str, Any] = {
        "train_dataset": Dataset.from_list(rows),
        "processing_class": tokenizer,
    }
    if method in ("qlora", "lora"):
        config = SFTConfig(**common)
        return SFTTrainer(model, config, peft_config=adapters, **arguments)
    options: dict[str, Any] = {"run_record": False}
    if method == "latent-8bit":
        options["optim"] = "adamw_bnb_8bit"
    if method == "stochastic":
        options["projection"] = "stochastic"
    if method == "lora-packed":
        arguments["peft_config"] = adapters
    return TernarySFTTrainer(model, TernarySFTConfig(**common, **options), **arguments)


def config_of(model: PreTrainedModel) -> PreTrainedConfig:
    return model.config


def two_steps(
    model: PreTrainedModel, method: str, length: int, checkpointing: bool
) -> dict[str, int]:
    """Bytes resident at the second step's begin, and the largest in each of its phases."""
    from transformers import TrainerCallback

    found: dict[str, int] = {}

    class Watch(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 1:
                found["begin"] = reset_peak()

        def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 1:
                found["backward"] = resident("VmHWM")
                found["gradients"] = reset_peak()

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 2:
                found["step"] = resident("VmHWM")
                raise Measured

    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(model, method, length, checkpointing, folder)
        trainer.add_callback(Watch())
        loss_of = trainer.compute_loss

        def compute_loss(*args: Any, **kwargs: Any) -> Any:
            loss = loss_of(*args, **kwargs)
            if trainer.state.global_step == 1:
                found["forward"] = resident("VmHWM")
                found["activations"] = reset_peak()
            return loss

        trainer.compute_loss = compute_loss
        with contextlib.suppress(Measured):
            trainer.train()
    return found


def measure(specification: dict[str, Any]) -> dict[str, Any]:
    method = specification["method"]
    setting = (method, specification["length"], specification["checkpointing"])
    config = copy.deepcopy(MODELS[specification["model"]])
    small = config.__class__(
        **{
            **config.to_diff_dict(),
            "vocab_size": 512,
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_hidden_layers": 1,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 32,
        }
    )
    two_steps(build(small, method), method, 64, specification["checkpointing"])
    before = reset_peak()
    config.num_hidden_layers = specification["layers"]
    model = build(config, method)
    built = reset_peak() - before
    begun = time.time()
    found = two_steps(model, *setting)
    above = {name: value - before for name, value in found.items()}
    return {
        "layers": specification["layers"],
        "peak": max(above[phase] for phase in ("forward", "backward", "step")),
        "built": built,
        **above,
        "process_before": before,
        "seconds": round(time.time() - begun),
    }


# --- in the parent ---------------------------------------------------------------------------------------


def measured_in_a_child(specification: dict[str, Any]) -> dict[str, Any]:
    """Forked, so that the libraries are loaded once; what a child frees goes back with it."""
    print(specification, f"{memory_of_machine('MemAvailable') / 1e9:.1f} GB free", flush=True)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(measure, (specification,))


def with_memory_given_back() -> None:
    """glibc reads its settings when a process starts: start this one again with them."""
    wanted = {**dict(GIVE_BACK), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **wanted})


def of_the_whole(cell: dict[str, Any]) -> float | None:
    """The peak of the whole model, on the line through two measured numbers of layers; None with fewer."""
    if len(cell["measured"]) < 2:
        return None
    few, many = cell["measured"]
    by_layer = (many["peak"] - few["peak"]) / (many["layers"] - few["layers"])
    layers = MODELS[cell["model"]].num_hidden_layers
    return few["peak"] + (layers - few["layers"]) * by_layer


def foretold(cell: dict[str, Any], layers: int | None = None) -> Any:
    """The forecast for a cell; with fewer layers where they are given."""
    from bitsft import predict_memory

    config = copy.deepcopy(MODELS[cell["model"]])
    config.num_hidden_layers = layers or config.num_hidden_layers
    return predict_memory(
        config,
        cell["method"],
        1,
        cell["length"],
        gradient_checkpointing=cell["checkpointing"],
        rank=RANK,
    )


def table(cells: dict[str, Any]) -> str:
    """Markdown: a row a measured number of layers, and one for the whole model where two were measured."""
    lines = [
        "| model | method | tokens | activations | layers | foretold, GB | measured, GB | error |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for cell in cells.values():
        rows = [(one["layers"], one["peak"], "") for one in cell["measured"]]
        whole = of_the_whole(cell)
        if whole is not None:
            rows.append((MODELS[cell["model"]].num_hidden_layers, whole, " (extended)"))
        for layers, peak, how in rows:
            said = foretold(cell, layers).peak
            activations = "recomputed" if cell["checkpointing"] else "kept"
            lines.append(
                f"| {cell['model']} | {cell['method']} | {cell['length']} | {activations} | {layers} | {said / 1e9:.3f} "
                f"| {peak / 1e9:.3f}{how} | {said / peak - 1:+.1%} |"
            )
    return "\n".join(lines)


def plot(path: Path) -> None:
    """Stacked bars by part, both models, all methods, 1 x 1,024 tokens."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from bitsft import predict_memory
    from bitsft.memory.forecast import PARTS

    figure, axes = plt.subplots(1, len(MODELS), figsize=(11, 4.2), layout="constrained")
    shown = [part for part in PARTS if part != "teacher"]
    for axis, (model, config) in zip(axes, MODELS.items(), strict=True):
        forecasts = [predict_memory(config, method, 1, 1024, rank=RANK) for method in METHODS]
        left = [0.0] * len(METHODS)
        for number, part in enumerate(shown):
            sizes = [forecast.parts[part] / 1e9 for forecast in forecasts]
            axis.barh(METHODS, sizes, left=left, label=part, color=plt.get_cmap("tab10")(number))
            left = [one + size for one, size in zip(left, sizes, strict=True)]
        for y, total in enumerate(left):
            axis.text(total, y, f" {total:.1f}", va="center")
        axis.invert_yaxis()
        axis.set_xlim(0, 1.12 * max(left))
        axis.set_title(f"{model}, batch 1 x 1,024 tokens")
        axis.set_xlabel("GB at the largest moment")
    axes[-1].legend(fontsize=8)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", nargs="*", default=[""], help="beginnings of names of cells")
    parser.add_argument("--table", action="store_true", help="show what the JSON holds")
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    if options.table:
        report = json.loads(options.json.read_text())
        print(table(report["cells"]))
        plot(Path(__file__).parents[1] / "docs/images/memory.png")
        return
    with_memory_given_back()
    import peft  # noqa: F401  before the children are forked
    import trl  # noqa: F401

    import bitsft.training  # noqa: F401

    torch.set_num_threads(1)
    report: dict[str, Any] = json.loads(options.json.read_text()) if options.json.exists() else {}
    cells = report.setdefault("cells", {})
    report["machine"] = describe_machine(1)
    for model, length, checkpointing in SETTINGS:
        for method in METHODS:
            name = cell_name(model, method, length, checkpointing)
            if not any(name.startswith(only) for only in options.only):
                continue
            new = {
                "model": model,
                "method": method,
                "length": length,
                "checkpointing": checkpointing,
            }
            cell = cells.setdefault(name, {**new, "measured": []})
            for layers in LAYERS[method]:
                if not any(one["layers"] == layers for one in cell["measured"]):
                    cell["measured"].append(measured_in_a_child({**new, "layers": layers}))
                    print("   ", cell["measured"][-1], flush=True)
                    options.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
