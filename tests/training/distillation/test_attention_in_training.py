"""The attention term in the trainer: in the loss and the log, alike whole and accumulated."""

import copy

import pytest
import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerFast

from bitsft.scratch import new_llama
from bitsft.training import TernarySFTConfig
from tests.training.conftest import MakeTrainer

ROWS = Dataset.from_list([{"text": "### 질문: 대한민국의 수도는? " * n} for n in (1, 2, 3, 4)])
WEIGHT = {"attention_distillation_weight": 2.0, "attention_distillation_heads": 2}


def models(tokenizer: PreTrainedTokenizerFast) -> tuple[object, object]:
    student = new_llama(tokenizer, hidden_size=32, layers=2, heads=4, max_length=256)
    torch.manual_seed(7)
    teacher = new_llama(tokenizer, hidden_size=48, layers=3, heads=4, max_length=256)
    with torch.no_grad():
        for parameter in teacher.parameters():
            if parameter.dim() == 2:
                parameter.mul_(3)  # relations of a fresh model are nearly even
    return student, teacher


@pytest.mark.parametrize("checkpointing", [False, True])
def test_the_loss_has_the_term_with_its_weight(
    make_trainer: MakeTrainer, tiny_tokenizer: PreTrainedTokenizerFast, checkpointing: bool
) -> None:
    student, teacher = models(tiny_tokenizer)
    trainer = make_trainer(
        student,
        ROWS,
        {"teacher_model": teacher},
        max_steps=1,
        distillation_weight=0.25,
        gradient_checkpointing=checkpointing,
        **WEIGHT,
    )
    trainer.train()
    log = trainer.state.log_history[0]
    assert log["attention"] > 0.001
    expected = 0.75 * log["cross_entropy"] + 0.25 * log["distillation"] + 2 * log["attention"]
    assert log["loss"] == pytest.approx(expected, rel=1e-3)


def test_the_term_alone_moves_the_layer_that_it_is_about(
    make_trainer: MakeTrainer, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    logs = []
    for weight in (0.0, 100.0):
        student, teacher = models(tiny_tokenizer)
        trainer = make_trainer(
            student,
            ROWS,
            {"teacher_model": teacher},
            max_steps=8,
            per_device_train_batch_size=4,
            attention_distillation_weight=weight or 1e-9,
        )
        trainer.train()
        logs.append([log["attention"] for log in trainer.state.log_history if "attention" in log])
    without, with_term = logs
    assert with_term[-1] < 0.9 * without[-1]


def test_accumulated_batches_add_up_to_the_whole_one(
    make_trainer: MakeTrainer, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    # Rows of one length: the share of the trained tokens is then the share of the tokens.
    rows = Dataset.from_list([{"text": f"### 질문: {n} 다음 수는?"} for n in (3, 4, 5, 6)])
    found = []
    for batch, parts in ((4, 1), (2, 2)):
        student, teacher = models(tiny_tokenizer)
        trainer = make_trainer(
            student,
            rows,
            {"teacher_model": copy.deepcopy(teacher)},
            max_steps=1,
            per_device_train_batch_size=batch,
            gradient_accumulation_steps=parts,
            **WEIGHT,
        )
        trainer.train()
        found.append(trainer.state.log_history[0])
    assert found[1]["attention"] == pytest.approx(found[0]["attention"], rel=1e-4)
    assert found[1]["grad_norm"] == pytest.approx(found[0]["grad_norm"], rel=1e-3)


def test_relations_are_not_kept_in_a_cache() -> None:
    with pytest.raises(ValueError, match="Use one of the two"):
        TernarySFTConfig("out", distillation_cache="cache", **WEIGHT)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("attention_distillation_weight", -1.0),
        ("attention_distillation_heads", 0),
        ("distillation_top_k", 0),
    ],
)
def test_options_outside_their_range_are_refused(option: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{option} is {value}"):
        TernarySFTConfig("out", **{option: value})
