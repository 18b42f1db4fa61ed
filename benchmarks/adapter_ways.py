"""Ways from adapters back to the grid, compared by held-out loss on the model that ships and the demo's own rows.

    python benchmarks/adapter_ways.py --seeds 0 1 2 --output benchmarks/adapter_ways.json --plot docs/images/adapter_ways.png

Every way sees the same 423 rows (KoAlpaca shape); the loss is that of 63 held-out rows, other wordings of facts that
were taught. One thread, float32. Seeds that the output file has already are not run again. About four minutes a seed on a free core.
"""

import argparse
import copy
import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn
from transformers import PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from bitsft import (
    TernaryLoraConfig,
    TernarySFTConfig,
    TernarySFTTrainer,
    format_koalpaca,
    format_rows,
    load_demo_model,
    merge_ternary_adapter,
    merge_to_ternary,
    save_ternary,
)
from bitsft.adapters.dithered_merge import dithered_merge
from bitsft.data.demo import load_demo_rows
from bitsft.ternary.linear import ternary_layers
from bitsft.ternary.packed_linear import layers_with_codes
from bitsft.ternary.packed_model import pack_model

BATCH_SIZE = 16
EPOCHS = 2
MERGE_EPOCHS = 1
LORA_RATE, TERNARY_RATE, FULL_RATE, MERGE_RATE = 5e-3, 1.25e-3, 4e-3, 2e-3
WAYS = {
    "base": "base, untrained",
    "lora": "LoRA kept",
    "rounded": "LoRA merged and rounded",
    "dithered": "LoRA merged and dithered",
    "merged": "merge_to_ternary",
    "ternary": "ternary adapter, merged",
    "full": "all ternary weights trained",
}


def main() -> None:
    """Run what is missing, write the file after each seed, print and draw the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--output", type=Path, default=Path("benchmarks/adapter_ways.json"))
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    found = json.loads(arguments.output.read_text()) if arguments.output.exists() else {"seeds": {}}
    found["settings"] = {
        "rows": 423,
        "batch_size": BATCH_SIZE,
        "epochs": EPOCHS,
        "merge_epochs": MERGE_EPOCHS,
        "learning_rates": {
            "lora": LORA_RATE,
            "ternary": TERNARY_RATE,
            "full": FULL_RATE,
            "merge": MERGE_RATE,
        },
    }
    for seed in arguments.seeds:
        if str(seed) not in found["seeds"]:
            found["seeds"][str(seed)] = run(seed)
            arguments.output.write_text(json.dumps(found, indent=1) + "\n")
    print(as_table(found))
    if arguments.plot is not None:
        draw(found, arguments.plot)


def run(seed: int) -> dict[str, Any]:
    """All ways with one seed: held-out losses in nats a token, and bytes of the files."""
    base, tokenizer = load_demo_model()
    train, held_out = rows("train_koalpaca"), rows("other_wordings_koalpaca")
    losses: dict[str, float] = {}
    sizes: dict[str, int] = {}

    def note(way: str, model: nn.Module) -> None:
        losses[way] = held_out_loss(model, tokenizer, held_out)
        print(f"seed {seed} {way:8s} {losses[way]:.4f}", flush=True)

    note("base", base)
    packed = pack_model(copy.deepcopy(base))
    lora = trained(
        copy.deepcopy(packed),
        tokenizer,
        train,
        seed,
        LORA_RATE,
        LoraConfig(r=16, lora_alpha=32, target_modules="all-linear"),
    )
    note("lora", lora)
    sizes["lora"] = saved_bytes(lora)
    note("dithered", dithered_merge(lora))
    note("rounded", rounded(lora))
    with tempfile.TemporaryDirectory() as folder:
        merged = merge_to_ternary(
            lora,
            train,
            settings(folder, seed, MERGE_RATE, MERGE_EPOCHS),
            processing_class=tokenizer,
        )
    note("merged", merged)
    sizes["merged"] = saved_bytes(merged)

    adapter = trained(
        copy.deepcopy(packed), tokenizer, train, seed, TERNARY_RATE, TernaryLoraConfig()
    )
    with_adapter = held_out_loss(adapter, tokenizer, held_out)
    sizes["ternary adapter"] = saved_bytes(adapter)
    codes = [layer.ternary()[0] for layer in layers_with_codes(packed).values()]
    ternary = merge_ternary_adapter(adapter)
    note("ternary", ternary)
    if losses["ternary"] != with_adapter:
        raise RuntimeError(f"merging changed the loss: {with_adapter} to {losses['ternary']}")
    new = [layer.ternary()[0] for layer in layers_with_codes(ternary).values()]
    flips = sum(int((a != b).sum()) for a, b in zip(codes, new, strict=True))
    sizes["ternary"] = saved_bytes(ternary)

    full = trained(copy.deepcopy(base), tokenizer, train, seed, FULL_RATE, None)
    note("full", full)
    return {
        "loss": losses,
        "bytes": sizes,
        "ternary_flip_share": flips / sum(c.numel() for c in codes),
    }


def rows(split: str) -> Dataset:
    """Prompt and completion."""
    return format_rows(load_demo_rows(split), format_koalpaca, strict=True).dataset


def settings(folder: str, seed: int, learning_rate: float, epochs: int) -> TernarySFTConfig:
    """What all ways train with, apart from the learning rate."""
    return TernarySFTConfig(
        folder,
        num_train_epochs=epochs,
        per_device_train_batch_size=BATCH_SIZE,
        learning_rate=learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=5,
        distillation_temperature=1.0,
        seed=seed,
        bf16=False,
        use_cpu=True,
        gradient_checkpointing=False,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        run_record=False,
        disable_tqdm=True,
    )


def trained(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    train: Dataset,
    seed: int,
    learning_rate: float,
    peft_config: Any,
) -> Any:
    """The model after training: a `PeftModel` where adapters were asked for."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = TernarySFTTrainer(
            model,
            settings(folder, seed, learning_rate, EPOCHS),
            train_dataset=train,
            processing_class=tokenizer,
            peft_config=peft_config,
        )
        trainer.train()
    return trainer.model.eval()


