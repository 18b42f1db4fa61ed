"""Generation for evaluation against plain batched `generate` of the same model: tokens/s, padding, equal texts.

    python benchmarks/evaluation/throughput.py --rows 192 --json benchmarks/evaluation/throughput.json

"plain" tokenizes the rows in their order, pads each batch on the left and calls `model.generate` on it, as the
transformers documentation does. "bitsft" is `predict`, with its answers on the disk after each batch. Both write the
same number of tokens (EOS is impossible, so that a model from random weights cannot stop early), run in turn, and
take turns in going first; the median of the ratios of the runs is compared. Rows are those that ship with bitsft: short
questions and RAFT rows with documents, mixed.

A second table has each row end where its reference does (a logits processor sets EOS there), as a model that knows
its task ends: there `idle` is what rows cost that wait for the longest of their batch.
"""

import argparse
import json
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from transformers import LogitsProcessor, LogitsProcessorList

from bitsft import replace_linear_with_bitlinear
from bitsft.data.demo import load_demo_rows
from bitsft.evaluation.batches import Work
from bitsft.evaluation.models import LoadedModel
from bitsft.evaluation.predict import encode_questions, predict
from bitsft.evaluation.rows import read_data
from bitsft.scratch import new_llama, train_tokenizer

SIZES = {
    "tiny": {"hidden_size": 64, "layers": 2},
    "5M": {"hidden_size": 256, "layers": 5},
    "20M": {"hidden_size": 512, "layers": 5},
}
BATCH = 16
NEW_TOKENS = 24


class EndAt(LogitsProcessor):
    """Ends each row of a batch after its own number of tokens; before that EOS is impossible."""

    def __init__(self, eos: int, pad: int) -> None:
        self.eos, self.pad = eos, pad
        self.lengths: dict[tuple[int, ...], int] = {}
        self.width: int | None = None
        self.ends: list[int] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        if self.width is None:
            self.width = input_ids.shape[1]
            self.ends = [self.lengths[_key(row, self.pad)] for row in input_ids.tolist()]
        done = input_ids.shape[1] - self.width + 1
        scores[:, self.eos] = -float("inf")
        for line, end in enumerate(self.ends):
            if done >= end:
                scores[line] = -float("inf")
                scores[line, self.eos] = 0
        return scores


def _key(ids: list[int], pad: int) -> tuple[int, ...]:
    start = next(at for at, token in enumerate(ids) if token != pad)
    return tuple(ids[start:])


def plain(model: Any, tokenizer: Any, prompts: list[str], options: dict[str, Any]) -> list[str]:
    """Batched generation as the documentation of transformers has it."""
    tokenizer.padding_side = "left"
    texts = []
    for start in range(0, len(prompts), BATCH):
        inputs = tokenizer(prompts[start : start + BATCH], return_tensors="pt", padding=True)
        output = model.generate(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            do_sample=False,
            max_new_tokens=NEW_TOKENS,
            **options,
        )
        new = output[:, inputs["input_ids"].shape[1] :]
        texts += tokenizer.batch_decode(new, skip_special_tokens=True)
    return texts


