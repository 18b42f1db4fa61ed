"""Rows are counted while TRL prepares them: how many there are, and what max_length cuts off.

    _prepare_dataset   as in TRL, in two halves: up to the whole rows, which are counted, and from there on

TRL cuts rows off, and drops those that lose their whole answer, without a word.

Limit: datasets that stream are not counted.
"""

import copy
import logging
from collections.abc import Callable
from typing import Any

from datasets import Dataset
from trl import SFTTrainer

from bitsft.data.budget import token_budget

logger = logging.getLogger(__name__)


class RowCounting(SFTTrainer):
    """The part of `TernarySFTTrainer` that watches its data; the trainer sets the attribute named here."""

    _dataset_rows: dict[str, int]  # by "train", "eval" or the evaluation set's name

    def _prepare_dataset(
        self,
        dataset: Any,
        processing_class: Any,
        args: Any,
        packing: bool,
        formatting_func: Callable[[dict], str] | None,
        dataset_name: str,
    ) -> Any:
        if isinstance(dataset, Dataset):
            self._dataset_rows[dataset_name] = len(dataset)
        if not isinstance(dataset, Dataset) or args.max_length is None:
            return super()._prepare_dataset(
                dataset, processing_class, args, packing, formatting_func, dataset_name
            )
        # Tokenized rows pass through TRL's preparation unchanged, so it can be run in two halves.
        untruncated = copy.copy(args)
        untruncated.max_length = None
        untruncated.shuffle_dataset = False
        whole = super()._prepare_dataset(
            dataset, processing_class, untruncated, False, formatting_func, dataset_name
        )
        cuts_rows_off = not packing or args.packing_strategy == "bfd"
        if cuts_rows_off and len(whole):
            budget = token_budget(
                whole, self._tokenizer, args.max_length, truncation_mode=args.truncation_mode
            )
            if budget.truncated:
                logger.warning("%s dataset: %s", dataset_name, budget)
        return super()._prepare_dataset(whole, processing_class, args, packing, None, dataset_name)
