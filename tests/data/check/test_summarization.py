import pytest

from bitsft.data.check.summarization import SummarizationRow
from bitsft.data.fields import RowError


def test_row() -> None:
    row = SummarizationRow.from_raw({"document": " 긴 글. ", "summary": "글.", "class": "0"})
    assert row.columns() == {"document": "긴 글.", "summary": "글."}


def test_an_empty_summary_is_refused() -> None:
    with pytest.raises(RowError, match="row 2, field 'summary' is empty"):
        SummarizationRow.from_raw({"document": "긴 글.", "summary": "\u200b"}, 2)
