"""Loss over 200 steps on real Korean text: the blocked kernels, the reference, and the dense model beside them.

    python benchmarks/cpu/loss_curves.py --text msdocs_ko.txt.xz        # a paragraph a line, plain or .xz
    python benchmarks/cpu/loss_curves.py --text corpus.txt --steps 20 # short

A Llama with random weights (--size of peers.py) and a byte-level BPE tokenizer of 8,000 words trained on the head of the
text; packed rows of 256 tokens, eight a step, bf16 autocast, the same rows in the same order for all. The two ternary
runs differ in `BITSFT_KERNELS` alone, so their curves should be the same to the last bit; the JSON says by how much
they are not. Each run has a process of its own.
"""

import argparse
import json
import lzma
import tempfile
from pathlib import Path
from typing import Any

from machine import Worker, answers_to_parent, describe_machine, write_report

RUNS = {
    "fast": ("bitsft", {}),
    "reference": ("bitsft", {"BITSFT_KERNELS": "reference"}),
    "dense": ("dense-autocast", {}),
}
ROW_TOKENS, ROWS = 256, 8
VOCABULARY = 8000
LEARNING_RATE = 1e-3


def read_text(path: Path, lines: int) -> list[str]:
    opener = lzma.open if path.suffix == ".xz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        return [line.strip() for line, _ in zip(file, range(lines), strict=False) if line.strip()]


def run_worker(specification: dict[str, Any]) -> None:
    answers = answers_to_parent()
    from datasets import Dataset
    from peers import PEERS, SIZES
    from trl import SFTConfig, SFTTrainer

    from bitsft import TernarySFTConfig, TernarySFTTrainer
    from bitsft.scratch import train_tokenizer

    texts = read_text(Path(specification["text"]), specification["lines"])
    tokenizer = train_tokenizer(texts[:5000], VOCABULARY)
    model = SIZES[specification["size"]].model()
    ternary = PEERS[specification["peer"]].projection is not None
    trainer_class = TernarySFTTrainer if ternary else SFTTrainer
    config_class = TernarySFTConfig if ternary else SFTConfig
    trainer = trainer_class(
        model=model,
        args=config_class(
            output_dir=specification["folder"],
            max_steps=specification["steps"],
            per_device_train_batch_size=ROWS,
            learning_rate=LEARNING_RATE,
            warmup_steps=20,
            max_length=ROW_TOKENS,
            packing=True,
            packing_strategy="wrapped",
            gradient_checkpointing=False,
            bf16=True,
            use_cpu=True,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_dict({"text": texts}),
        processing_class=tokenizer,
    )
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    seconds = trainer.state.log_history[-1]["train_runtime"]
    answers.write(json.dumps({"losses": losses, "seconds": seconds}) + "\n")
    answers.flush()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--text", type=Path, help="UTF-8, a paragraph a line; .xz is read, too")
    parser.add_argument("--lines", type=int, default=20_000, help="of the text, from its start")
    parser.add_argument("--size", default="10M")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--worker", default=None, help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    if parsed.worker:
        run_worker(json.loads(parsed.worker))
        return
    if parsed.text is None or not parsed.text.is_file():
        parser.error(f"--text: {parsed.text} is not a file")
    report: dict[str, Any] = {
        "machine": describe_machine(parsed.threads),
        "settings": {
            "text": parsed.text.name,
            "lines": parsed.lines,
            "size": parsed.size,
            "tokens_per_step": ROWS * ROW_TOKENS,
            "learning_rate": LEARNING_RATE,
        },
        "runs": {},
    }
    for name, (peer, environment) in RUNS.items():
        with tempfile.TemporaryDirectory() as folder:
            specification = {
                "peer": peer,
                "size": parsed.size,
                "steps": parsed.steps,
                "lines": parsed.lines,
                "text": str(parsed.text.resolve()),
                "folder": folder,
            }
            worker = Worker(__file__, specification, parsed.threads, environment)
            try:
                report["runs"][name] = worker.answer()
            finally:
                worker.end()
        run = report["runs"][name]
        print(
            f"{name:10} {run['losses'][0]:.4f} -> {run['losses'][-1]:.4f}, {run['seconds']:.0f} s"
        )
    fast, reference = (report["runs"][name]["losses"] for name in ("fast", "reference"))
    report["largest_difference"] = max(abs(a - b) for a, b in zip(fast, reference, strict=True))
    print(f"largest difference between fast and reference: {report['largest_difference']}")
    write_report(parsed.json, report)


if __name__ == "__main__":
    main()
