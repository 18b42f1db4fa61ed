"""Columns of a terminal: Korean, combining marks, and the one place where they are counted."""

from pathlib import Path

import bitsft
from bitsft.pages.columns import columns_of, padded


def test_width_of_texts() -> None:
    assert columns_of("한글 ab") == 7
    assert columns_of("\u1112\u1161\u11ab") >= 2, "decomposed, before it is composed for a table"
    assert columns_of("e\u0301") == 1
    assert columns_of("") == 0


def test_padded() -> None:
    assert padded("한글", 6) == "한글  "
    assert padded("한글", 6, to_the_right=True) == "  한글"
    assert padded("e\u0301", 2) == "e\u0301 "
    assert padded("한글", 3) == "한글"


def test_no_other_file_counts_columns() -> None:
    root = Path(bitsft.__file__).parent
    found = [
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if "east_asian_width" in path.read_text("utf-8")
    ]
    assert found == ["pages/columns.py"]
