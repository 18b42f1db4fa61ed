"""The model that ships with the package: small, described, readable by stock transformers, and it reads Korean."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from safetensors.torch import load_file

from bitsft import (
    BitLinear158,
    TernarySFTConfig,
    TernarySFTTrainer,
    demo_model_path,
    load_demo_model,
)
from bitsft.metrics import bits_per_byte
from bitsft.scratch import new_llama

TEXTS = ["이 영화는 배우들의 연기가 정말 좋았습니다.", "다음 표에서는 각 설정에 대해 설명합니다."]

LOAD_IN_STOCK = """
import sys
sys.modules["bitsft"] = None  # importing it would fail
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer
folder, text, out = sys.argv[1:]
model = AutoModelForCausalLM.from_pretrained(folder).eval()
with torch.no_grad():
    logits = model(**AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")).logits
save_file({"logits": logits}, out)
"""


def test_the_folder_is_complete_and_small() -> None:
    sizes = {file.name: file.stat().st_size for file in demo_model_path().iterdir()}
    assert sorted(sizes) == [
        *("README.md", "chat_template.jinja", "config.json", "generation_config.json"),
        *("model.safetensors", "tokenizer.json", "tokenizer_config.json"),
    ]
    assert sum(sizes.values()) <= 8e6


def test_the_card_names_the_sources_and_what_was_measured() -> None:
    card = (demo_model_path() / "README.md").read_text("utf-8")
    for source in ("https://github.com/e9t/nsmc", "https://github.com/MicrosoftDocs"):
        assert source in card
    assert "license: cc-by-4.0" in card
    assert "https://creativecommons.org/licenses/by/4.0" in card and "changed:" in card
    assert "| dense: what the card says above | 1.423 |" in card
    assert "| **ternary: this model** | **1.437** |" in card


def test_it_is_ternary_and_can_be_trained() -> None:
    model, tokenizer = load_demo_model()
    assert not model.training and model.dtype == torch.float32
    layers = [layer for layer in model.modules() if isinstance(layer, BitLinear158)]
    assert len(layers) == 7 * model.config.num_hidden_layers
    assert all(layer.on_grid and layer.weight.requires_grad for layer in layers)
    assert len(tokenizer) == model.config.vocab_size
    assert tokenizer.pad_token and tokenizer.eos_token and tokenizer.chat_template


def test_it_reads_korean() -> None:
    model, tokenizer = load_demo_model()
    random = new_llama(tokenizer, hidden_size=32, layers=1)
    known = bits_per_byte(model, tokenizer, TEXTS)["bits_per_byte"].value
    unknown = bits_per_byte(random, tokenizer, TEXTS)["bits_per_byte"].value
    assert known == pytest.approx(0.849, abs=0.01)
    assert unknown == pytest.approx(1.754, abs=0.02), "twelve bits a token: it knows nothing"


def test_stock_transformers_computes_the_same_to_the_bit(tmp_path: Path) -> None:
    (tmp_path / "stock.py").write_text(LOAD_IN_STOCK)
    subprocess.run(
        [sys.executable, tmp_path / "stock.py", demo_model_path(), TEXTS[0], tmp_path / "logits"],
        check=True,
        env={**os.environ, "TORCHDYNAMO_DISABLE": "1"},
    )
    model, tokenizer = load_demo_model()
    with torch.no_grad():
        logits = model(**tokenizer(TEXTS[0], return_tensors="pt")).logits
    assert torch.equal(logits, load_file(tmp_path / "logits")["logits"])


def test_the_trainer_takes_its_path(tmp_path: Path) -> None:
    config = TernarySFTConfig(str(tmp_path), max_steps=1, max_length=16, report_to="none")
    rows = Dataset.from_dict({"text": TEXTS})
    trainer = TernarySFTTrainer(str(demo_model_path()), config, train_dataset=rows)
    trainer.train()
    trainer.save_model()
    assert (tmp_path / "model.safetensors").stat().st_size < 6e6
