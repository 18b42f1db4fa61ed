"""Padding and waiting with batches in the order of the rows, and as `bitsft eval` plans them.

    python benchmarks/evaluation/padding.py --data sae4k_v1.txt,summarization,0,1 \
        --data nsmc.jsonl,classification,document,label --json benchmarks/evaluation/padding.json

`--data FILE,TASK,QUESTION,ANSWER`: two columns, by name in .jsonl and by number (from 0) in tab-separated files without a
header. The demo's rows that ship with bitsft are measured always. Nothing is generated: answers are taken to be as
long as the references, in tokens of a byte-level BPE of 4,000 tokens trained on the rows. `padding` and `idle` are the
shares that bitsft/evaluation/batches.py defines.
"""

import argparse
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bitsft.data.demo import load_demo_rows
from bitsft.data.tasks import TASKS
from bitsft.evaluation.batches import Work, plan_batches
from bitsft.evaluation.rows import read_data
from bitsft.scratch import train_tokenizer


def rows_of(source: str, most: int) -> tuple[str, list[dict[str, Any]]]:
    """The file's name and its rows, at most so many drawn from them."""
    path, task, question, answer = source.split(",")
    text = Path(path).read_text("utf-8-sig")
    if path.endswith(".jsonl"):
        read = [json.loads(line) for line in text.split("\n") if line]
        pairs = [(row[question], row[answer]) for row in read]
    else:
        lines = [line.split("\t") for line in text.splitlines()]
        pairs = [(line[int(question)], line[int(answer)]) for line in lines]
    if len(pairs) > most:
        pairs = random.Random(0).sample(pairs, most)
    names = TASKS[task].question[0], TASKS[task].answer[0]
    rows = [{names[0]: one, names[1]: str(other), "task": task} for one, other in pairs]
    return Path(path).name, rows


def measure(name: str, rows: Sequence[dict[str, Any]], batch: int) -> dict[str, Any]:
    """Shares of both ways."""
    questions = read_data(list(rows)).questions
    prompts = [str(question.row.prompt) for question in questions]
    references = [question.row.reference for question in questions]
    tokenizer = train_tokenizer([*prompts, *references], 4000)
    lengths = [len(ids) for ids in tokenizer(prompts)["input_ids"]]
    answers = [len(ids) + 1 for ids in tokenizer(references)["input_ids"]]  # and EOS
    in_order = [
        list(range(start, min(start + batch, len(lengths))))
        for start in range(0, len(lengths), batch)
    ]
    planned = plan_batches(lengths, [len(text) for text in references], batch_size=batch)
    found: dict[str, Any] = {"data": name, "rows": len(lengths)}
    for way, batches in (("in_order", in_order), ("planned", planned)):
        work = Work()
        for one in batches:
            work.add([lengths[row] for row in one], [answers[row] for row in one], 0.0)
        shares = work.as_dict()
        found[way] = {
            "padding": shares["padding_share"],
            "idle": shares["idle_share"],
            "batches": len(batches),
        }
    return found


def main() -> None:
    """Measure each source and print a line for it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", action="append", default=[], metavar="FILE,TASK,QUESTION,ANSWER")
    parser.add_argument("--most", type=int, default=40_000, help="rows drawn from larger files")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--json", type=Path)
    parsed = parser.parse_args()
    demo = [{**row, "task": "raft"} for row in load_demo_rows("train_raft")]
    demo += [{**row, "task": "koalpaca"} for row in load_demo_rows("train_koalpaca")]
    random.Random(0).shuffle(demo)
    sources = [rows_of(source, parsed.most) for source in parsed.data] + [("demo", demo)]
    results = []
    for name, rows in sources:
        results.append(measure(name, rows, parsed.batch))
        print(json.dumps(results[-1], ensure_ascii=False), flush=True)
    if parsed.json is not None:
        report = {"batch": parsed.batch, "results": results}
        parsed.json.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
