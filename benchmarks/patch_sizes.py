"""How large patches of real fine-tunings are: docs/patches.md.

    python benchmarks/patch_sizes.py                  # a few minutes on one core; writes benchmarks/patch_sizes.json

The model that ships with bitsft is fine-tuned on the demo's rows at several learning rates, with everything trained or with the
embeddings (which are its head, too) frozen. Of each result: the share of codes that flipped, the bytes of
the patch and of its parts, the least that flips of this share need (H(p) bits a code and one a flip), and what else could be
sent instead: the packed model; a LoRA adapter of rank 16 on all linear layers in float32; `xz -9` and `zstd -19 --patch-from` of
the weights, where these programs are installed.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import torch

from bitsft import (
    TernarySFTConfig,
    TernarySFTTrainer,
    demo_model_path,
    diff_checkpoints,
    format_koalpaca,
    format_rows,
    load_demo_model,
    patch_checkpoint,
)
from bitsft.data.demo import load_demo_rows
from bitsft.ternary import ternary_layers

RUNS = ((1e-3, False), (3e-3, True), (1e-2, False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="`gradient_checkpointing` is deprecated")
    rows = []
    for rate, frozen in RUNS:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(rate, frozen, arguments.steps, Path(folder)))
        print(json.dumps(rows[-1]), flush=True)
    arguments.json.write_text(json.dumps({"steps": arguments.steps, "rows": rows}, indent=1) + "\n")
    print(table(rows))


def measure(rate: float, frozen: bool, steps: int, folder: Path) -> dict[str, Any]:
    tuned, lora = tune(rate, frozen, steps, folder / "tuned")
    base = demo_model_path()
    start = time.perf_counter()
    report = diff_checkpoints(base, tuned, folder / "patch", progress=False)
    written = time.perf_counter()
    patch_checkpoint(base, folder / "patch", folder / "restored", progress=False)
    restored = time.perf_counter()
    for file in tuned.iterdir():
        if (folder / "restored" / file.name).read_bytes() != file.read_bytes():
            raise SystemExit(f"{file.name} was not restored")
    flips = report.all_flips
    return {
        "learning_rate": rate,
        "embeddings": "frozen" if frozen else "trained",
        "codes": flips.codes,
        "flips": flips.flips,
        "share": flips.share,
        "flip_bytes": flips.bytes,
        "bound_bytes": round(sum(kind.bound for kind in report.flips.values())),
        "dense_bytes": report.dense_bytes,
        "patch_bytes": report.patch_bytes,
        "weights_bytes": report.weights_bytes,
        "lora_bytes": lora,
        **others(base / "model.safetensors", tuned / "model.safetensors", folder),
        "diff_seconds": round(written - start, 2),
        "patch_seconds": round(restored - written, 2),
    }


def tune(rate: float, frozen: bool, steps: int, folder: Path) -> tuple[Path, int]:
    """Fine-tune; returns the folder, and the bytes of a LoRA adapter for this model."""
    model, tokenizer = load_demo_model()
    model.get_input_embeddings().requires_grad_(not frozen)
    lora = sum(
        16 * (layer.in_features + layer.out_features) * 4
        for layer in ternary_layers(model).values()
    )
    config = TernarySFTConfig(
        str(folder),
        max_steps=steps,
        per_device_train_batch_size=2,
        learning_rate=rate,
        lr_scheduler_type="linear",
        warmup_steps=3,
        completion_only_loss=True,
        gradient_checkpointing=False,
        use_cpu=True,
        bf16=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    rows = format_rows(load_demo_rows("train_koalpaca"), format_koalpaca, strict=True).dataset
    trainer = TernarySFTTrainer(model, config, train_dataset=rows, processing_class=tokenizer)
    trainer.train()
    trainer.save_model()
    return folder, lora


def others(base: Path, tuned: Path, folder: Path) -> dict[str, int | None]:
    """Bytes of the tuned weights by general programs; None where one is not installed."""
    commands = {
        "xz_bytes": ["xz", "-9", "--keep", "--stdout", str(tuned)],
        "zstd_bytes": ["zstd", "-19", "--long=27", "-q", f"--patch-from={base}", str(tuned), "-c"],
    }
    found: dict[str, int | None] = {}
    for name, command in commands.items():
        found[name] = None
        if shutil.which(command[0]):
            found[name] = len(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| learning rate | embeddings | codes flipped | flips in the patch | least possible | whole patch | packed model | "
        "LoRA r 16 | xz of the model | zstd against the base |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        sizes = ("flip_bytes", "bound_bytes", "patch_bytes", "weights_bytes", "lora_bytes")
        cells = [f"{row['learning_rate']:g}", row["embeddings"], f"{row['share']:.3%}"]
        for size in (*sizes, "xz_bytes", "zstd_bytes"):
            cells.append("–" if row[size] is None else f"{row[size] / 1000:,.1f} kB")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
