"""Seconds of a full TRL training step with a teacher against the step without, taking turns.

    python benchmarks/cpu/distillation.py                             # 10M and 100M, teacher as large as the student
    python benchmarks/cpu/distillation.py --sizes tiny --rounds 2     # short
    python benchmarks/cpu/distillation.py --trained 0.3               # the first 70 % of each row carry no label

Each competitor is a `TernarySFTTrainer` in a process of its own that computes a step while the others wait
(trainer_steps.py). The student trains under bf16 autocast; the dense teacher is of the same shape, in bfloat16 (as it comes from a path in
such a run) or in float32 under autocast (an object as it is). Rows are 512 random ids of constant length, four to a
step. The ratio is formed round by round; its median and quartiles are printed.
"""

import argparse
import json
import os
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

COMPETITORS: dict[str, dict[str, Any]] = {
    "alone": {},
    "forward": {"dtype": "bfloat16", "divergence": "forward"},
    "reverse": {"dtype": "bfloat16", "divergence": "reverse"},
    "js": {"dtype": "bfloat16", "divergence": "js"},
    "float32-teacher": {"dtype": "float32", "divergence": "forward"},
}


def _train(specification: Specification, answers: TextIO) -> None:
    import torch
    from datasets import Dataset
    from peers import SIZES

    from bitsft import TernarySFTConfig, TernarySFTTrainer

    shape, competitor = SIZES[specification["size"]], COMPETITORS[specification["competitor"]]
    ids = random_ids(specification, shape.vocabulary)
    masked = round((1 - specification["trained"]) * specification["row_tokens"])
    labels = [[-100] * masked + row[masked:] for row in ids]
    options: dict[str, Any] = {"run_record": False}
    teacher = None
    if competitor:
        teacher = shape.model(getattr(torch, competitor["dtype"]))
        options["distillation_divergence"] = competitor["divergence"]
    trainer = TernarySFTTrainer(
        model=shape.model(torch.float32),
        args=TernarySFTConfig(**trainer_options(specification, **options)),
        train_dataset=Dataset.from_dict({"input_ids": ids, "labels": labels}),
        processing_class=small_tokenizer(),
        teacher_model=teacher,
    )
    trainer.add_callback(callback_that_waits(answers))
    trainer.train()


def measure(size: str, parsed: argparse.Namespace) -> list[dict[str, Any]]:
    """All competitors of one size, in turns: a row for each."""
    specifications = {
        name: {"size": size, "competitor": name, "trained": parsed.trained}
        for name in parsed.competitors
    }
    _, timed = steps_in_turns(__file__, specifications, parsed)
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
    add_common_options(parser, __file__, sizes=["10M", "100M"], rounds=7)
    parser.add_argument("--competitors", nargs="+", choices=COMPETITORS, default=list(COMPETITORS))
    parser.add_argument(
        "--trained", type=float, default=1.0, help="share of the tokens with labels"
    )
    parsed = parser.parse_args()
    if parsed.worker:
        run_worker(_train, parsed.worker)
        return
    if "alone" not in parsed.competitors:
        parsed.competitors.insert(0, "alone")
    from peers import SIZES

    check_known(parser, "--sizes", parsed.sizes, SIZES)
    report: dict[str, Any] = {
        "machine": describe_machine(parsed.threads),
        "settings": settings(parsed, "trained"),
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
