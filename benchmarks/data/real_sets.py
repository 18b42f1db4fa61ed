"""The whole pipeline on public Korean data sets: what is read, rejected, changed, repeated, and how it is split.

    python benchmarks/data/real_sets.py --data FOLDER        # 5 to 10 minutes

FOLDER holds, as their publishers have them (none of it is part of this project):

    chatbot_ko.csv            songys/Chatbot_data, ChatbotData.csv (MIT)
    sae4k_v1.tsv              warnikchow/sae4k, data/sae4k_v1.txt (CC BY-SA 4.0)
    kobest_boolq/*.tsv        SKT-LSL/KoBEST_datarepo, v1.0/BoolQ (CC BY-SA 4.0)
    korsts/*.tsv              kakaobrain/kor-nlu-datasets, KorSTS (CC BY-SA 4.0)
    nsmc/reviews.parquet      e9t/nsmc, raw reviews (CC0): `document`, `rating`
    nsmc/sentiment_*.jsonl    the same, 37,000 of them balanced: `document`, `label`
    msdocs_ko.txt.xz          MicrosoftDocs, Korean (CC BY 4.0), one paragraph a line

Every set goes through read, check, clean, exact and near duplicates, quality and split; the counts of the
ledger go into a JSON file, and as a table to the screen. BoolQ is made into RAFT rows besides: the paragraph
is the oracle, the statement the question, three distractors, half of them by BM25, p = 0.8.
"""

import argparse
import json
import random
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bitsft.data import (
    Ledger,
    build_raft,
    check_records,
    clean_records,
    drop_exact_duplicates,
    drop_near_duplicates,
    find_leaks,
    prepare,
    read_records,
    write_records,
)
from bitsft.data.raft_builder import RaftCounts

NEAR = 0.85
YES_NO = {"true": "예", "false": "아니오"}
SETS: dict[str, dict[str, Any]] = {
    "chatbot_ko.csv": {
        "task": "koalpaca",
        "reading": {"columns": {"instruction": "Q", "output": "A"}},
    },
    "sae4k_v1.tsv": {
        "task": "summarization",
        "reading": {"header": ["document", "summary", "class"]},
    },
    "kobest_boolq": {
        "task": "classification",
        "reading": {"columns": {"text": "Text", "text_pair": "Question", "label": "Answer"}},
        "checking": {"label_names": YES_NO},
    },
    "korsts": {
        "task": "classification",
        "reading": {"columns": {"text": "sentence1", "text_pair": "sentence2", "label": "score"}},
    },
    "nsmc/sentiment": {
        "task": "classification",
        "reading": {"columns": {"text": "document"}},
        "checking": {"label_names": {"0": "부정", "1": "긍정"}},
    },
    "nsmc/reviews.parquet": {
        "task": "classification",
        "reading": {"columns": {"text": "document", "label": "rating"}},
        "quality": False,
    },
}


def files_of(data: Path, name: str) -> list[Path]:
    if name == "nsmc/sentiment":
        return [data / f"nsmc/sentiment_{part}.jsonl" for part in ("train", "validation", "test")]
    return [data / name]


def through_the_pipeline(data: Path, name: str, folder: Path) -> dict[str, Any]:
    start = time.perf_counter()
    done = prepare(files_of(data, name), folder, near=NEAR, processes=2, report=False, **SETS[name])
    leaks = {
        f"{leak.split}/{leak.other} {leak.kind}": leak.rows
        for leak in find_leaks(
            {
                part: read_records(folder / f"{part}.parquet", ledger=Ledger())
                for part in ("train", "validation", "test")
            }
        ).leaks
    }
    return {
        "seconds": round(time.perf_counter() - start, 1),
        "counts": done.ledger.as_dict(),
        "duplicates": done.duplicates.as_dict(),
        "split": dict(done.split.rows),
        "leaks": {kind: rows for kind, rows in leaks.items() if rows},
        "labels": len(done.labels.counts),
    }


def random_split_leaks(data: Path, name: str, seed: int = 0) -> dict[str, int]:
    """What a random 80/10/10 split of the cleaned rows without exact duplicates would share with train."""
    settings, ledger = SETS[name], Ledger()
    records = read_records(files_of(data, name), **settings["reading"], ledger=ledger)
    records = check_records(
        records, settings["task"], **settings.get("checking", {}), ledger=ledger
    )
    rows = list(drop_exact_duplicates(clean_records(records, ledger=ledger), ledger=ledger))
    random.Random(seed).shuffle(rows)
    tenth = len(rows) // 10
    parts = {
        "train": rows[2 * tenth :],
        "validation": rows[:tenth],
        "test": rows[tenth : 2 * tenth],
    }
    return {
        f"{leak.split} with {leak.other}, {leak.kind}": leak.rows
        for leak in find_leaks(parts).leaks
        if leak.rows and leak.other == "train"
    }


