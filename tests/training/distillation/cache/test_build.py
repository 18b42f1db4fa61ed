"""The teacher is asked once about each document, goes on after a stop, and is found again in any packing."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import LlamaForCausalLM
from trl import pack_dataset
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from bitsft.training.distillation.cache.build import build_cache
from bitsft.training.distillation.cache.cached_teacher import CachedTeacher
from bitsft.training.distillation.cache.store import CacheStore
from bitsft.training.distillation.documents import trained_positions

PLAIN = DataCollatorForLanguageModeling(pad_token_id=0)
FLAT = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True)
K = 5


def rows_of_text(count: int = 9) -> Dataset:
    """Documents of 3 to 8 tokens; the first two are a prompt."""
    generator = torch.Generator().manual_seed(3)
    rows = []
    for number in range(count):
        ids = torch.randint(1, 300, (3 + number % 6,), generator=generator).tolist()
        rows.append({"input_ids": ids, "labels": [-100, -100, *ids[2:]]})
    return Dataset.from_list(rows)


class Teacher:
    """Counts what it is asked; stops after `stops_after` batches."""

    def __init__(self, model: LlamaForCausalLM, stops_after: int | None = None) -> None:
        self.model = model.eval()
        self.stops_after = stops_after
        self.loads = 0
        self.batches: list[torch.Tensor] = []

    def load(self) -> "Teacher":
        self.loads += 1
        return self

    def facts(self) -> dict[str, Any]:
        return {"vocabulary": {"size": self.model.config.vocab_size}, "top_k": K}

    def __call__(
        self, inputs: Mapping[str, torch.Tensor], mask: torch.Tensor
    ) -> Iterator[torch.Tensor]:
        if len(self.batches) == self.stops_after:
            raise KeyboardInterrupt
        self.batches.append(inputs["input_ids"])
        with torch.no_grad():
            yield from self.model(**inputs).logits[mask].split(4)

    @property
    def documents(self) -> int:
        return sum(len(batch) for batch in self.batches)


@pytest.fixture
def teacher(tiny_llama: LlamaForCausalLM) -> Teacher:
    return Teacher(tiny_llama)


def build(folder: Path, teacher: Teacher, rows: Dataset, **options: Any) -> CacheStore:
    store = CacheStore(folder)
    collate = options.pop("collate", PLAIN)
    settings = {"top_k": K, "temperature": 2.0, "progress": False, **options}
    build_cache(store, rows, collate, teacher.load, teacher.facts, **settings)
    return store


def expected(model: LlamaForCausalLM, ids: list[int], trained: list[int]) -> torch.Tensor:
    """Log-probabilities at temperature 2 at some positions of one document, by itself."""
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0, trained]
    return (logits / 2).log_softmax(-1)


def test_every_batch_finds_what_the_teacher_says_of_each_document(
    tmp_path: Path, teacher: Teacher
) -> None:
    rows = rows_of_text()
    cached = CachedTeacher(build(tmp_path / "cache", teacher, rows, tokens_per_shard=10))
    assert len(list((tmp_path / "cache").glob("shard-*"))) > 1
    for collate, chosen in ((PLAIN, [4, 0, 7]), (FLAT, [8, 1, 2, 3]), (PLAIN, [5])):
        batch = collate([rows[number] for number in chosen])
        signal = cached.signal(batch, trained_positions(batch["labels"]))
        parts = [
            expected(teacher.model, ids, list(range(1, len(ids) - 1)))
            for ids in (rows[number]["input_ids"] for number in chosen)
        ]
        full = torch.cat(parts)
        top = full.topk(K)
        assert torch.equal(signal.indices, top.indices)
        torch.testing.assert_close(signal.log_probs, top.values, rtol=1e-3, atol=3e-3)
        torch.testing.assert_close(
            signal.rest.exp(), 1 - top.values.exp().sum(-1), rtol=1e-3, atol=1e-3
        )


@pytest.mark.parametrize("strategy", ["bfd", "bfd_split"])
def test_packing_that_keeps_documents_whole_uses_the_same_cache(
    tmp_path: Path, teacher: Teacher, strategy: str
) -> None:
    rows = rows_of_text()
    cached = CachedTeacher(build(tmp_path / "cache", teacher, rows))
    packed = pack_dataset(rows, 16, strategy)
    assert len(packed) < len(rows)
    batch = FLAT([packed[number] for number in range(2)])
    mask = trained_positions(batch["labels"])
    assert len(cached.signal(batch, mask).rest) == mask.sum() > 0
    asked = teacher.documents
    build(tmp_path / "cache", teacher, packed, collate=FLAT)
    assert (teacher.documents, teacher.loads) == (asked, 1)


def test_with_wrapped_packing_the_row_is_the_document(tmp_path: Path, teacher: Teacher) -> None:
    packed = pack_dataset(rows_of_text(), 7, "wrapped")
    cached = CachedTeacher(build(tmp_path / "cache", teacher, packed))
    batch = PLAIN([packed[3], packed[0]])
    signal = cached.signal(batch, trained_positions(batch["labels"]))
    mask = trained_positions(batch["labels"])
    with torch.no_grad():
        full = (teacher.model(**{k: batch[k] for k in ("input_ids", "attention_mask")}).logits / 2)[
            mask
        ].log_softmax(-1)
    torch.testing.assert_close(signal.log_probs, full.topk(K).values, rtol=1e-3, atol=3e-3)


def test_the_first_epoch_after_a_stop_goes_on_behind_the_last_shard(
    tmp_path: Path, tiny_llama: LlamaForCausalLM
) -> None:
    rows = rows_of_text()
    stopped = Teacher(tiny_llama, stops_after=2)
    limits = {"tokens_per_shard": 4, "tokens_per_batch": 1000}
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "cache", stopped, rows, **limits)
    assert 0 < len(CacheStore(tmp_path / "cache")) < len(rows)
    again = Teacher(tiny_llama)
    store = build(tmp_path / "cache", again, rows, **limits)
    assert stopped.documents + again.documents == len(rows) == len(store)


def test_a_complete_cache_needs_no_teacher(tmp_path: Path, teacher: Teacher) -> None:
    build(tmp_path / "cache", teacher, rows_of_text())
    build(tmp_path / "cache", teacher, rows_of_text())
    assert teacher.loads == 1


def test_only_new_documents_are_asked_about(tmp_path: Path, teacher: Teacher) -> None:
    build(tmp_path / "cache", teacher, rows_of_text(6))
    build(tmp_path / "cache", teacher, rows_of_text(9))
    assert (teacher.loads, teacher.documents) == (2, 9)


def test_the_same_text_twice_is_asked_about_once(tmp_path: Path, teacher: Teacher) -> None:
    row = rows_of_text(1)[0]
    build(tmp_path / "cache", teacher, Dataset.from_list([row, row]))
    assert teacher.documents == 1


def test_documents_without_trained_tokens_need_no_teacher(tmp_path: Path, teacher: Teacher) -> None:
    rows = Dataset.from_list([{"input_ids": [1, 2, 3], "labels": [-100] * 3}])
    build(tmp_path / "cache", teacher, rows)
    assert teacher.loads == 0


def test_the_teacher_sees_batches_of_the_size_allowed(tmp_path: Path, teacher: Teacher) -> None:
    build(tmp_path / "cache", teacher, rows_of_text(), tokens_per_batch=16)
    assert all(batch.numel() <= 16 for batch in teacher.batches)
    assert max(len(batch) for batch in teacher.batches) > 1


def test_a_missing_document_is_named(tmp_path: Path, teacher: Teacher) -> None:
    rows = rows_of_text()
    cached = CachedTeacher(build(tmp_path / "cache", teacher, rows))
    batch = PLAIN([{"input_ids": [11, 12, 13], "labels": [11, 12, 13]}])
    with pytest.raises(
        ValueError, match=r"no row [0-9a-f]{32}, a document of 3 tokens \(11, 12, 13\)"
    ):
        cached.signal(batch, trained_positions(batch["labels"]))
    # The same tokens with another mask are another document.
    relabelled = PLAIN([{**rows[2], "labels": rows[2]["input_ids"]}])
    with pytest.raises(ValueError, match="of them trained"):
        cached.signal(relabelled, trained_positions(relabelled["labels"]))


def test_a_batch_without_trained_tokens_has_no_rows(tmp_path: Path, teacher: Teacher) -> None:
    cached = CachedTeacher(build(tmp_path / "cache", teacher, rows_of_text()))
    batch = PLAIN([{"input_ids": [1, 2], "labels": [-100, -100]}])
    signal = cached.signal(batch, trained_positions(batch["labels"]))
    assert signal.indices.shape == signal.log_probs.shape == (0, K)


def test_a_batch_of_more_than_text_is_refused(tmp_path: Path, teacher: Teacher) -> None:
    cached = CachedTeacher(build(tmp_path / "cache", teacher, rows_of_text()))
    batch = {**PLAIN([rows_of_text()[0]]), "pixel_values": torch.zeros(1)}
    with pytest.raises(ValueError, match="also holds pixel_values"):
        cached.signal(batch, trained_positions(batch["labels"]))


def test_progress_is_told_while_rows_are_only_looked_up(tmp_path: Path, teacher: Teacher) -> None:
    """With several processes that is what keeps the others waiting."""
    rows = rows_of_text(9)
    build(tmp_path / "cache", teacher, rows)
    told = []
    build(tmp_path / "cache", teacher, rows, on_progress=lambda: told.append(1))
    assert teacher.loads == 1 and len(told) == 9
