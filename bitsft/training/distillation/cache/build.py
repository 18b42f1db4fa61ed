"""The teacher runs once over the training data; what it says goes to the disk.

Each document of the prepared dataset that the cache lacks is shown to the teacher by itself, in padded batches of
similar lengths. Shards are written as they fill up: a run that is stopped loses the shard in work and goes on
behind the last one written. A complete cache never asks for the teacher, so it need not be loaded.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from tqdm.auto import tqdm

from bitsft.training.distillation.cache.coarse import teacher_top_k
from bitsft.training.distillation.cache.keys import keyed_documents
from bitsft.training.distillation.cache.store import CacheStore
from bitsft.training.distillation.documents import trained_positions
from bitsft.training.distillation.signals import TopKSignal

logger = logging.getLogger(__name__)

TOKENS_PER_SHARD = 2**16
"""Trained tokens in a shard: 17 to 25 MB at k = 64."""
TOKENS_PER_BATCH = 2**13
"""Tokens, padding included, that the teacher sees at a time."""

Collate = Callable[[list[Any]], Mapping[str, Any]]


class Logits(Protocol):
    """The teacher, asked for logits."""

    def __call__(
        self, inputs: Mapping[str, torch.Tensor], mask: torch.Tensor
    ) -> Iterator[torch.Tensor]:
        """Yield the logits (n, words) at the True positions of `mask`, in order, some rows at a time."""


@dataclass
class _Pending:
    key: bytes
    tokens: np.ndarray
    trained: np.ndarray


def build_cache(
    store: CacheStore,
    dataset: Any,
    collate: Collate,
    load_teacher: Callable[[], Logits],
    facts: Callable[[], Mapping[str, Any]],
    *,
    top_k: int,
    temperature: float,
    progress: bool = True,
    on_progress: Callable[[], None] = lambda: None,
    tokens_per_shard: int = TOKENS_PER_SHARD,
    tokens_per_batch: int = TOKENS_PER_BATCH,
) -> int:
    """Ask the teacher about every document of the dataset that the cache lacks.

    Args:
        store: The cache.
        dataset: Prepared rows, as the trainer's collator gets them.
        collate: The collator; its batches hold `labels`.
        load_teacher: Called at the first document that is missing, if there is one.
        facts: Called after `load_teacher`: what `CacheStore.begin` records.
        top_k: Words kept for each token.
        temperature: Of the distillation.
        progress: Show a bar with the time left.
        on_progress: Called at each row, and whenever the teacher has answered.
        tokens_per_shard: See the module's constants; so for the last.
        tokens_per_batch: A longer document is a batch by itself.

    Returns:
        Number of documents added.
    """
    ask: Logits | None = None
    pending: list[_Pending] = []
    waiting: set[bytes] = set()
    added = trained_tokens = 0

    def write() -> None:
        nonlocal added, trained_tokens
        answers = _answers(ask, pending, top_k, temperature, tokens_per_batch, on_progress)
        store.add([one.key for one in pending], answers)
        added += len(pending)
        trained_tokens = 0
        pending.clear()
        waiting.clear()

    with tqdm(
        total=len(dataset), desc="teacher outputs", unit=" rows", disable=not progress
    ) as bar:
        for number in range(len(dataset)):
            inputs = collate([dataset[number]])
            mask = trained_positions(inputs["labels"])
            for key, tokens, trained in keyed_documents(inputs, mask):
                if key in store or key in waiting:
                    continue
                if ask is None:
                    ask = load_teacher()
                    store.begin(facts())
                pending.append(_Pending(key, tokens, trained))
                waiting.add(key)
                trained_tokens += int(trained.sum())
            if trained_tokens >= tokens_per_shard:
                write()
            on_progress()
            bar.update()
        if pending:
            write()
    if added:
        size = sum(path.stat().st_size for path in store.folder.glob("shard-*.safetensors"))
        logger.info(
            "%s: %d documents added, %d in all with %d trained tokens, %.1f MB",
            store.folder,
            added,
            len(store),
            store.tokens,
            size / 1e6,
        )
    return added


def _answers(
    ask: Logits | None,
    pending: Sequence[_Pending],
    top_k: int,
    temperature: float,
    tokens_per_batch: int,
    on_progress: Callable[[], None],
) -> list[TopKSignal]:
    """The teacher's rows for each pending document, in their order."""
    if ask is None:
        raise ValueError("distillation_cache: documents are waiting, but no teacher was loaded.")
    found: dict[int, TopKSignal] = {}
    for batch in _batches(pending, tokens_per_batch):
        width = max(len(pending[place].tokens) for place in batch)
        input_ids = torch.zeros(len(batch), width, dtype=torch.long)
        attention_mask, mask = torch.zeros_like(input_ids), torch.zeros_like(input_ids).bool()
        for row, place in enumerate(batch):
            length = len(pending[place].tokens)
            input_ids[row, :length] = torch.from_numpy(pending[place].tokens)
            attention_mask[row, :length] = 1
            mask[row, :length] = torch.from_numpy(pending[place].trained)
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
        parts = [teacher_top_k(logits, top_k, temperature) for logits in ask(inputs, mask)]
        lengths = [int(pending[place].trained.sum()) for place in batch]
        columns = (
            torch.cat([getattr(part, name).cpu() for part in parts]).split(lengths)
            for name in ("indices", "log_probs", "rest")
        )
        for place, indices, log_probs, rest in zip(batch, *columns, strict=True):
            found[place] = TopKSignal(indices, log_probs, rest)
        on_progress()
    return [found[place] for place in range(len(pending))]


def _batches(pending: Sequence[_Pending], tokens_per_batch: int) -> Iterator[list[int]]:
    """Places of documents of similar lengths, the longest first: what does not fit fails at once."""
    batch: list[int] = []
    for place in sorted(range(len(pending)), key=lambda place: -len(pending[place].tokens)):
        longest = len(pending[batch[0] if batch else place].tokens)
        if batch and longest * (len(batch) + 1) > tokens_per_batch:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch
