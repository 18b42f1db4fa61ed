"""One thread or two for a small model, alone and beside another process: the table in docs/performance.md.

    python benchmarks/threads.py

Forward and backward of a two-layer ternary Llama (hidden size 384, 1,024 tokens, bf16 autocast) in a process of its
own for each number of threads; then the same beside a process that keeps one core busy with plain Python, and beside
another model that uses two threads itself. Medians of five.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

REPEATS = 5


def passes(threads: int) -> Iterator[float]:
    """Seconds of one forward and backward pass after another, in this process."""
    import torch

    from bitsft.data.demo import load_demo_rows
    from bitsft.scratch import new_llama, train_tokenizer
    from bitsft.ternary import hold_codes, replace_linear_with_bitlinear

    torch.set_num_threads(threads)
    rows = [row["instruction"] + " " + row["output"] for row in load_demo_rows("train_koalpaca")]
    model = new_llama(train_tokenizer(rows, 1000), hidden_size=384, layers=2, heads=6)
    replace_linear_with_bitlinear(model)
    ids = torch.randint(5, 300, (2, 512))
    with hold_codes(model):
        while True:
            start = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16):
                loss = model(input_ids=ids, labels=ids).loss
            loss.backward()
            yield time.perf_counter() - start


def in_a_process(threads: int) -> float:
    result = subprocess.run(
        [sys.executable, __file__, str(threads)], capture_output=True, text=True, check=True
    )
    return float(result.stdout.splitlines()[-1])


def main() -> None:
    if len(sys.argv) > 1:
        seconds = list(
            islice(passes(int(sys.argv[1])), REPEATS + 1 if len(sys.argv) == 2 else None)
        )
        print(statistics.median(seconds[1:]))
        return
    others = {
        "alone": None,
        "beside a busy process": [sys.executable, "-c", "while True: pass"],
        "beside a model with two threads": [sys.executable, __file__, "2", "forever"],
    }
    table = {}
    for name, command in others.items():
        other = subprocess.Popen(command) if command else None
        time.sleep(15 if command else 0)
        for threads in (1, 2):
            table[f"{threads} thread{'s' * (threads > 1)}, {name}"] = round(
                in_a_process(threads), 3
            )
        if other is not None:
            other.kill()
    for name, seconds in table.items():
        print(f"{name:45}{seconds:8.3f} s")
    Path(__file__).with_suffix(".json").write_text(json.dumps(table, indent=2) + "\n")


if __name__ == "__main__":
    main()
