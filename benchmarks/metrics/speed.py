"""Seconds and memory for all text metrics over many Korean pairs, on one thread.

    python benchmarks/metrics/speed.py --real chatbot_ko.csv,Q,A --real sae4k.tsv,0,1 --real msdocs_ko.txt.xz

Files are named as in `texts.py`; each gives the same number of pairs (with `--shortest`, paragraphs of at least so
many characters; it holds for text files only). Seconds are processor time of the one thread (wall time
stands beside it), first call, with the tagger loaded and nothing in its memory: ROUGE-1/2/L/Lsum (F, recall,
precision), BLEU with its precisions, chrF, METEOR, cosine_tfidf_jamo, exact match, F1. Memory is the resident set of
the process: at its peak while 10,000 and 100,000 pairs are scored (made by repeating the words of the real
ones in another order where the files hold too few), and after each of several rounds over the same pairs, where
it must not grow.
"""

import argparse
import json
import os
import platform
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from texts import Pair, real_pairs

from bitsft.metrics import (
    Score,
    bleu,
    char_f1,
    chrf,
    cosine_similarity,
    exact_match,
    meteor,
    rouge,
)
from bitsft.metrics.rouge_scores import ROUGE_TYPES
from bitsft.metrics.tokenizers import mecab

METRICS: dict[str, Callable[[list[str], list[str]], dict[str, Score]]] = {
    "rouge": lambda found, expected: rouge(
        found, expected, rouge_types=ROUGE_TYPES, measures=("f", "recall", "precision")
    ),
    "bleu": lambda found, expected: bleu(found, expected, precisions=True),
    "chrf": chrf,
    "meteor": meteor,
    "cosine_tfidf_jamo": cosine_similarity,
    "exact_match": exact_match,
    "char_f1": char_f1,
}


def read(sources: list[str], number: int, shortest: int) -> list[Pair]:
    """`number` pairs, the same share of each file; missing ones are made of the words of those there."""
    each = -(-number // len(sources))
    rng = random.Random(0)
    pairs: list[Pair] = []
    for source in sources:
        part = real_pairs(source, each, shortest if "," not in source else 1)
        real = len(part)
        while len(part) < each:
            found, expected = part[rng.randrange(real)]
            part.append((shuffled(found, rng), shuffled(expected, rng)))
        pairs.extend(part)
    return pairs[:number]


def shuffled(text: str, rng: random.Random) -> str:
    words = text.split()
    rng.shuffle(words)
    return " ".join(words)


def resident_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise OSError("/proc/self/status has no VmRSS; this benchmark needs Linux")


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(pairs: list[Pair], rounds: int) -> dict[str, Any]:
    """Seconds of each metric in the first round; memory after each round."""
    for function in METRICS.values():  # imports and the dictionary
        function(["하나"], ["둘"])
    mecab()("셋")
    found, expected = map(list, zip(*pairs, strict=True))
    before = resident_mb()
    after, seconds, wall = [], {}, 0.0
    for number in range(rounds):
        for name, function in METRICS.items():
            start, clock = time.process_time(), time.perf_counter()
            function(found, expected)
            if number == 0:
                seconds[name] = round(time.process_time() - start, 2)
                wall += time.perf_counter() - clock
        after.append(round(resident_mb(), 1))
    return {
        "pairs": len(pairs),
        "characters_of_a_text": round(sum(map(len, found + expected)) / (2 * len(pairs)), 1),
        "seconds": seconds,
        "seconds_together": round(sum(seconds.values()), 2),
        "wall_seconds_together": round(wall, 2),
        "resident_mb_before": round(before, 1),
        "resident_mb_after_each_round": after,
        "peak_mb": round(peak_mb(), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--real", action="append", required=True, metavar="PATH[,COLUMN,COLUMN]")
    parser.add_argument("--pairs", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--shortest", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5, help="over the first number of pairs")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        rounds = arguments.rounds if arguments.worker == arguments.pairs[0] else 1
        pairs = read(arguments.real, arguments.worker, arguments.shortest)
        print(json.dumps(measure(pairs, rounds)))
        return

    report: dict[str, Any] = {
        "processor": platform.processor() or platform.machine(),
        "threads": 1,
        "load_average_at_start": os.getloadavg(),
        "python": platform.python_version(),
        "packages": {
            name: version(name) for name in ("rouge-score", "sacrebleu", "mecab-ko", "numpy")
        },
        "files": [Path(source.split(",")[0]).name for source in arguments.real],
        "runs": [],
    }
    for number in arguments.pairs:  # each in a process of its own, for its peak
        done = subprocess.run(
            [sys.executable, *sys.argv, "--worker", str(number)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        run = json.loads(done.stdout.splitlines()[-1])
        report["runs"].append(run)
        print(json.dumps(run, indent=1), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