def measure(
    name: str, ternary: bool, rows: list[dict[str, Any]], tokenizer: Any, runs: int, ends: bool
) -> dict[str, Any]:
    """Both ways in turn on one model."""
    model = new_llama(tokenizer, heads=4, max_length=1024, initializer_range=0.05, **SIZES[name])
    if ternary:
        replace_linear_with_bitlinear(model)
    model.eval()
    loaded = LoadedModel(model, tokenizer, name, "ternary" if ternary else "dense", "float32", "")
    data = read_data(rows)
    encoded = encode_questions(loaded, data.questions, max_new_tokens=NEW_TOKENS)
    prompts = [str(question.row.prompt) for question in data.questions]
    end = EndAt(tokenizer.eos_token_id, tokenizer.pad_token_id)
    for ids, question in zip(encoded.ids, data.questions, strict=True):
        answer = tokenizer(" " + question.row.reference)["input_ids"]
        end.lengths[tuple(ids)] = min(len(answer) + 1, NEW_TOKENS) if ends else NEW_TOKENS + 1
    options = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    generate = model.generate

    def fresh(*args: Any, **kwargs: Any) -> Any:
        end.width = None  # of each batch anew
        kwargs["logits_processor"] = LogitsProcessorList(
            [*(kwargs.pop("logits_processor", None) or []), end]
        )
        return generate(*args, **kwargs)

    model.generate = fresh
    speeds: dict[str, list[float]] = {"plain": [], "bitsft": []}
    texts: dict[str, list[str]] = {}
    work = Work()
    tokens = 0
    for run in range(runs + 1):  # the first one warms up
        for way in ("plain", "bitsft") if run % 2 else ("bitsft", "plain"):
            with tempfile.TemporaryDirectory() as folder, torch.no_grad():
                began = time.perf_counter()
                if way == "plain":
                    texts[way] = plain(model, tokenizer, prompts, options)
                else:
                    answers, work = predict(
                        loaded,
                        encoded,
                        folder=Path(folder),
                        terms={},
                        max_new_tokens=NEW_TOKENS,
                        batch_size=BATCH,
                    )
                    texts[way] = [answer.prediction for answer in answers]
                    tokens = sum(answer.tokens for answer in answers)
                seconds = time.perf_counter() - began
            if run:
                speeds[way].append(
                    tokens / seconds if tokens else len(prompts) * NEW_TOKENS / seconds
                )
    plain_work = Work()
    counts = {
        question.number: len(ids) for question, ids in zip(data.questions, encoded.ids, strict=True)
    }
    written = [min(end.lengths[tuple(ids)], NEW_TOKENS) for ids in encoded.ids]
    lengths = list(counts.values())
    for start in range(0, len(lengths), BATCH):
        plain_work.add(lengths[start : start + BATCH], written[start : start + BATCH], 1.0)
    medians = {way: round(statistics.median(found), 1) for way, found in speeds.items()}
    ratios = [b / a for a, b in zip(speeds["plain"], speeds["bitsft"], strict=True)]
    return {
        "model": name,
        "parameters": sum(p.numel() for p in model.parameters()),
        "kind": loaded.kind,
        "answers_end": "at the reference's length" if ends else f"after {NEW_TOKENS} tokens",
        "rows": len(prompts),
        "tokens_per_second": medians,
        "ratio": round(statistics.median(ratios), 3),
        "padding_share": {
            "plain": plain_work.as_dict()["padding_share"],
            "bitsft": work.as_dict()["padding_share"],
        },
        "idle_share": {
            "plain": plain_work.as_dict()["idle_share"],
            "bitsft": work.as_dict()["idle_share"],
        },
        "equal_texts": round(
            sum(a == b for a, b in zip(texts["plain"], texts["bitsft"], strict=True))
            / len(prompts),
            4,
        ),
    }


def main() -> None:
    """Measure all sizes and print a line for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=192)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--sizes", default=",".join(SIZES))
    parser.add_argument("--json", type=Path)
    parsed = parser.parse_args()
    raft = [{**row, "task": "raft"} for row in load_demo_rows("train_raft")]
    short = [{**row, "task": "koalpaca"} for row in load_demo_rows("train_koalpaca")]
    texts = [" ".join(row["context"]) + row["question"] for row in raft]
    tokenizer = train_tokenizer(texts + [row["instruction"] + row["output"] for row in short], 4000)
    rows = random.Random(0).sample(raft + short, parsed.rows)
    results: list[dict[str, Any]] = []
    report = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "batch_size": BATCH,
        "runs": parsed.runs,
        "results": results,
    }
    for name in parsed.sizes.split(","):
        for ternary in (False, True):
            for ends in (False, True):
                results.append(measure(name, ternary, rows, tokenizer, parsed.runs, ends))
                print(json.dumps(results[-1], ensure_ascii=False), flush=True)
                if parsed.json is not None:
                    text = json.dumps(report, indent=1, ensure_ascii=False)
                    parsed.json.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
