"""Seconds and memory of `compare` over many rows with all scores of texts.

    python benchmarks/evaluation/compare_cost.py --json benchmarks/evaluation/compare_cost.json

The rows are made up from a fixed seed. Seconds are processor time of one thread (set OMP_NUM_THREADS=1) and wall time;
memory is the peak of the process's resident set, and what it was before `compare` was called: the texts are scored
before.
"""

import argparse
import json
import platform
import random
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from bitsft.comparison import compare
from bitsft.evaluation.answers import Answer
from bitsft.evaluation.evaluation import Evaluation
from bitsft.evaluation.scoring import score_answers

WORDS = [*"가나다라마바사아자차카타파하"]


def made_up(model: str, rows: int, seed: int) -> Evaluation:
    """An evaluation with all scores of texts; an answer has some of its reference's words."""
    rng = random.Random(seed)
    answers = []
    for row in range(rows):
        reference = random.Random(-row).choices(WORDS, k=12)  # the same for both models
        said = [word if rng.random() < 0.6 else rng.choice(WORDS) for word in reference]
        texts = f"질문 {row}: 무엇인가요?", " ".join(reference), " ".join(said)
        answers.append(Answer(row, *texts, len(said), True))
    data = {"name": "rows.jsonl", "sha256": "0" * 64, "rows": rows}
    return Evaluation(model, tuple(answers), score_answers(answers), "greedy", data, {})


def peak_mb() -> float:
    """The largest resident set so far, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak * (1 if sys.platform == "darwin" else 1024) / 1e6, 1)


def main() -> None:
    """Measure once and print one line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parsed = parser.parse_args()
    base, tuned = (made_up(m, parsed.rows, n) for n, m in enumerate(("a", "b")))
    before = peak_mb()
    wall, processor = [], []
    for _ in range(parsed.runs):
        began, began_processor = time.perf_counter(), time.process_time()
        compare(base, tuned)
        wall.append(round(time.perf_counter() - began, 2))
        processor.append(round(time.process_time() - began_processor, 2))
    report: dict[str, Any] = {
        "rows": parsed.rows,
        "metrics": len(base.scores["all"]),
        "seconds_wall": wall,
        "seconds_processor": processor,
        "peak_mb_before": before,
        "peak_mb": peak_mb(),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
    print(json.dumps(report))
    if parsed.json is not None:
        parsed.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
