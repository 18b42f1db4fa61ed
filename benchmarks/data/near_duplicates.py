"""Near duplicates of a million short rows: rows/s, the peak memory of all processes, recall of planted ones.

    python benchmarks/data/near_duplicates.py
    python benchmarks/data/near_duplicates.py --parquet reviews.parquet --column document

Without a file the rows are made: sentences of 3 to 9 of 5,000 invented Hangul words, with word frequencies
as Zipf has them, and an ending. One row in ten is a planted variant of one of the last 10,000 rows: spaced
otherwise, with other punctuation, another ending, or one or two syllables replaced. A variant whose exact Jaccard
similarity to its original is at least the threshold is to be found; recall is the share of these that
are in one cluster with it. Precision is the share of links between two rows of one origin; the other links
are sentences that came out alike by chance, and they too have the stated similarity.

The rows are made or read while they are sketched, so their time is in the total; `making_seconds` says
what making them alone takes. Memory is the sum of the resident sets of this process and its
children, looked at ten times a second (Linux); pages that they share are counted for each.
"""

import argparse
import json
import os
import platform
import random
import threading
import time
from collections import deque
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from bitsft.data.duplicates import near_duplicates, normal_form
from bitsft.data.duplicates.gram_hashes import gram_set
from bitsft.data.duplicates.near import NUM_PERM, THRESHOLD

ENDINGS = ("어요", "습니다", "네요", "다", "지요", "나요?", "어", "을까?")
VARIANTS = 0.1
RECENT = 10_000


def jaccard(first: str, second: str) -> float:
    a, b = (gram_set(normal_form(text, punctuation=False), 3) for text in (first, second))
    return len(a & b) / len(a | b)


class MadeRows:
    """The made sentences; `planted` and `origin` are complete when they have been gone through."""

    def __init__(self, rows: int, seed: int) -> None:
        self.rows = rows
        self.seed = seed
        self.planted: list[tuple[int, int]] = []
        self.origin: list[int] = []

    def __iter__(self) -> Iterator[str]:
        rng = random.Random(self.seed)
        syllables = [chr(rng.randrange(0xAC00, 0xD7A4)) for _ in range(600)]
        words = ["".join(rng.choices(syllables, k=rng.randint(1, 4))) for _ in range(5000)]
        weights = [1 / (rank + 10) for rank in range(len(words))]
        drawn: list[str] = []
        recent: deque[tuple[int, list[str], str]] = deque(maxlen=RECENT)
        self.planted, self.origin = [], []
        for index in range(self.rows):
            if recent and rng.random() < VARIANTS:
                first, sentence, ending = recent[rng.randrange(len(recent))]
                text = self._variant(sentence, ending, rng, syllables)
                self.origin.append(first)
                if jaccard(" ".join(sentence) + ending, text) >= THRESHOLD:
                    self.planted.append((first, index))
            else:
                if len(drawn) < 16:
                    drawn = rng.choices(words, weights, k=100_000)
                length = rng.randint(3, 9)
                sentence, ending = drawn[-length:], rng.choice(ENDINGS)
                del drawn[-length:]
                recent.append((index, sentence, ending))
                self.origin.append(index)
                text = " ".join(sentence) + ending
            yield text

    @staticmethod
    def _variant(sentence: list[str], ending: str, rng: random.Random, syllables: list[str]) -> str:
        kind = rng.randrange(4)
        if kind == 0:
            return "".join(sentence) + ending
        if kind == 1:
            return " ".join(sentence) + ending + rng.choice(("!", "..", "~", " ?"))
        if kind == 2:
            return " ".join(sentence) + rng.choice(ENDINGS)
        characters = list(" ".join(sentence))
        for _ in range(rng.randint(1, 2)):
            characters[rng.randrange(len(characters))] = rng.choice(syllables)
        return "".join(characters) + ending


def read_column(path: Path, column: str, rows: int) -> Iterator[str]:
    import pyarrow.parquet as pq

    given = 0
    for batch in pq.ParquetFile(path).iter_batches(columns=[column]):
        for text in batch.column(0).to_pylist():
            if given == rows:
                return
            given += 1
            yield text or ""


class PeakMemory:
    """The greatest sum of the resident sets of this process and its children, in MB."""

    def __init__(self) -> None:
        self.megabytes = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        own = os.getpid()
        while not self._done.wait(0.1):
            resident = sum(self._resident(process) for process in (own, *self._children(own)))
            self.megabytes = max(self.megabytes, resident / 1e6)

    @staticmethod
    def _children(process: int) -> list[int]:
        found = []
        for task in Path(f"/proc/{process}/task").iterdir():
            try:
                found += [int(child) for child in (task / "children").read_text().split()]
            except FileNotFoundError:  # the thread has ended
                continue
        return found

    @staticmethod
    def _resident(process: int) -> int:
        try:
            pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
        except (FileNotFoundError, ProcessLookupError):
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE")


def machine() -> dict[str, object]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.machine(),
        "cores": os.cpu_count(),
        "load_average_at_start": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ("numpy", "datasketch")},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--parquet", type=Path)
    parser.add_argument("--column", default="document")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()

    result: dict[str, object] = {
        "machine": machine(),
        "processes": options.processes,
        "threshold": THRESHOLD,
        "num_perm": NUM_PERM,
    }
    made = None if options.parquet else MadeRows(options.rows, options.seed)
    texts = made or read_column(options.parquet, options.column, options.rows)
    with PeakMemory() as peak:
        start = time.perf_counter()
        clusters = near_duplicates(texts, processes=options.processes)
        seconds = time.perf_counter() - start
    rows = len(clusters.labels)
    result |= {
        "rows": rows,
        "seconds": round(seconds, 1),
        "rows_per_second": round(rows / seconds),
        "peak_megabytes": round(peak.megabytes),
        "clusters": clusters.count,
        "duplicates": clusters.duplicates,
    }
    if made is None:
        result["source"] = f"{options.parquet.name}, column {options.column}"
    else:
        found = sum(clusters.labels[a] == clusters.labels[b] for a, b in made.planted)
        related = sum(made.origin[a] == made.origin[b] for a, b in clusters.pairs.tolist())
        result |= {
            "source": f"made, seed {options.seed}",
            "planted_at_the_threshold": len(made.planted),
            "recall": round(float(found) / len(made.planted), 5),
            "precision": round(related / len(clusters.pairs), 5),
        }
        start = time.perf_counter()
        for _ in made:
            pass
        result["making_seconds"] = round(time.perf_counter() - start, 1)
    text = json.dumps(result, ensure_ascii=False, indent=2) + "\n"
    options.out.write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
