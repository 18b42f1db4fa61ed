"""The clusters in a file, for a person to judge: the least similar first.

One row a line, in a `.jsonl` or a `.csv` file: cluster (a number, 0 is the worst), similarity (to the kept
row: the least of its parts; 1 for the kept row), cosine (with a second opinion), kept, source,
row_number, text (the parts that were compared, a line each). The kept row of a cluster comes first.
With a second opinion, rows that it refused to drop are listed with their would-be cluster, kept.
"""

import csv
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bitsft.data.duplicates.exact import json_line

COLUMNS = (
    "cluster",
    "similarity",
    "cosine",
    "kept",
    "source",
    "row_number",
    "text",
)


def check_review_path(path: str | os.PathLike[str]) -> Path:
    """Return the path of a review file.

    Raises:
        ValueError: When its name does not end in .jsonl or .csv.
    """
    path = Path(path)
    if path.suffix.lower() not in (".jsonl", ".csv"):
        raise ValueError(f"review_path={str(path)!r} must end in .jsonl or .csv to tell the format")
    return path


def write_review(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write the rows, mappings with `COLUMNS`, in their order.

    Args:
        path: What `check_review_path` returned; an older file is replaced.
        rows: The rows.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Half a surrogate pair has no UTF-8: escaped by JSON, and by the error handler in CSV.
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        if path.suffix.lower() == ".jsonl":
            file.writelines(json_line(row) for row in rows)
            return
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
