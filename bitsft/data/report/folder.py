"""`report_from_folder`: the report of a folder as `bitsft data` writes it.

    train.parquet | train.jsonl    the rows of a split; likewise validation, test, and others that
                                   the manifest names
    manifest.json                  {"counts": Ledger.as_dict(), "leaks": ..., "duplicates": ...,
                                   "quality": ..., "budgets": ..., "changes_examples": ...}: what
                                   `build_report` takes under these names; all of it optional
    rejected.jsonl                 the rejected rows, one a line (`ledger.py`), optional

Where a split is there in both formats, the Parquet file is read.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitsft.data.rejected import RejectedRow
from bitsft.data.report.build import build_report
from bitsft.data.report.inputs import check_mapping, mapping_of, mappings_of
from bitsft.data.report.pairs import Formatter, Row
from bitsft.data.report.stored_rows import JsonLinesRows, ParquetRows, parsed

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SPLITS = ("train", "validation", "test")


def report_from_folder(
    folder: str | os.PathLike[str],
    *,
    title: str | None = None,
    tokenizer: "PreTrainedTokenizerBase | None" = None,
    formatter: Formatter | None = None,
    samples: int = 3,
    token_rows: int = 20_000,
    seed: int = 0,
    language: str = "en",
) -> str:
    """Build the page of a prepared data set.

    Args:
        folder: The folder; see this module's docstring for what is read of it.
        title: The page's heading; None takes the folder's name.
        tokenizer: See `build_report`, and for all further arguments.
        formatter: Takes a row and returns `{"prompt", "completion"}`.
        samples: Rows to show of each task.
        token_rows: The most rows of each task to tokenize.
        seed: Of what is drawn.
        language: Of the page's own words: `"en"` or `"ko"`.

    Returns:
        The page, for `write_report`.

    Raises:
        FileNotFoundError: When the folder, or the rows of every split, are missing.
        ValueError: When a file cannot be read; it names the file and the line.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder} is no folder; give the one that the rows were written to"
        )
    manifest = _manifest(folder / "manifest.json")
    where = str(folder / "manifest.json")
    rows_by_split: dict[str, Sequence[Row]] = {}
    for split in _splits(manifest, where):
        parquet, lines = folder / f"{split}.parquet", folder / f"{split}.jsonl"
        if parquet.is_file():
            rows_by_split[split] = ParquetRows(parquet)
        elif lines.is_file():
            rows_by_split[split] = JsonLinesRows(lines)
    if not rows_by_split:
        raise FileNotFoundError(
            f"{folder} holds none of {', '.join(f'{split}.parquet' for split in SPLITS)} (or .jsonl); "
            "write the splits there first"
        )
    rejected_path = folder / "rejected.jsonl"
    return build_report(
        rows_by_split,
        title=folder.resolve().name if title is None else title,
        ledger_counts=_part(manifest, "counts", where),
        rejected=_rejected_rows(rejected_path) if rejected_path.is_file() else (),
        changes_examples=mappings_of(manifest, "changes_examples", where),
        duplicates=_part(manifest, "duplicates", where),
        quality=_part(manifest, "quality", where),
        leaks=_part(manifest, "leaks", where),
        budgets=_part(manifest, "budgets", where),
        tokenizer=tokenizer,
        formatter=formatter,
        samples=samples,
        token_rows=token_rows,
        seed=seed,
        language=language,
    )


def _manifest(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON: {error}. Write it anew, or delete it") from error
    return check_mapping(content, str(path))


def _splits(manifest: Mapping[str, Any], where: str) -> list[str]:
    """Return the names of the splits: the usual ones, then others that the manifest names."""
    named = [name for name in mapping_of(manifest, "splits", where) if name.isidentifier()]
    return list(dict.fromkeys((*SPLITS, *named)))


def _part(manifest: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any] | None:
    """Return a part of the manifest; None, which is "not looked for", where it has none."""
    return None if manifest.get(key) is None else mapping_of(manifest, key, where)


def _rejected_rows(path: Path) -> Iterator[RejectedRow]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            values = check_mapping(parsed(path, number, line), f"{path}, line {number}")
            row_number, reason = values.get("row_number"), values.get("reason")
            if not isinstance(row_number, int) or not isinstance(reason, str):
                raise ValueError(
                    f"{path}, line {number} has no 'row_number' and 'reason'; it is not as the "
                    "ledger writes it. Delete it, or write it anew"
                )
            texts = {
                name: values[name]
                for name in ("remedy", "stage", "source", "detail")
                if isinstance(values.get(name), str)
            }
            field = values.get("field")
            yield RejectedRow(
                row_number,
                None if field is None else str(field),
                values.get("value"),
                reason,
                **texts,
            )
