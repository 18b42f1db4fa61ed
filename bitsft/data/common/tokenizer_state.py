"""`unchanged`: count with a tokenizer and leave it as it was.

Each call of a fast tokenizer sets the truncation and padding of its backend anew, for good: a tokenizer
that the caller had told to truncate would not any more.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@contextmanager
def unchanged(tokenizer: "PreTrainedTokenizerBase") -> Iterator[None]:
    """Put back the truncation and padding of a fast tokenizer, which each call of it resets."""
    if not tokenizer.is_fast:
        yield
        return
    backend = tokenizer.backend_tokenizer
    truncation, padding = backend.truncation, backend.padding
    try:
        yield
    finally:
        if truncation is not None:
            backend.enable_truncation(**truncation)
        if padding is not None:
            backend.enable_padding(**padding)
