"""The table of what is trained, against counts by hand and against what optimizers really keep."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaForCausalLM

from bitsft.runs.record import read_run
from bitsft.scratch import new_llama
from bitsft.ternary import replace_linear_with_bitlinear, ternary_layers
from bitsft.ternary.packed_linear import PackedLinear158
from bitsft.training import TrainableRow, TrainableSummary, freeze_parameters, trainable_summary
from tests.training.conftest import MakeTrainer


def test_counts_and_bytes_by_hand(tiny_llama: LlamaForCausalLM) -> None:
    replace_linear_with_bitlinear(tiny_llama)
    freeze_parameters(tiny_llama, ["model.layers.0.*", "lm_head.weight"])
    words = tiny_llama.config.vocab_size
    # a layer: 4 of 32x32 and 3 of 32x96, and 2 norms of 32
    assert trainable_summary(tiny_llama).rows == (
        TrainableRow("ternary layers", 14, 26_624, 13_312, 106_496, 53_248, 106_496),
        TrainableRow("embeddings and head (tied)", 1, 32 * words, 0, 128 * words, 0, 0),
        TrainableRow("norms", 5, 160, 96, 640, 384, 768),
    )


def test_packed_layers_and_adapters_have_rows_of_their_own(tiny_llama: LlamaForCausalLM) -> None:
    replace_linear_with_bitlinear(tiny_llama)
    mlp = tiny_llama.model.layers[0].mlp
    mlp.up_proj = PackedLinear158.from_bitlinear(mlp.up_proj)
    lora = LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM")
    rows = {row.kind: row for row in trainable_summary(get_peft_model(tiny_llama, lora)).rows}
    assert rows["packed ternary layers"] == TrainableRow(
        "packed ternary layers", 1, 3_072, 0, 3_072 // 4 + 4, 0, 0
    )
    assert rows["ternary layers"].parameters == 26_624 - 3_072
    assert rows["adapters"] == TrainableRow("adapters", 4, 256, 256, 1_024, 1_024, 2_048)
    assert rows["norms"].trainable == 0


def test_the_table_is_aligned() -> None:
    rows = (
        TrainableRow("ternary layers", 14, 2_000_000, 999, 8_000_000, 999, None),
        TrainableRow("norms", 5, 160, 160, 640, 640, 1_280),
    )
    assert str(TrainableSummary(rows)) == (
        "                tensors  parameters  trainable  weights  gradients  optimizer\n"
        "ternary layers       14   2,000,000        999   8.0 MB      999 B          ?\n"
        "norms                 5         160        160    640 B      640 B     1.3 kB\n"
        "all                  19   2,000,160      1,159   8.0 MB     1.6 kB          ?"
    )


@pytest.mark.parametrize(
    "optim",
    [
        "adamw_torch",
        "adafactor",
        "sgd",
        "adagrad",
        "rmsprop",
        "adamw_bnb_8bit",
        "paged_adamw_32bit",
        "lion_8bit",
        "rmsprop_bnb",
        "latent_free",
    ],
)
def test_the_optimizer_keeps_what_was_foretold(
    make_trainer: MakeTrainer, tiny_tokenizer: Any, optim: str
) -> None:
    """80 wide: matrices above and below the 4,096 values from which on bitsandbytes takes 8 bits."""
    model = new_llama(tiny_tokenizer, hidden_size=80, layers=1, heads=4, max_length=256).bfloat16()
    options = {"projection": "stochastic"} if optim == "latent_free" else {"optim": optim}
    trainer = make_trainer(
        model, max_steps=1, run_record=False, frozen_parameters=["*k_proj*"], **options
    )
    foretold = trainable_summary(trainer.model, optim).total.optimizer_bytes
    trainer.train()
    optimizer: Any = trainer.optimizer
    kept = sum(
        value.nbytes
        for state in getattr(optimizer, "optimizer", optimizer).state.values()
        for name, value in state.items()
        if isinstance(value, torch.Tensor) and value.dim() and not name.startswith("qmap")
    )
    assert foretold == kept and (kept > 0) == (optim != "sgd")


def test_a_frozen_part_is_printed_and_recorded(
    make_trainer: MakeTrainer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_trainer(frozen_parameters=["model.layers.0.*"], max_steps=1).train()
    out = capsys.readouterr().out
    assert "ternary layers" in out and "13,312" in out
    recorded = read_run(tmp_path / "run").settings["trainable"]
    assert recorded["ternary layers"] == {"parameters": 26_624, "trainable": 13_312}


def test_where_everything_is_trained_it_is_logged(
    make_trainer: MakeTrainer,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, logger="bitsft"):
        trainer = make_trainer(max_steps=1)
        trainer.train()
    assert "26,624     26,624" in caplog.text and "tensors" not in capsys.readouterr().out
    assert len(ternary_layers(trainer.model)) == 14


def test_an_optimizer_made_outside_is_not_guessed_at(
    make_trainer: MakeTrainer, capsys: pytest.CaptureFixture[str]
) -> None:
    given = (torch.optim.SGD, {"lr": 0.1})
    trainer = make_trainer(
        frozen_parameters=["*embed*"], max_steps=1, trainer={"optimizer_cls_and_kwargs": given}
    )
    trainer.train()
    assert capsys.readouterr().out.splitlines()[1].endswith("?")
