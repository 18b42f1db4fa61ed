"""A trainer over a tiny model and a few rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from bitsft.scratch import new_llama
from bitsft.ternary import ternary_layers
from bitsft.training import TernarySFTConfig, TernarySFTTrainer

MakeTrainer = Callable[..., TernarySFTTrainer]


def number_rows(count: int = 16) -> Dataset:
    return Dataset.from_list(
        [
            {"prompt": f"### 질문: {i} 다음 수는?\n\n### 답변:", "completion": f" {i + 1}"}
            for i in range(count)
        ]
    )


def assert_on_the_grid(model: torch.nn.Module) -> None:
    layers = ternary_layers(model)
    assert layers
    for name, layer in layers.items():
        magnitudes = layer.weight.detach().abs().unique()
        assert len(magnitudes) <= 2 and (len(magnitudes) == 1 or magnitudes[0] == 0), name
        codes, scale = layer.ternary()
        assert torch.equal(layer.weight, (codes * scale).to(layer.weight.dtype)), name


@pytest.fixture
def make_trainer(tmp_path: Path, tiny_tokenizer: PreTrainedTokenizerFast) -> MakeTrainer:
    """`make_trainer(model=…, rows=…, trainer={…}, **config)`; float32, one process, no trackers."""

    def make(
        model: LlamaForCausalLM | str | None = None,
        rows: Dataset | None = None,
        trainer: dict[str, Any] | None = None,
        **config: Any,
    ) -> TernarySFTTrainer:
        settings: dict[str, Any] = {
            "output_dir": str(tmp_path / "run"),
            "max_steps": 4,
            "per_device_train_batch_size": 2,
            "learning_rate": 5e-3,
            "logging_steps": 1,
            "save_strategy": "no",
            "bf16": False,
            "report_to": "none",
            "gradient_checkpointing": False,
            "disable_tqdm": True,
        }
        settings.update(config)
        if model is None:
            model = new_llama(tiny_tokenizer, hidden_size=32, layers=2, heads=4, max_length=256)
        arguments: dict[str, Any] = {"processing_class": tiny_tokenizer}
        arguments.update(trainer or {})
        return TernarySFTTrainer(
            model,
            TernarySFTConfig(**settings),
            train_dataset=rows if rows is not None else number_rows(),
            **arguments,
        )

    return make
