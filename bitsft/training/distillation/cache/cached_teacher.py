"""The cache in the teacher's place: what was written for a document is found again by its hash."""

from collections.abc import Mapping
from typing import Any

import torch

from bitsft.training.distillation.cache.keys import keyed_documents
from bitsft.training.distillation.cache.store import CacheStore
from bitsft.training.distillation.signals import TopKSignal


class CachedTeacher:
    """A teacher that answers from the disk.

    Args:
        store: A cache that holds the training data.
    """

    def __init__(self, store: CacheStore) -> None:
        self.store = store

    def signal(self, inputs: Mapping[str, Any], mask: torch.Tensor) -> TopKSignal:
        """The rows of a batch's trained tokens, on the mask's device.

        Args:
            inputs: The batch as the student gets it.
            mask: bool (batch, tokens): where the next token is trained.

        Raises:
            ValueError: A document of the batch is not in the cache.
        """
        rows = []
        for key, tokens, trained in keyed_documents(inputs, mask):
            if key not in self.store:
                raise ValueError(
                    f"distillation_cache: {self.store.folder} has no row {key.hex()}, a document of {len(tokens)} "
                    f"tokens ({', '.join(map(str, tokens[:8]))}{', ...' if len(tokens) > 8 else ''}), "
                    f"{trained.sum()} of them trained. The cache holds the training data as it was prepared: a "
                    "collator that changes tokens at random, or another dataset, cannot be looked up."
                )
            rows.append(self.store.rows(key))
        if not rows:
            k = self.store.top_k
            empty = TopKSignal(torch.zeros(0, k).long(), torch.zeros(0, k), torch.zeros(0))
            rows.append(empty)
        return TopKSignal(
            *(
                torch.cat([getattr(row, name) for row in rows]).to(mask.device)
                for name in ("indices", "log_probs", "rest")
            )
        )
