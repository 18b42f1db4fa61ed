"""A small ternary model before and after fine-tuning on two real Korean tasks: what docs/studies.md shows.

    python benchmarks/evaluation/before_after.py --nsmc nsmc/ --chat ChatbotData.csv --sae4k sae4k_v1.tsv --out study/
    bitsft compare study/base study/tuned study/test.jsonl --out study/comparison --max-new-tokens 40

Three trainings, each leaving a packed ternary model and its run.json; one that is there already is not repeated:

    reader   a Llama (4.4 M parameters), from random weights, ternary from the first step, reads film reviews (NSMC, CC0)
    base     the reader learns to answer small talk (songys/Chatbot_data, MIT): a model that talks, and knows no task
    tuned    the base learns two tasks at once: the sentiment of a review (NSMC), and a spoken request in one phrase
             (sae4k, CC BY-SA 4.0)

Requests are held out by a hash of their text, so that no request is on both sides; NSMC's test set is disjoint from the
reviews that are read and from its training set.

nsmc/ holds reviews.parquet (`document`), sentiment_train.jsonl and sentiment_test.jsonl (`document`, `label` 0 or 1), made
from the raw reviews of https://github.com/e9t/nsmc: without duplicates, 1 for ratings of 9 and 10, 0 for 1 to 4, balanced.
"""

import argparse
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset

from bitsft import DiagnosisCallback, TernarySFTConfig, TernarySFTTrainer
from bitsft.data import format_record, read_rows
from bitsft.data.common.hashing import stable_hash
from bitsft.scratch import new_llama, train_tokenizer

LABELS = {0: "부정", 1: "긍정"}
COMMON: dict[str, Any] = {
    "max_length": 128,
    "learning_rate": 2e-3,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 50,
    "adam_beta2": 0.95,
    "gradient_checkpointing": False,
    "save_strategy": "no",
    "logging_steps": 50,
    "report_to": "none",
    "use_cpu": True,
    "bf16": True,
}


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nsmc", type=Path, required=True, help="the folder described above")
    parser.add_argument("--chat", type=Path, required=True, help="ChatbotData.csv")
    parser.add_argument("--sae4k", type=Path, required=True, help="sae4k_v1.tsv")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--reviews", type=int, default=150_000, help="that the base reads, once")
    parser.add_argument("--test-rows", type=int, default=1000, help="of each task")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=42)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.out.mkdir(parents=True, exist_ok=True)

    train, test = tasks(arguments.nsmc, arguments.sae4k, arguments.test_rows)
    write_jsonl(train, arguments.out / "train.jsonl")
    write_jsonl(test, arguments.out / "test.jsonl")
    talk = [
        {"task": "koalpaca", "instruction": row["Q"], "output": row["A"]}
        for row in read_rows(arguments.chat)
    ]
    for name, make in (
        ("reader", lambda folder: read_reviews(folder, arguments, [*talk, *train])),
        ("base", lambda folder: fine_tune(folder, arguments, "reader", talk, epochs=2)),
        ("tuned", lambda folder: fine_tune(folder, arguments, "base", train, epochs=1)),
    ):
        folder = arguments.out / name
        if (folder / "config.json").exists():
            print(f"{folder} is there already")
            continue
        started = time.monotonic()
        make(folder)
        print(f"{name}: {(time.monotonic() - started) / 60:.1f} minutes")


def tasks(nsmc: Path, sae4k: Path, test_rows: int) -> tuple[list[dict], list[dict]]:
    """Training and test rows of both tasks, checked rows of `classification` and `summarization`."""
    train = list(sentiment(nsmc / "sentiment_train.jsonl"))
    test = list(sentiment(nsmc / "sentiment_test.jsonl"))[:test_rows]
    held_out = []
    for row in read_rows(sae4k, header=["document", "summary", "class"]):
        request = {
            "task": "summarization",
            "document": row["document"].strip(),
            "summary": row["summary"].strip(),
        }
        (held_out if stable_hash(request["document"]) % 20 == 0 else train).append(request)
    return train, test + held_out[:test_rows]


def sentiment(path: Path) -> Iterator[dict[str, str]]:
    for row in read_rows(path):
        yield {
            "task": "classification",
            "text": row["document"],
            "label": LABELS[row["label"]],
        }


def read_reviews(folder: Path, arguments: argparse.Namespace, rows: list[dict]) -> None:
    """Language modelling on reviews; the tokenizer has seen some of the rows to come, too."""
    reviews = Dataset.from_parquet(str(arguments.nsmc / "reviews.parquet"))
    reviews = reviews.select(range(arguments.reviews)).select_columns(["document"])
    prompts = (format_record(row) for row in rows[:: len(rows) // 5000])
    texts = [row["prompt"] + row["completion"] for row in prompts]
    tokenizer = train_tokenizer([*reviews[:50_000]["document"], *texts], vocab_size=4000)
    model = new_llama(tokenizer, max_length=256, initializer_range=256**-0.5)
    config = TernarySFTConfig(
        str(folder),
        num_train_epochs=1,
        per_device_train_batch_size=16,
        packing=True,
        packing_strategy="wrapped",
        dataset_text_field="document",
        seed=arguments.seed,
        **COMMON,
    )
    trainer = TernarySFTTrainer(model, config, train_dataset=reviews, processing_class=tokenizer)
    trainer.train()
    trainer.save_model()


def fine_tune(
    folder: Path, arguments: argparse.Namespace, start: str, rows: list[dict], epochs: int
) -> None:
    """Rows of any tasks, all at once."""
    dataset = Dataset.from_list([dict(format_record(row)) for row in rows])
    config = TernarySFTConfig(
        str(folder),
        num_train_epochs=epochs,
        per_device_train_batch_size=32,
        seed=arguments.seed,
        **COMMON,
    )
    trainer = TernarySFTTrainer(
        str(arguments.out / start),
        config,
        train_dataset=dataset,
        callbacks=[DiagnosisCallback()],
    )
    trainer.train()
    trainer.save_model()


def write_jsonl(rows: list[dict], path: Path) -> None:
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