def rounded(lora: PeftModel) -> nn.Module:
    """What requantizing γ·codes + adapter gives, whose γ is the mean of what is there."""
    model = dithered_merge(lora)
    layers = ternary_layers(model)
    for name, wrapped in lora.get_base_model().named_modules():
        if isinstance(wrapped, BaseTunerLayer) and name in layers:
            codes, scale = wrapped.get_base_layer().ternary()
            with torch.no_grad():
                layers[name].weight.copy_(codes * scale + wrapped.get_delta_weight("default"))
            layers[name].on_grid = False
    return model


@torch.no_grad()
def held_out_loss(model: Any, tokenizer: PreTrainedTokenizerBase, held_out: Dataset) -> float:
    """Mean over the tokens of all completions, in nats, one row at a time."""
    model.eval()
    total, count = 0.0, 0
    for row in held_out:
        prompt = tokenizer(row["prompt"], add_special_tokens=False).input_ids
        whole = tokenizer(row["prompt"] + row["completion"], add_special_tokens=False).input_ids
        ids = torch.tensor([[*whole, tokenizer.eos_token_id]])
        logits = model(input_ids=ids).logits[0, len(prompt) - 1 : -1].float()
        wanted = ids[0, len(prompt) :]
        total += nn.functional.cross_entropy(logits, wanted, reduction="sum").item()
        count += len(wanted)
    return total / count


def saved_bytes(model: Any) -> int:
    """Bytes of the safetensors files."""
    with tempfile.TemporaryDirectory() as folder:
        if isinstance(model, PeftModel):
            model.save_pretrained(folder, save_embedding_layers=False)
        else:
            save_ternary(model, folder)
        return sum(file.stat().st_size for file in Path(folder).glob("*.safetensors"))


def spread(values: list[float]) -> tuple[float, float]:
    """Mean and standard deviation."""
    tensor = torch.tensor(values, dtype=torch.float64)
    return tensor.mean().item(), tensor.std().item() if len(values) > 1 else 0.0


def as_table(found: dict[str, Any]) -> str:
    """One line a way."""
    seeds = list(found["seeds"].values())
    lines = [f"{len(seeds)} seeds; held-out loss, nats a token"]
    for way, label in WAYS.items():
        mean, deviation = spread([seed["loss"][way] for seed in seeds])
        lines.append(f"{label:32s} {mean:.3f} ± {deviation:.3f}")
    lines.append(f"bytes: {seeds[0]['bytes']}")
    return "\n".join(lines)


def draw(found: dict[str, Any], file: Path) -> None:
    """A bar for each way, a dot for each seed; the base, which lies far off, as a number."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    ways = [way for way in WAYS if way != "base"]
    seeds = list(found["seeds"].values())
    colours = {"lora": "#888888", "rounded": "#c44e52", "dithered": "#dd9999"}
    figure, axes = pyplot.subplots(figsize=(7, 3.2))
    for place, way in enumerate(ways):
        values = [seed["loss"][way] for seed in seeds]
        axes.barh(place, spread(values)[0], color=colours.get(way, "#4c72b0"), height=0.6)
        axes.plot(values, [place] * len(values), "o", color="black", markersize=3.5)
        axes.text(max(values) + 0.05, place, f"{spread(values)[0]:.2f}", va="center", fontsize=9)
    axes.set_yticks(range(len(ways)), [WAYS[way] for way in ways])
    axes.invert_yaxis()
    axes.set_xlabel("held-out loss, nats a token (lower is better); dots are seeds")
    base = spread([seed["loss"]["base"] for seed in seeds])[0]
    axes.set_title(
        f"Ways back to the grid, demo model and rows (untrained base: {base:.2f})", fontsize=10
    )
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.tight_layout()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=150)


if __name__ == "__main__":
    main()
