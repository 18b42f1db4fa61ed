"""`read_rows`: a local CSV, TSV, JSON, JSONL or Parquet file, or a Hub data set -> raw rows.

Rows come back as they stand in the file, as plain dicts: checking them is the formatters' work.
What cannot be read is an error that names the file and the line; only blank lines are skipped.

- Text is UTF-8, with or without a byte order mark, or else CP949 (Korean Windows), tried strictly
  in this order. There is no guessing beyond it: `encoding=` names any other.
- CSV fields may be quoted with `"`, and hold commas and line breaks then. TSV fields may not, as
  its media type has it (IANA text/tab-separated-values): Korean sets such as KoBEST and KorSTS hold
  stray quotes. `quoted=` says otherwise.
- `.json` is a list of objects or, as on the Hub, one object a line; `.jsonl` is one object a line.

Limits: the file is read whole; a CSV field holds at most 131,072 characters (`csv`'s limit).
"""

import csv
import io
import json
import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bitsft.data.fields import shorten

logger = logging.getLogger(__name__)

Row = dict[str, Any]

_SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".parquet")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_BOM = b"\xef\xbb\xbf"


def read_rows(
    path_or_hub_id: str | os.PathLike[str],
    *,
    columns: Mapping[str, str] | None = None,
    header: Sequence[str] | None = None,
    encoding: str | None = None,
    quoted: bool | None = None,
    split: str | None = None,
    config: str | None = None,
) -> list[Row]:
    """Read raw rows from a file or from the Hugging Face Hub.

    Args:
        path_or_hub_id: A file whose name ends in .csv, .tsv, .json, .jsonl or .parquet; or a Hub
            data set, `"owner/name"`, which is the one case that uses the network. What looks like
            both is a file when its folder exists.
        columns: New names, `{new: name in the file}`, e.g. `{"instruction": "Q", "output": "A"}`.
            Columns that are not named keep their own.
        header: The columns' names, for a CSV or TSV file that has no header line.
        encoding: Of a text file, e.g. `"utf-16"`. None tries UTF-8, then CP949.
        quoted: Whether fields may be quoted. None means yes for CSV, no for TSV.
        split: The part of a Hub data set to read. None means `"train"`.
        config: The configuration of a Hub data set, e.g. `"boolq"`. None for its default.

    Returns:
        One dict for each row, in the file's order. CSV and TSV values are texts.

    Raises:
        FileNotFoundError: When there is no such file, and the name is no Hub id either.
        ValueError: For text in no known encoding (with the byte), a broken line (with its number),
            an empty file, an unknown column, or an option that this kind of file has no use for.
    """
    path = Path(path_or_hub_id)
    suffix = path.suffix.lower()
    options = {"header": header, "encoding": encoding, "quoted": quoted}
    if not path.is_file():
        if not isinstance(path_or_hub_id, str) or not _names_the_hub(path_or_hub_id):
            raise FileNotFoundError(
                f"{path}: no such file. Give a path ending in one of {', '.join(_SUFFIXES)}, or a "
                "Hub data set as 'owner/name'"
            )
        _refuse(options, f"the Hub data set {path_or_hub_id!r}")
        rows = _read_hub(path_or_hub_id, split or "train", config)
    else:
        options |= {"split": split, "config": config}
        if suffix == ".parquet":
            _refuse(options, f"the Parquet file {path}")
            rows = _read_parquet(path)
        elif suffix in (".json", ".jsonl"):
            del options["encoding"]
            _refuse(options, f"the JSON file {path}")
            rows = _read_json(path, _decode(path, encoding), lines=suffix == ".jsonl")
        elif suffix in (".csv", ".tsv"):
            _refuse({"split": split, "config": config}, f"the local file {path}")
            text = _decode(path, encoding)
            is_tsv = suffix == ".tsv"
            rows = _read_table(path, text, is_tsv, not is_tsv if quoted is None else quoted, header)
        else:
            raise ValueError(
                f"{path}: the name must end in one of {', '.join(_SUFFIXES)} to tell the format"
            )
    if not rows:
        raise ValueError(f"{path_or_hub_id}: holds no rows")
    return _rename(rows, columns, path_or_hub_id) if columns else rows


def _names_the_hub(name: str) -> bool:
    path = Path(name)
    is_file_name = path.suffix.lower() in _SUFFIXES or path.parent.is_dir()
    return not is_file_name and _HUB_ID.fullmatch(name) is not None


