"""Time and memory of exporting a large checkpoint, against a plain copy of the same bytes.

    python benchmarks/export_speed.py                       # 2.4 billion parameters; needs 16 GB of disk
    python benchmarks/export_speed.py --layers 4            # a smaller one

The checkpoint has the shapes of microsoft/bitnet-b1.58-2B-4T-bf16 (hidden 2560, 30 layers, vocabulary 128256, tied)
with random bfloat16 masters in shards of 5 GB at most. Each export, and the copy, runs in a process of its own;
they take turns, and the medians count. MB/s are bytes read per second; the memory is the process's largest
resident set, Python and its libraries included.
"""

import argparse
import json
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from transformers import BitNetConfig, BitNetForCausalLM

from bitsft.checkpoint.safetensors_stream import write_safetensors
from bitsft.scratch import train_tokenizer

JOBS = ("copy", "transformers", "i2_s", "compressed-tensors", "dense", "latent", "load_ternary")


def write_checkpoint(folder: Path, layers: int) -> int:
    """Random bfloat16 masters in 2B-4T's shapes; returns their bytes."""
    config = BitNetConfig(
        num_hidden_layers=layers, dtype="bfloat16", architectures=["BitNetForCausalLM"]
    )
    config.tie_word_embeddings = True
    with torch.device("meta"):
        model = BitNetForCausalLM(config)
    outline = {
        name: tensor.to(torch.bfloat16)
        for name, tensor in model.state_dict().items()
        if name != "lm_head.weight"
    }
    generator = torch.Generator().manual_seed(0)

    def read(name: str) -> torch.Tensor:
        shape = outline[name].shape
        if len(shape) == 1:
            return torch.ones(shape, dtype=torch.bfloat16)
        return torch.empty(shape, dtype=torch.bfloat16).normal_(0, 0.02, generator=generator)

    folder.mkdir(parents=True)
    write_safetensors(folder, outline, read)
    config.save_pretrained(folder)
    train_tokenizer(["서울의 인구는 약 천만 명입니다"] * 4, 300).save_pretrained(folder)  # for i2_s
    return sum(tensor.numel() * 2 for tensor in outline.values())


def largest_resident_set() -> int:
    """Bytes; of this process alone (getrusage would count the parent's, from before exec)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status has no VmHWM; this benchmark needs Linux.")


def run_job(job: str, folder: Path, out: Path) -> dict[str, float]:
    """In this process: one export; seconds and the largest resident set in bytes."""
    from bitsft.checkpoint import load_ternary, save_ternary

    before = largest_resident_set()
    started = time.perf_counter()
    if job == "copy":
        out.mkdir()
        for file in folder.iterdir():
            shutil.copyfile(file, out / file.name)
    elif job == "load_ternary":
        load_ternary(folder, dtype=torch.bfloat16)
    else:
        save_ternary(folder, out, job)
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "memory_before": before,
        "memory": largest_resident_set(),
        "bytes_written": sum(f.stat().st_size for f in out.iterdir()) if out.exists() else 0,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--layers", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", nargs="+", default=list(JOBS), choices=JOBS)
    parser.add_argument(
        "--folder", type=Path, default=None, help="where to work; default: a temporary one"
    )
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--run", nargs=3, default=None, help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    if parsed.run:
        job, folder, out = parsed.run
        print(json.dumps(run_job(job, Path(folder), Path(out))))
        return
    with tempfile.TemporaryDirectory(dir=parsed.folder) as work:
        folder = Path(work) / "masters"
        size = write_checkpoint(folder, parsed.layers)
        results: dict[str, list[dict[str, float]]] = {job: [] for job in parsed.jobs}
        for _ in range(parsed.rounds):
            for job in parsed.jobs:
                out = Path(work) / "out"
                command = [sys.executable, __file__, "--run", job, str(folder), str(out)]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                results[job].append(json.loads(done.stdout.strip().splitlines()[-1]))
                shutil.rmtree(out, ignore_errors=True)
    report = {
        "machine": f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "checkpoint_bytes": size,
        "layers": parsed.layers,
        "rounds": parsed.rounds,
        "jobs": {job: summary(runs, size) for job, runs in results.items()},
    }
    parsed.json.write_text(json.dumps(report, indent=2) + "\n")
    print(f"{size / 1e9:.2f} GB of masters; {report['machine']}")
    print(f"{'':20} {'seconds':>8} {'MB/s':>7} {'of copy':>8} {'memory GB':>10} {'written GB':>11}")
    for job, row in report["jobs"].items():
        of_copy = (
            row["mb_per_s"] / report["jobs"]["copy"]["mb_per_s"]
            if "copy" in parsed.jobs
            else float("nan")
        )
        print(
            f"{job:20} {row['seconds']:8.1f} {row['mb_per_s']:7.0f} {of_copy:8.2f} "
            f"{row['memory'] / 1e9:10.2f} {row['bytes_written'] / 1e9:11.2f}"
        )


def summary(runs: list[dict[str, float]], size: int) -> dict[str, float]:
    """Medians; the memory is the largest of all runs."""
    seconds = statistics.median(run["seconds"] for run in runs)
    return {
        "seconds": seconds,
        "seconds_of_each_run": [round(run["seconds"], 2) for run in runs],
        "mb_per_s": size / 1e6 / seconds,
        "memory": max(run["memory"] for run in runs),
        "memory_before": max(run["memory_before"] for run in runs),
        "bytes_written": runs[0]["bytes_written"],
    }


if __name__ == "__main__":
    main()
