"""Rows a second of check, clean and exact duplicates on one core, and the memory of reading to writing.

    python benchmarks/data/pipeline.py
    python benchmarks/data/pipeline.py --rows 20000 --sizes 10000 20000 --rounds 2     # short

Rows are short instruction rows (`instruction`, `output`; 20 to 60 Korean characters each), made from words
with a fixed seed: one in fifty has something to clean, one in a hundred repeats an earlier row. Speed: the
stages alone and together, `--rounds` times in turns, median and quartiles, in one process with one thread.
Memory: JSONL -> read -> check -> clean -> write in a process of its own for each size; peak resident memory,
and the same for a process that only imports. Constant means: it does not grow with the rows.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import quantiles
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "cpu"))
from machine import describe_machine

from bitsft.data.check import check_records
from bitsft.data.clean import clean_records
from bitsft.data.duplicates import drop_exact_duplicates
from bitsft.data.ledger import Ledger
from bitsft.data.read import read_records
from bitsft.data.records import Record
from bitsft.data.write import write_records

WORDS = [
    "오늘",
    "내일",
    "서울",
    "부산",
    "날씨",
    "음식",
    "영화",
    "음악",
    "여행",
    "공부",
    "회사",
    "친구",
    "가족",
    "아침",
    "저녁",
    "커피",
    "책상",
    "컴퓨터",
    "전화",
    "버스",
    "지하철",
    "공원",
    "바다",
    "산책",
    "운동",
    "건강",
    "병원",
    "약국",
    "시장",
    "가게",
    "옷",
    "신발",
    "모자",
    "선물",
    "생일",
    "계획",
    "약속",
    "시간",
    "장소",
    "방법",
    "이유",
    "질문",
    "대답",
    "설명",
    "예시",
    "문제",
    "해결",
    "추천",
]
ENDINGS = ("어떻게 하나요?", "알려 주세요.", "추천해 줘", "무엇인가요?", "왜 그런가요?")
ODD = (
    "ㅋㅋㅋㅋㅋㅋ",
    "전화는 010-1234-5678 입니다.",
    "  두  칸  ",
    "좋아요!!!!!!",
    "\u200b보이지 않는 글자",
)


def make_rows(count: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """Yield short rows, some to clean, some repeated."""
    draw = random.Random(seed)
    recent: list[dict[str, str]] = []
    for number in range(count):
        if number % 100 == 99:
            yield dict(draw.choice(recent))
            continue
        question = " ".join(draw.choices(WORDS, k=draw.randint(4, 10)))
        answer = " ".join(draw.choices(WORDS, k=draw.randint(5, 14))) + "입니다."
        if number % 50 == 49:
            answer += " " + draw.choice(ODD)
        row = {"instruction": f"{question} {draw.choice(ENDINGS)}", "output": answer}
        recent = [*recent[-99:], row]
        yield row


def speed(rows: int, rounds: int) -> dict[str, Any]:
    """Time each stage on records that the stage before it made, and all three in one chain."""
    raw = [Record(row, "made", number) for number, row in enumerate(make_rows(rows))]
    checked = list(check_records(raw, "koalpaca", ledger=Ledger()))
    cleaned = list(clean_records(checked, ledger=Ledger()))
    ledgers: list[Ledger] = []

    def together() -> int:
        ledger = Ledger()
        ledgers.append(ledger)
        records = clean_records(check_records(raw, "koalpaca", ledger=ledger), ledger=ledger)
        return sum(1 for _ in drop_exact_duplicates(records, ledger=ledger))

    stages: dict[str, Callable[[], int]] = {
        "check": lambda: sum(1 for _ in check_records(raw, "koalpaca", ledger=Ledger())),
        "clean": lambda: sum(1 for _ in clean_records(checked, ledger=Ledger())),
        "exact duplicates": lambda: sum(1 for _ in drop_exact_duplicates(cleaned, ledger=Ledger())),
        "together": together,
    }
    seconds: dict[str, list[float]] = {name: [] for name in stages}
    for _ in range(rounds):
        for name, stage in stages.items():
            start = time.process_time()
            stage()
            seconds[name].append(time.process_time() - start)
    report = {}
    for name, times in seconds.items():
        low, median, high = quantiles(times, n=4)
        report[name] = {
            "rows_per_second": round(rows / median),
            "quartiles": [round(rows / high), round(rows / low)],
            "microseconds_per_row": round(median / rows * 1e6, 2),
        }
    report["rejected"] = {" ".join(key): n for key, n in ledgers[-1].rejections.items()}
    report["changed"] = {kind: change.rows for (_, kind), change in ledgers[-1].changes.items()}
    return report


def memory(rows: int, folder: Path) -> dict[str, Any]:
    """Peak resident memory of a process that streams `rows` rows from a file to a file; 0 rows: only imports."""
    source, target = folder / f"{rows}.jsonl", folder / f"{rows}.clean.jsonl"
    with source.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in make_rows(rows))
    done = subprocess.run(
        [sys.executable, __file__, "--stream", str(source), str(target)],
        capture_output=True,
        text=True,
        check=True,
    )
    report = json.loads(done.stdout)
    report |= {"rows": rows, "file_mb": round(source.stat().st_size / 1e6, 1)}
    for path in (source, target):
        path.unlink(missing_ok=True)
    return report


def stream(source: Path, target: Path) -> None:
    """Read, check, clean and write one file; print the time and the peak memory."""
    start = time.perf_counter()
    with Ledger(target.with_suffix(".rejected")) as ledger:
        if source.stat().st_size:
            records = read_records(source, ledger=ledger)
            records = check_records(records, "koalpaca", ledger=ledger)
            write_records(clean_records(records, ledger=ledger), target, ledger=ledger)
    ledger.check_balance()
    # Not getrusage: its peak starts with that of the process that started this one.
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
    print(json.dumps({"seconds": round(time.perf_counter() - start, 2), "peak_mb": round(peak, 1)}))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000, 3_000_000]
    )
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--stream", type=Path, nargs=2, help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    if parsed.stream:
        stream(*parsed.stream)
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    report: dict[str, Any] = {
        "machine": describe_machine(threads=1),
        "rows": parsed.rows,
        "rounds": parsed.rounds,
    }
    report["speed"] = speed(parsed.rows, parsed.rounds)
    for name, figures in report["speed"].items():
        if "rows_per_second" in figures:
            print(
                f"{name:18} {figures['rows_per_second']:>10,} rows/s  {figures['microseconds_per_row']} µs a row"
            )
    with tempfile.TemporaryDirectory() as folder:
        report["memory"] = [memory(size, Path(folder)) for size in (0, *parsed.sizes)]
    for figures in report["memory"]:
        print(
            f"{figures['rows']:>10,} rows, {figures['file_mb']:>7} MB: peak {figures['peak_mb']} MB, {figures['seconds']} s"
        )
    parsed.json.write_text(
        json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