def _refuse(options: Mapping[str, Any], what: str) -> None:
    given = [f"{name}=" for name, value in options.items() if value is not None]
    if given:
        raise ValueError(f"{', '.join(given)} does not apply to {what}; leave it out")


def _decode(path: Path, encoding: str | None) -> str:
    """Return the file's text; strictly UTF-8, then CP949, or the encoding that the user names."""
    data = path.read_bytes()
    if encoding is not None:
        try:
            return data.decode(encoding).removeprefix("\ufeff")
        except (UnicodeDecodeError, LookupError) as error:
            raise ValueError(
                f"{path}: cannot be read with encoding={encoding!r}: {error}"
            ) from error
    start = len(_BOM) if data.startswith(_BOM) else 0
    try:
        return data[start:].decode("utf-8")
    except UnicodeDecodeError as error:
        at = start + error.start
        line = data.count(b"\n", 0, at) + 1
        place = f"byte {at} (0x{data[at]:02x}, line {line})"
        not_utf8 = error
    if not start:  # a byte order mark promises UTF-8, so nothing else is tried after it
        try:
            text = data.decode("cp949")
        except UnicodeDecodeError as error:
            place += f", nor CP949, at byte {error.start} (0x{data[error.start]:02x})"
        else:
            logger.warning("%s is not UTF-8 (%s): read as CP949", path, place)
            return text
    raise ValueError(
        f"{path}: not UTF-8, at {place}. Save it as UTF-8, or name its encoding, "
        "e.g. encoding='utf-16'"
    ) from not_utf8


def _read_table(
    path: Path, text: str, is_tsv: bool, quoted: bool, header: Sequence[str] | None
) -> list[Row]:
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter="\t" if is_tsv else ",",
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        strict=True,
    )
    names = list(header) if header is not None else None
    rows: list[Row] = []
    try:
        for fields in reader:
            if not fields:
                continue  # a blank line
            if names is None:
                names = [name.strip() for name in fields]
                twice = sorted({name for name in names if names.count(name) > 1})
                if twice:
                    raise ValueError(f"{path}: the header line names {twice} more than once")
                continue
            if len(fields) != len(names):
                raise ValueError(
                    f"{path}, line {reader.line_num}: {len(fields)} fields where the header has "
                    f"{len(names)}, in {shorten(fields)}. "
                    + ("Check its quotes" if quoted else "Pass quoted=True if fields are quoted")
                )
            rows.append(dict(zip(names, fields, strict=True)))
    except csv.Error as error:
        raise ValueError(
            f"{path}, line {reader.line_num}: {error}. "
            + ("Pass quoted=False if quotes are plain characters there" if quoted else "Repair it")
        ) from error
    return rows


def _read_json(path: Path, text: str, lines: bool) -> list[Row]:
    if not lines and text.lstrip().startswith("["):
        try:
            rows = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(
                f"{path}, line {error.lineno}, column {error.colno}: not JSON ({error.msg})"
            ) from error
        for number, row in enumerate(rows):
            if not isinstance(row, dict):
                raise ValueError(f"{path}, row {number}: {shorten(row)} is not an object")
        return rows
    rows = []
    # Not splitlines(): it also splits at U+2028 and U+0085, which JSON texts may hold as they are.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(
                f"{path}, line {number}, column {error.colno}: not JSON ({error.msg}), in "
                f"{shorten(line)}. Each line must hold one whole object"
            ) from error
        if not isinstance(row, dict):
            raise ValueError(f"{path}, line {number}: {shorten(row)} is not an object")
        rows.append(row)
    return rows


def _read_parquet(path: Path) -> list[Row]:
    import pyarrow.parquet

    return pyarrow.parquet.read_table(path).to_pylist()


def _read_hub(name: str, split: str, config: str | None) -> list[Row]:
    from datasets import load_dataset

    return list(load_dataset(name, config, split=split))


def _rename(
    rows: list[Row], columns: Mapping[str, str], source: str | os.PathLike[str]
) -> list[Row]:
    found = dict.fromkeys(name for row in rows for name in row)
    for new, old in columns.items():
        if old not in found:
            raise ValueError(f"{source}: columns names {old!r}, but the file has {list(found)}")
        if new in found and new not in columns.values():
            raise ValueError(
                f"{source}: {old!r} cannot be renamed to {new!r}, which is a column already. "
                f"Rename that one too, e.g. columns={{..., {'old_' + new!r}: {new!r}}}"
            )
    taken = set(columns.values())
    return [
        {name: value for name, value in row.items() if name not in taken}
        | {new: row[old] for new, old in columns.items() if old in row}
        for row in rows
    ]
