"""The study's rows, from public files: three tasks, a text of another kind than the base's, and the base's own.

    nsmc    the sentiment of a film review, 부정 or 긍정    NSMC (https://github.com/e9t/nsmc, CC0)
    sae4k   a spoken request -> one phrase                 sae4k (https://github.com/warnikchow/sae4k, CC BY-SA 4.0)
    raft    does a statement hold? 예 or 아니오, with a     KoBEST BoolQ (https://huggingface.co/datasets/skt/kobest_v1,
            quote from the paragraph among distractors      CC BY-SA 4.0), made RAFT rows by `bitsft.data.build_raft`

Held out: NSMC and KoBEST by their own splits (a KoBEST paragraph of a test set is not trained on), requests of sae4k by a
hash of their text. `validation` chooses learning rates, `test` is measured once a run. Prompts are those of bitsft's formatters.

A RAFT row shows the paragraph and 0, 2 or 4 others. Half of the training rows have a chain of thought, which quotes the
stretch of at most QUOTE characters of the paragraph that has most of the statement's character pairs (the data has no
quotes of its own); the other half ask for the verdict alone, in other words. Paragraphs longer than PARAGRAPH
characters are left out, so that five fit into the base's 512 tokens.

The text is requests with their phrases, and KoBEST's paragraphs with their statements, a line each, shuffled.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bitsft.data import Ledger, build_raft, format_raft, format_record, read_rows
from bitsft.data.common.atomic import atomic_path
from bitsft.data.common.hashing import stable_hash
from bitsft.data.common.seeded import generator
from bitsft.data.raft_builder.bm25 import character_pairs
from bitsft.data.raft_notation import BEGIN_QUOTE, END_QUOTE
from quality.sizes import Sizes

TASKS = ("nsmc", "sae4k", "raft")
DISTRACTORS = (0, 2, 4)
KEPT = ("question", "context", "answer", "oracle_context")
LABELS = {0: "부정", 1: "긍정"}
VERDICTS = {"true": "예", "false": "아니오"}
VERDICT_ALONE = "아래 문서를 참고하여 예 또는 아니오로만 답하세요."
PARAGRAPH, QUOTE = 150, 40  # characters
SPLITS = ("train", "validation", "test")

Data = dict[str, Any]


def load_or_prepare(folder: Path, sources: dict[str, Path], sizes: Sizes) -> Data:
    """The study's data; made once, so that every run of a folder sees the same rows.

    Args:
        folder: Where data.json lies or is to be written.
        sources: `base`, `nsmc` (folders), `sae4k` (a file), `boolq` (a folder).
        sizes: Of the study.

    Returns:
        `{"train" | "validation" | "test": {task: rows}, "text": {split: lines}, "base_text": texts, "about": …}`;
        rows have `prompt` and `completion`, of a test what the scores need, too.

    Raises:
        ValueError: The folder's data was made from other files or in other sizes.
    """
    about = {"sizes": asdict(sizes), "files": _fingerprints(sources)}
    path = folder / "data.json"
    if path.exists():
        data: Data = json.loads(path.read_text(encoding="utf-8"))
        given = {name: data["about"][name] for name in about}
        if given != about:
            raise ValueError(
                f"{path} was made from other files or in other sizes: {given}, not {about}. Give another --out, or "
                "delete that folder."
            )
        return data
    data = _prepare(sources, sizes)
    data["about"] = {**about, "rows": _counts(data)}
    with atomic_path(path) as new:
        new.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    return data


def _prepare(sources: dict[str, Path], sizes: Sizes) -> Data:
    requests = list(_requests(sources["sae4k"]))
    questions = {split: _questions(sources["boolq"], split) for split in SPLITS}
    unseen = {row["context"] for split in SPLITS[1:] for row in questions[split]}
    questions["train"] = [row for row in questions["train"] if row["context"] not in unseen]
    wanted = {
        "train": (sizes.train_rows, sizes.train_rows, sizes.raft_questions),
        "validation": (sizes.loss_rows,) * 3,
        "test": (sizes.nsmc_test, sizes.sae4k_test, sizes.raft_test),
    }
    data: Data = {}
    for split in SPLITS:
        nsmc, sae4k, raft = wanted[split]
        data[split] = {
            "nsmc": list(_sentiment(sources["nsmc"] / f"sentiment_{split}.jsonl", nsmc)),
            "sae4k": [_formatted(row) for row in requests if _split_of(row["document"]) == split][
                :sae4k
            ],
            "raft": _raft(questions[split], raft, is_test=split == "test"),
        }
    data["text"] = {
        split: _shuffled(
            [
                f"{row['document']} → {row['summary']}"
                for row in requests
                if _split_of(row["document"]) == split
            ]
            + [f"{row['context']} {row['question']}" for row in questions[split]]
        )
        for split in SPLITS
    }
    lines = read_rows(sources["base"] / "held_out.jsonl")
    data["base_text"] = _shuffled([row["text"] for row in lines])
    return data


def _sentiment(path: Path, most: int) -> Iterator[dict[str, str]]:
    for number, row in enumerate(read_rows(path)):
        if number == most:
            return
        label = LABELS[row["label"]]
        record = {"task": "classification", "text": row["document"], "label": label}
        yield {**_formatted(record), "label": label}


def _requests(path: Path) -> Iterator[dict[str, str]]:
    for row in read_rows(path, header=["document", "summary", "class"]):
        yield {
            "task": "summarization",
            "document": row["document"].strip(),
            "summary": row["summary"].strip(),
        }


def _split_of(text: str) -> str:
    place = stable_hash(text) % 20
    return "test" if place == 0 else "validation" if place == 1 else "train"


def _questions(folder: Path, split: str) -> list[dict[str, str]]:
    """KoBEST BoolQ's rows as rows for `build_raft`: question, context, answer."""
    name = {"train": "train", "validation": "dev", "test": "test"}[split]
    rows = []
    for row in read_rows(folder / f"{name}.tsv"):
        paragraph = " ".join(row["Text"].split())
        statement = " ".join(row["Question"].split())
        rows.append(
            {
                "question": statement,
                "context": paragraph,
                "answer": VERDICTS[row["Answer"].strip().lower()],
            }
        )
    return rows


