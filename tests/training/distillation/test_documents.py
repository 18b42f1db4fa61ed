"""The documents of padded, packed and flattened batches."""

import pytest
import torch
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from bitsft.training.distillation.documents import Document, documents

ROWS = [{"input_ids": [1, 2, 3]}, {"input_ids": [4, 5]}]


def test_a_padded_row_is_one_document_without_its_padding() -> None:
    batch = DataCollatorForLanguageModeling(pad_token_id=0)(ROWS)
    assert documents(batch) == [Document(0, 0, 3), Document(1, 0, 2)]


def test_padding_on_the_left_is_cut_off_too() -> None:
    batch = {
        "input_ids": torch.tensor([[0, 7, 8], [4, 5, 6]]),
        "attention_mask": torch.tensor([[0, 1, 1], [1, 1, 1]]),
    }
    assert documents(batch) == [Document(0, 1, 3), Document(1, 0, 3)]


def test_a_flattened_batch_is_split_where_positions_restart() -> None:
    batch = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True)(ROWS)
    assert documents(batch) == [Document(0, 0, 3), Document(0, 3, 5)]


def test_packed_rows_are_split_into_their_documents() -> None:
    packed = [
        {"input_ids": [1, 2, 3, 4, 5], "seq_lengths": [2, 3]},
        {"input_ids": [6, 7], "seq_lengths": [2]},
    ]
    batch = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True)(packed)
    assert documents(batch) == [Document(0, 0, 2), Document(0, 2, 5), Document(0, 5, 7)]


def test_padding_of_a_flattened_batch_joins_no_document() -> None:
    collate = DataCollatorForLanguageModeling(
        pad_token_id=0, padding_free=True, pad_to_multiple_of=8
    )
    found = documents(collate(ROWS))
    assert found[:2] == [Document(0, 0, 3), Document(0, 3, 5)]
    assert [len(piece) for piece in found[2:]] == [1, 1, 1]


def test_positions_of_padding_do_not_matter() -> None:
    collate = DataCollatorForLanguageModeling(pad_token_id=0, return_position_ids=True)
    assert documents(collate(ROWS)) == [Document(0, 0, 3), Document(1, 0, 2)]


def test_rows_without_mask_and_positions_are_whole() -> None:
    assert documents({"input_ids": torch.ones(2, 4, dtype=torch.long)}) == [
        Document(0, 0, 4),
        Document(1, 0, 4),
    ]


def test_a_mask_of_another_shape_is_refused() -> None:
    batch = {"input_ids": torch.ones(1, 4), "attention_mask": torch.ones(1, 1, 4, 4)}
    with pytest.raises(ValueError, match=r"attention_mask has shape \(1, 1, 4, 4\)"):
        documents(batch)
