"""Seconds of a full TRL training step with a teacher against the step without, taking turns.

    python benchmarks/cpu/distillation.py                             # 10M and 100M, teacher as large as the student
    python benchmarks/cpu/distillation.py --sizes tiny --rounds 2     # short
    python benchmarks/cpu/distillation.py --trained 0.3               # the first 70 % of each row carry no label

Each competitor is a `TernarySFTTrainer` in a process of its own, waiting inside `on_step_end` until it is asked for the
next optimizer step; then it computes one while the others wait. A step holds everything that the trainer does. The
student trains under bf16 autocast; the dense teacher is of the same shape, in bfloat16 (as it comes from a path in
such a run) or in float32 under autocast (an object as it is). Rows are 512 random ids of constant length, four to a
step. The ratio is formed round by round; its median and quartiles are printed.
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
COMPETITORS: dict[str, dict[str, Any]] = {
    "alone": {},
    "forward": {"dtype": "bfloat16", "divergence": "forward"},
    "reverse": {"dtype": "bfloat16", "divergence": "reverse"},
    "js": {"dtype": "bfloat16", "divergence": "js"},
    "float32-teacher": {"dtype": "float32", "divergence": "forward"},
}


def run_worker(specification: dict[str, Any]) -> None:
    answers = answers_to_parent()
    try:
        _train(specification, answers)
    except Exception as error:  # said in the table's place
        answers.write(json.dumps({"error": f"{type(error).__name__}: {error}"[:300]}) + "\n")
        answers.flush()
        raise


def _train(specification: dict[str, Any], answers: TextIO) -> None:
    import torch
    from datasets import Dataset
    from peers import SIZES
    from transformers import TrainerCallback

    from bitsft import TernarySFTConfig, TernarySFTTrainer
    from bitsft.scratch import train_tokenizer

    shape, competitor = SIZES[specification["size"]], COMPETITORS[specification["competitor"]]
    tokens = specification["row_tokens"]
    ids = torch.randint(3, shape.vocabulary, (8 * specification["rows"], tokens)).tolist()
    masked = round((1 - specification["trained"]) * tokens)
    labels = [[-100] * masked + row[masked:] for row in ids]

    class Turns(TrainerCallback):
        """Added last, so that the other callbacks' share of the step is in the time."""

        started = time.perf_counter()

        def on_step_end(self, args, state, control, **kwargs):  # type: ignore[no-untyped-def]
            answers.write(json.dumps({"seconds": time.perf_counter() - self.started}) + "\n")
            answers.flush()
            if not sys.stdin.readline():
                os._exit(0)  # the parent is gone
            self.started = time.perf_counter()

    options: dict[str, Any] = {}
    teacher = None
    if competitor:
        teacher = shape.model(getattr(torch, competitor["dtype"]))
        options["distillation_divergence"] = competitor["divergence"]
    trainer = TernarySFTTrainer(
        model=shape.model(torch.float32),
        args=TernarySFTConfig(
            specification["folder"],
            max_steps=100_000,
            learning_rate=1e-4,
            lr_scheduler_type="constant",
            per_device_train_batch_size=specification["rows"],
            gradient_checkpointing=False,
            max_length=tokens,
            bf16=True,
            use_cpu=True,
            logging_strategy="no",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            run_record=False,
            **options,
        ),
        train_dataset=Dataset.from_dict({"input_ids": ids, "labels": labels}),
        processing_class=train_tokenizer(["서울의 인구는 약 천만 명입니다"] * 4, 300),
        teacher_model=teacher,
    )
    trainer.add_callback(Turns())
    trainer.train()


def measure(size: str, parsed: argparse.Namespace) -> list[dict[str, Any]]:
    """All competitors of one size, in turns: a row for each."""
    workers: dict[str, Worker] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for name in parsed.competitors:
                specification = {
                    "size": size,
                    "competitor": name,
                    "rows": parsed.rows,
                    "row_tokens": parsed.row_tokens,
                    "trained": parsed.trained,
                    "folder": folder,
                }
                workers[name] = Worker(__file__, specification, parsed.threads)
                workers[name].answer()  # the first step
            jobs = {name: (lambda name=name: workers[name].ask({})) for name in workers}
            timed = take_turns(jobs, parsed.rounds, parsed.warm_up)
        finally:
            for worker in workers.values():
                worker.end()
    alone = [step["seconds"] for step in timed["alone"]]
    rows = []
    for name, steps in timed.items():
        times = [step["seconds"] for step in steps]
        rows.append(
            {
                "size": size,
                "competitor": name,
                "trained": parsed.trained,
                "step_seconds": quartiles(times),
                "times_alone": ratio(times, alone),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", default=["10M", "100M"])
    parser.add_argument("--competitors", nargs="+", choices=COMPETITORS, default=list(COMPETITORS))
    parser.add_argument(
        "--trained", type=float, default=1.0, help="share of the tokens with labels"
    )
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
    if "alone" not in parsed.competitors:
        parsed.competitors.insert(0, "alone")
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
            "trained": parsed.trained,
            "shapes": {name: vars(SIZES[name]) for name in parsed.sizes},
        },
        "rows": [],
    }
    print(json.dumps(report["machine"]))
    for size in parsed.sizes:
        for row in measure(size, parsed):
            low, middle, high = row["times_alone"]
            print(
                f"{size:>5}  {row['competitor']:16} {row['step_seconds'][1]:8.3f} s "
                f"{middle:6.2f} times alone ({low:.2f}-{high:.2f})",
                flush=True,
            )
            report["rows"].append(row)
    report["load_average_at_end"] = list(os.getloadavg())
    write_report(parsed.json, report)


if __name__ == "__main__":
    main()
