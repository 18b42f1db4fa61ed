"""Two prepared folders, a tokenizer, and a ternary model that has learnt a little of them."""

from pathlib import Path

import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from bitsft.data import load_prepared, prepare
from bitsft.data.demo import load_demo_rows
from bitsft.scratch import new_llama, train_tokenizer
from bitsft.ternary import replace_linear_with_bitlinear

WORDS = {"긍정": ["좋다", "멋지다", "재미있다"], "부정": ["나쁘다", "지루하다", "별로다"]}
REVIEWS = [
    {"text": f"{n}번째 영화는 {word}", "label": label}
    for n in range(8)
    for label, words in WORDS.items()
    for word in words
]


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two prepared folders: `reviews` to classify and `questions` to answer."""
    folder = tmp_path_factory.mktemp("prepared")
    questions = load_demo_rows("other_wordings_koalpaca")[:30]
    ratios = {"train": 0.5, "validation": 0.1, "test": 0.4}
    for name, rows, task in (
        ("reviews", REVIEWS, "classification"),
        ("questions", questions, "koalpaca"),
    ):
        prepare(rows, folder / name, task=task, report=False, near=None, ratios=ratios)
    return folder


@pytest.fixture(scope="package")
def tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    return train_tokenizer(
        [row["prompt"] + row["completion"] for row in rows_of(folder)], vocab_size=500
    )


@pytest.fixture(scope="package")
def model(folder: Path, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A ternary model that has seen every second row, so that it is right now and then."""
    torch.manual_seed(0)
    model = new_llama(tokenizer, hidden_size=64, layers=2, heads=2, max_length=256)
    replace_linear_with_bitlinear(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    texts = [row["prompt"] + row["completion"] + tokenizer.eos_token for row in rows_of(folder)]
    batch = tokenizer(texts[::2], padding=True, return_tensors="pt")
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    for _ in range(40):
        model(**batch, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model


def rows_of(folder: Path) -> list[dict[str, str]]:
    return [
        row for name in ("reviews", "questions") for row in load_prepared(folder / name)["test"]
    ]