def _quote(paragraph: str, statement: str) -> str:
    """The stretch of whole words, at most QUOTE characters, that has most of the statement's character pairs."""
    words, wanted = paragraph.split(), set(character_pairs(statement))
    stretches = []
    for start in range(len(words)):
        end = start + 1
        while end < len(words) and len(" ".join(words[start : end + 1])) <= QUOTE:
            end += 1
        stretches.append(" ".join(words[start:end])[:QUOTE])
    # Of equal ones the last: it begins with a word that counts.
    return max(reversed(stretches), key=lambda text: len(wanted & set(character_pairs(text))))


def _raft(questions: Sequence[dict[str, str]], most: int, *, is_test: bool) -> list[dict[str, Any]]:
    """RAFT rows: of a test each question with every number of distractors, else with one that its hash decides.

    A test's rows ask with a chain of thought, and have the `verdict_prompt` that asks without.
    """
    short = [row for row in questions if len(row["context"]) <= PARAGRAPH][:most]
    for row in short:
        quote = _quote(row["context"], row["question"])
        row["cot"] = f"{BEGIN_QUOTE}{quote}{END_QUOTE}"
    documents = [row["context"] for row in questions if len(row["context"]) <= PARAGRAPH]
    made = []
    for number, distractors in enumerate(DISTRACTORS):
        chosen = [row for row in short if is_test or stable_hash(row["question"]) % 3 == number]
        with Ledger(None, strict=True) as ledger:
            for record in build_raft(
                documents,
                chosen,
                ledger=ledger,
                distractors=distractors,
                p=1.0,
            ):
                alone = dict(format_raft(record.values, instruction=VERDICT_ALONE, with_cot=False))
                row = dict(format_raft(record.values))
                if is_test:
                    row["verdict_prompt"] = alone["prompt"]
                    row |= {name: record.values[name] for name in KEPT}
                elif stable_hash("verdict alone", record.values["question"]) % 2:
                    row = alone
                made.append({**row, "distractors": distractors})
    return made


def _formatted(record: dict[str, Any]) -> dict[str, str]:
    return dict(format_record(record))


def _shuffled(texts: list[str]) -> list[str]:
    generator("quality study", len(texts)).shuffle(texts)
    return texts


def _fingerprints(sources: dict[str, Path]) -> dict[str, str]:
    """A hash of each file that is read."""
    files = {
        "held_out": sources["base"] / "held_out.jsonl",
        "sae4k": sources["sae4k"],
        **{f"nsmc_{split}": sources["nsmc"] / f"sentiment_{split}.jsonl" for split in SPLITS},
        **{
            f"boolq_{split}": sources["boolq"] / f"{split}.tsv"
            for split in ("train", "dev", "test")
        },
    }
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()[:16] for name, path in files.items()
    }


def _counts(data: Data) -> dict[str, Any]:
    """What docs/quality.md says of the rows, and how often the more frequent answer of a test set is right."""
    test = data["test"]

    def majority(values: list[str]) -> float:
        return max(values.count(value) for value in values) / len(values)

    return {
        **{f"{split}_{task}": len(data[split][task]) for split in SPLITS for task in TASKS},
        "majority_nsmc": majority([row["label"] for row in test["nsmc"]]),
        "majority_raft": majority([row["answer"] for row in test["raft"]]),
    }
