"""`load_prepared`: a folder that `prepare` or `write_split` wrote -> what the trainer takes.

Limits: the rows are held in memory, as `datasets` holds them.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitsft.data.format import format_record
from bitsft.data.ledger import Ledger
from bitsft.data.read import read_records
from bitsft.data.split import read_manifest, verify_manifest

if TYPE_CHECKING:
    from datasets import DatasetDict


def load_prepared(
    folder: str | os.PathLike[str],
    formatter: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = format_record,
) -> "DatasetDict":
    """Load a folder that `prepare` or `write_split` wrote, as the trainer takes it.

    Args:
        folder: The folder.
        formatter: Turns a row into what the trainer takes, e.g. `partial(format_record,
            as_messages=True)`. None gives the rows as they are in the folder.

    Returns:
        The splits, by name. With a formatter the columns are `prompt`, `completion` and `task`.

    Raises:
        FileNotFoundError: When the folder has no manifest.
        ValueError: When a run that did not finish left it, a file was changed since, or the formatter
            refuses a row.
    """
    from datasets import Dataset, DatasetDict

    changed = verify_manifest(folder)
    if changed:
        raise ValueError(f"{folder}: {'; '.join(changed)}. Prepare it anew")
    splits = DatasetDict()
    for entry in read_manifest(folder)["outputs"]:
        path = Path(folder) / entry["name"]
        if "rows" not in entry:
            continue
        rows = [record.values for record in read_records(path, ledger=Ledger(strict=True))]
        if formatter is not None:
            rows = [{**formatter(row), "task": row.get("task")} for row in rows]
        splits[path.stem] = Dataset.from_list(rows)
    return splits
