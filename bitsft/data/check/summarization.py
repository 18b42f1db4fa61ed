"""Summarization rows: a document and its summary.

Shape: `document`, `summary`. What other sets call the two: `aliases.py`.
"""

from typing import ClassVar

from bitsft.data.check.schema import RowSchema, Text


class SummarizationRow(RowSchema):
    """A document and its summary."""

    task: ClassVar[str] = "summarization"
    needs: ClassVar[tuple[tuple[str, ...], ...]] = (("document",), ("summary",))
    reads: ClassVar[frozenset[str]] = frozenset({"document", "summary"})

    document: Text
    summary: Text
