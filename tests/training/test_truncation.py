"""Counting what max_length takes, and saying so before TRL drops rows."""

import logging

import pytest
from datasets import Dataset

from bitsft.training.truncation import count_truncation

ROWS = Dataset.from_list(
    [
        {"labels": [-100, -100, 5, 6]},  # fits
        {"labels": [-100, 1, 2, 3, 4, 5]},  # loses part
        {"labels": [-100, -100, -100, -100, -100, 9]},  # loses all
        {"labels": [-100, 7, -100, -100, -100, -100]},  # loses only what is not trained
    ]
)


def long_rows() -> Dataset:
    """Three rows; the prompt of the second is far longer than 40 tokens."""
    return Dataset.from_list(
        [{"prompt": "가" * length, "completion": " 나"} for length in (2, 200, 3)]
    )


def test_counts_by_hand() -> None:
    counts = count_truncation(ROWS, 4)
    assert (counts.rows, counts.truncated, counts.partly_untrained) == (4, 3, 1)
    assert counts.dropped == (2,) and counts.longest == 6
    assert str(counts) == (
        "3 of 4 rows are longer than max_length=4 tokens: 1 lose part of what is trained, 1 lose all of it "
        "and are dropped (row numbers 2). max_length=6 keeps every row whole."
    )


def test_keeping_the_end_counts_from_the_end() -> None:
    counts = count_truncation(ROWS, 4, keep_end=True)
    assert counts.dropped == (3,) and counts.partly_untrained == 1


def test_the_trainer_says_which_rows_it_loses(
    make_trainer, caplog: pytest.LogCaptureFixture
) -> None:  # type: ignore[no-untyped-def]
    with caplog.at_level(logging.WARNING, "bitsft"):
        trainer = make_trainer(rows=long_rows(), max_length=40)
    assert len(trainer.train_dataset) == 2
    assert "train dataset: 1 of 3 rows are longer than max_length=40 tokens" in caplog.text
    assert "(row numbers 1)" in caplog.text


def test_nothing_is_said_when_nothing_is_lost(
    make_trainer, caplog: pytest.LogCaptureFixture
) -> None:  # type: ignore[no-untyped-def]
    with caplog.at_level(logging.WARNING, "bitsft"):
        trainer = make_trainer(rows=long_rows(), max_length=4000)
    assert len(trainer.train_dataset) == 3
    assert "rows are longer" not in caplog.text
