"""Seconds for the hash of a data set's rows that stands in run.json.

    python benchmarks/runs_hashing.py --json benchmarks/runs_hashing.json

Rows of a question and an answer of 261 bytes together, made up; hashed as they lie in memory, and shuffled (then
`datasets` reads them through an index). The first call is left out; wall and processor time of each of several runs.
"""

import argparse
import json
import platform
import time
from pathlib import Path
from typing import Any

import datasets

from bitsft.runs import rows_hash


def rows(count: int) -> datasets.Dataset:
    """`count` rows; a syllable of Hangul is three bytes."""
    questions = [f"{n} 번째 질문입니다, " + "무엇을 알고 싶은가요? " * 3 for n in range(count)]
    answers = [f"{n} 번째 답변입니다, " + "그것은 이렇습니다. " * 4 for n in range(count)]
    return datasets.Dataset.from_dict({"prompt": questions, "completion": answers})


def measure(dataset: datasets.Dataset, runs: int) -> dict[str, Any]:
    """Wall and processor seconds of each run after a first one."""
    wall, processor = [], []
    for run in range(runs + 1):
        began, began_processor = time.perf_counter(), time.process_time()
        rows_hash(dataset)
        if run:
            wall.append(round(time.perf_counter() - began, 3))
            processor.append(round(time.process_time() - began_processor, 3))
    return {"seconds_wall": wall, "seconds_processor": processor}


def main() -> None:
    """Measure both ways and print one line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parsed = parser.parse_args()
    dataset = rows(parsed.rows)
    first = dataset[len(dataset) // 2]
    report: dict[str, Any] = {
        "rows": len(dataset),
        "bytes_of_a_row": sum(len(text.encode()) for text in first.values()),
        "in_order": measure(dataset, parsed.runs),
        "shuffled": measure(dataset.shuffle(seed=0), parsed.runs),
        "python": platform.python_version(),
        "datasets": datasets.__version__,
    }
    print(json.dumps(report))
    if parsed.json is not None:
        parsed.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