def raft_from_boolq(data: Path, folder: Path) -> dict[str, Any]:
    start = time.perf_counter()
    columns = {"question": "Question", "context": "Text", "answer": "Answer"}
    ledger, counts = Ledger(), RaftCounts()
    records = read_records(data / "kobest_boolq/train.tsv", columns=columns, ledger=ledger)
    records = check_records(records, "raft", ledger=ledger)
    records = clean_records(records, ledger=ledger)
    records = drop_exact_duplicates(records, ledger=ledger)
    records = build_raft((), records, ledger=ledger, hard=0.5, p=0.8, counts=counts)
    write_records(records, folder / "raft.jsonl", ledger=ledger)
    ledger.check_balance()
    return {
        "seconds": round(time.perf_counter() - start, 1),
        "counts": ledger.as_dict(),
        "raft": str(counts),
        "share_with_oracle": round(counts.share_with_oracle, 4),
    }


def plain_text(data: Path) -> dict[str, Any]:
    """Paragraphs are no task of their own: each is cleaned as the text of a labelled row."""
    start = time.perf_counter()
    ledger = Ledger()
    found = read_records(data / "msdocs_ko.txt.xz", ledger=ledger)
    rows = ({**record.values, "label": "docs"} for record in found)
    own = Ledger()
    records = check_records(rows, "classification", ledger=own)
    records = clean_records(records, ledger=own)
    records = drop_exact_duplicates(records, ledger=own)
    records = drop_near_duplicates(records, ledger=own, threshold=NEAR, processes=2)
    own.count_out(sum(1 for _ in records))
    own.check_balance()
    return {"seconds": round(time.perf_counter() - start, 1), "counts": own.as_dict()}


def published_leaks(data: Path) -> dict[str, dict[str, int]]:
    """What the publishers' own splits share."""
    settings: dict[str, tuple[str, list[str]]] = {
        "kobest_boolq": ("{}.tsv", ["train", "dev", "test"]),
        "korsts": ("sts-{}.tsv", ["train", "dev", "test"]),
        "nsmc/sentiment": ("sentiment_{}.jsonl", ["train", "validation", "test"]),
    }
    found = {}
    for name, (pattern, parts) in settings.items():
        reading, checking = SETS[name]["reading"], SETS[name].get("checking", {})
        folder = data / name.split("/")[0]
        rows = {
            part: check_records(
                read_records(folder / pattern.format(part), ledger=Ledger(), **reading),
                "classification",
                ledger=Ledger(),
                **checking,
            )
            for part in parts
        }
        found[name] = {
            f"{leak.split} with {leak.other}, {leak.kind}": leak.rows
            for leak in find_leaks(rows).leaks
            if leak.rows
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"))
    parsed = parser.parse_args()
    report: dict[str, Any] = {"near": NEAR, "sets": {}}
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        steps: dict[str, Callable[[], dict[str, Any]]] = {
            set_name: lambda set_name=set_name: through_the_pipeline(
                parsed.data, set_name, scratch / "data"
            )
            for set_name in SETS
        }
        steps["kobest_boolq as RAFT"] = lambda: raft_from_boolq(parsed.data, scratch)
        steps["msdocs_ko.txt.xz"] = lambda: plain_text(parsed.data)
        for step, run in steps.items():
            report["sets"][step] = run()
            print(f"{step}: {json.dumps(report['sets'][step], ensure_ascii=False)}", flush=True)
            shutil.rmtree(scratch / "data", ignore_errors=True)
        report["published_leaks"] = published_leaks(parsed.data)
        report["random_split_leaks"] = {
            set_name: random_split_leaks(parsed.data, set_name)
            for set_name in ("chatbot_ko.csv", "kobest_boolq", "korsts", "nsmc/sentiment")
        }
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    report["peak_mb"] = round(peak, 1)
    print(json.dumps(report["published_leaks"], ensure_ascii=False), f"peak {peak:.0f} MB")
    print(json.dumps(report["random_split_leaks"], ensure_ascii=False))
    parsed.json.write_text(
        json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
