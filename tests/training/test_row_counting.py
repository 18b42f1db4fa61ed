"""The trainer says what max_length cuts off, and which rows are lost, before TRL drops them."""

import logging

import pytest
from datasets import Dataset

from .conftest import MakeTrainer


def long_rows() -> Dataset:
    """Three rows; the prompt of the second is far longer than 40 tokens."""
    return Dataset.from_list(
        [{"prompt": "가" * length + ":", "completion": " 나"} for length in (2, 200, 3)]
    )


def test_the_trainer_says_which_rows_it_loses(
    make_trainer: MakeTrainer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "bitsft"):
        trainer = make_trainer(rows=long_rows(), max_length=40)
    assert len(trainer.train_dataset) == 2
    assert "train dataset: 3 rows" in caplog.text
    assert "1 lose all of it and are dropped by TRL without a word (rows 1)" in caplog.text


def test_nothing_is_said_when_nothing_is_lost(
    make_trainer: MakeTrainer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "bitsft"):
        trainer = make_trainer(rows=long_rows(), max_length=4000)
    assert len(trainer.train_dataset) == 3
    assert "truncates" not in caplog.text


def test_shuffling_happens_once_and_as_in_trl(make_trainer: MakeTrainer) -> None:
    plain = make_trainer(shuffle_dataset=True).train_dataset["input_ids"]
    expected = make_trainer().train_dataset.shuffle(seed=42)["input_ids"]
    assert list(plain) == list(expected)
