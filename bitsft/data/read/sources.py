"""What a source is: a file, a folder of files, a list of them, a Hub data set, an object of `datasets`.

The end of a file's name tells its format; .gz, .bz2 and .xz may follow it where the file is text.

In a folder, files are read in the order of their names, those of its subfolders too. Left out, and logged, is
what is not data: hidden files (a name that starts with "."), a README, a licence, a manifest, the
rejected rows of an earlier run. A file with an unknown ending is logged as a warning.

A name is found on disk in NFC and NFD alike: macOS writes Korean names in NFD.
"""

import logging
import os
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bitsft.data.read.charset import COMPRESSED, text_file
from bitsft.data.read.faults import Fault, Row
from bitsft.data.read.hub import is_dataset, pick_split, read_dataset, read_hub
from bitsft.data.read.json_lines import read_json_lines
from bitsft.data.read.json_rows import read_json
from bitsft.data.read.options import Options
from bitsft.data.read.parquet import read_parquet
from bitsft.data.read.plain_text import read_plain_text
from bitsft.data.read.table import read_table

logger = logging.getLogger(__name__)

SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".ndjson", ".txt")

_TEXT_OPTIONS = frozenset({"encoding"})
_TABLE_OPTIONS = frozenset({"encoding", "header", "delimiter", "quoted"})
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
# Files that stand beside data: descriptions, and what `datasets` and bitsft write next to rows.
_NOT_DATA = re.compile(
    r"(readme|licen[cs]e|notice|changelog)(\..*)?|.*\.(md|rst|license)|requirements\.txt|"
    r"(.*[._-])?manifest\.json|(dataset_infos?|dataset_dict|state)\.json|(.*\.)?rejected\.jsonl|"
    r"near_duplicates\.jsonl|report\.html",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Source:
    """One file or data set.

    Attributes:
        name: As the user named it.
        read: Starts to read it.
        what: What it is, for messages.
        uses: The options that mean something for it.
        has_fixed_columns: Whether each row has the columns of the first one.
    """

    name: str
    read: Callable[[], Iterator[Row | Fault]]
    what: str
    uses: frozenset[str]
    has_fixed_columns: bool = False


def find_sources(source: Any, options: Options) -> list[Source]:
    """Return what is to be read, in order.

    Args:
        source: A path, a Hub id, a list of these, or an object of `datasets`.
        options: The caller's options.

    Raises:
        FileNotFoundError: When there is no such file, and the name is no Hub id either.
        ValueError: When a file's format cannot be told, a folder holds no data, a file is named twice, or an
            option does not apply to anything that is read.
    """
    if is_dataset(source):
        dataset = pick_split(source, options.split)
        read = partial(read_dataset, dataset, "")
        found = [Source("", read, f"a {type(source).__name__}", frozenset({"split"}), True)]
        _refuse_unused(found, options)
        return found
    paths = source if isinstance(source, list | tuple) else [source]
    found = [each for path in paths for each in _named(path, options)]
    seen: set[str] = set()
    for each in found:
        place = os.path.realpath(each.name)
        if place in seen:
            raise ValueError(f"{each.name}: is named more than once, so its rows would be doubled")
        seen.add(place)
    _refuse_unused(found, options)
    return found


def _named(source: str | os.PathLike[str], options: Options) -> list[Source]:
    name = os.fspath(source)
    path = _on_disk(Path(name))
    if name and path.is_dir():
        return [_file(file, options) for file in _files_in(name, path)]
    if path.is_file():
        return [_file(path, options, name)]
    if isinstance(source, str) and _names_the_hub(source):
        read = partial(
            read_hub, source, options.split or "train", options.config, bool(options.streaming)
        )
        uses = frozenset({"split", "config", "streaming"})
        return [Source(source, read, f"the Hub data set {source!r}", uses, True)]
    raise FileNotFoundError(
        f"{name}: no such file. Give a folder, a path ending in one of {', '.join(SUFFIXES)}, or a "
        "Hub data set as 'owner/name'"
    )


def _names_the_hub(name: str) -> bool:
    path = Path(name)
    is_file_name = _format_of(path.name) in SUFFIXES or path.parent.is_dir()
    return not is_file_name and _HUB_ID.fullmatch(name) is not None


def _format_of(name: str) -> str:
    """The ending that tells the format, e.g. ".csv" of "a.CSV.gz"."""
    stem, end = os.path.splitext(name.lower())
    return os.path.splitext(stem)[1] if end in COMPRESSED else end


def _file(path: Path, options: Options, name: str | None = None) -> Source:
    name = str(path) if name is None else name
    suffix = _format_of(path.name)
    local = f"the local file {name}"
    if suffix == ".parquet" and path.suffix.lower() == suffix:
        read: Any = partial(read_parquet, str(path), name)
        return Source(name, read, f"the Parquet file {name}", frozenset(), True)
    if suffix not in SUFFIXES or suffix == ".parquet":
        raise ValueError(
            f"{name}: the name must end in one of {', '.join(SUFFIXES)} to tell the format; "
            f"all but .parquet may be compressed ({', '.join(COMPRESSED)})"
        )

    def text() -> Any:
        return text_file(str(path), name, options.encoding)

    if suffix in (".csv", ".tsv"):

        def table() -> Iterator[Row | Fault]:
            return read_table(
                text(),
                is_tsv=suffix == ".tsv",
                header=options.header,
                delimiter=options.delimiter,
                quoted=options.quoted,
            )

        return Source(name, table, local, _TABLE_OPTIONS, True)
    if suffix == ".json":
        uses = _TEXT_OPTIONS | {"rows_under"}
        return Source(
            name, lambda: read_json(text(), options.rows_under), f"the JSON file {name}", uses
        )
    if suffix == ".txt":
        return Source(name, lambda: read_plain_text(text()), local, _TEXT_OPTIONS, True)
    return Source(name, lambda: read_json_lines(text()), f"the JSON file {name}", _TEXT_OPTIONS)


def _files_in(name: str, folder: Path) -> list[Path]:
    """The data files in a folder, and a line in the log for the others."""
    data: list[Path] = []
    left_out: list[str] = []
    unknown: list[str] = []
    for path in _sorted_files(folder):
        inside = path.relative_to(folder)
        hidden = any(part.startswith((".", "~$", "__MACOSX")) for part in inside.parts)
        if hidden or _NOT_DATA.fullmatch(path.name):
            left_out.append(str(inside))
        elif _format_of(path.name) not in SUFFIXES:
            unknown.append(str(inside))
        else:
            data.append(path)
    if left_out:
        logger.info("%s: not data, left out: %s", name, _listed(left_out))
    if unknown:
        logger.warning("%s: left out, with an unknown ending: %s", name, _listed(unknown))
    if not data:
        beside = f"; left out are {_listed(left_out + unknown)}" if left_out or unknown else ""
        raise ValueError(
            f"{name}: the folder holds no file ending in one of {', '.join(SUFFIXES)}{beside}"
        )
    return data


def _sorted_files(folder: Path) -> Iterator[Path]:
    """All files below a folder, in an order that does not depend on the disk; folder by folder."""

    def order(name: str) -> tuple[str, str]:
        return unicodedata.normalize("NFC", name), name

    def refuse(error: OSError) -> None:
        raise error  # os.walk leaves out without a word what it may not read

    for place, folders, files in os.walk(folder, onerror=refuse):
        folders.sort(key=order)
        for file in sorted(files, key=order):
            path = Path(place, file)
            if path.is_file():
                yield path


def _listed(names: list[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _on_disk(path: Path) -> Path:
    """The path as the disk has it, where only the Unicode form of a name differs."""
    if str(path).isascii() or path.exists():
        return path
    parent = _on_disk(path.parent)
    wanted = unicodedata.normalize("NFC", path.name)
    if parent.is_dir():
        for name in sorted(os.listdir(parent)):
            if unicodedata.normalize("NFC", name) == wanted:
                return parent / name
    return path


def _refuse_unused(found: list[Source], options: Options) -> None:
    used = {name for each in found for name in each.uses}
    unused = [f"{name}=" for name in options.given() if name not in used]
    if unused:
        what = found[0].what if len(found) == 1 else "any of these files"
        raise ValueError(f"{', '.join(unused)} does not apply to {what}; leave it out")
