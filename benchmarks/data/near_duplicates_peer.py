"""Near duplicates: bitsft beside datasketch's own MinHashLSH, taking turns on the same rows.

    python benchmarks/data/near_duplicates_peer.py --rows 50000 --rounds 3

Both get the made rows of `near_duplicates.py`, character 3-grams of the same normal form, 128 permutations and the same
threshold, in one process with one thread. datasketch is used as its documentation shows: a MinHash for each
row, a query, an insert. Its pairs are not checked: what shares a bucket counts. Recall is over the planted
pairs that have the threshold by exact Jaccard similarity.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from datasketch import MinHash, MinHashLSH
from near_duplicates import MadeRows, machine

from bitsft.data.duplicates import near_duplicates, normal_form
from bitsft.data.duplicates.gram_hashes import gram_set
from bitsft.data.duplicates.near import NUM_PERM, THRESHOLD


def with_bitsft(texts: list[str]) -> set[int]:
    """Rows with an earlier one in their cluster."""
    labels = near_duplicates(texts).labels
    return {row for row, label in enumerate(labels.tolist()) if label != row}


def with_datasketch(texts: list[str]) -> set[int]:
    """Rows that share a bucket with an earlier one."""
    index = MinHashLSH(threshold=THRESHOLD, num_perm=NUM_PERM)
    found = set()
    for row, text in enumerate(texts):
        sketch = MinHash(num_perm=NUM_PERM)
        grams = gram_set(normal_form(text, punctuation=False), 3)
        sketch.update_batch([gram.encode() for gram in grams])
        if index.query(sketch):
            found.add(row)
        index.insert(row, sketch)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    made = MadeRows(options.rows, 1)
    texts = list(made)
    contestants: dict[str, Callable[[list[str]], set[int]]] = {
        "bitsft": with_bitsft,
        "datasketch": with_datasketch,
    }
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    found: dict[str, set[int]] = {}
    for _ in range(options.rounds):
        for name, find in contestants.items():
            start = time.perf_counter()
            found[name] = find(texts)
            seconds[name].append(time.perf_counter() - start)
    report = {"machine": machine(), "rows": options.rows, "rounds": options.rounds}
    for name in contestants:
        report[name] = {
            "seconds": round(statistics.median(seconds[name]), 2),
            "rows_per_second": round(options.rows / statistics.median(seconds[name])),
            "found": len(found[name]),
            "recall": round(sum(b in found[name] for _, b in made.planted) / len(made.planted), 4),
        }
    ratios = [d / b for b, d in zip(seconds["bitsft"], seconds["datasketch"], strict=True)]
    report["ratio"] = round(statistics.median(ratios), 2)
    text = json.dumps(report, ensure_ascii=False, indent=2) + "\n"
    options.json.write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
