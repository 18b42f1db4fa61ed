"""Which rows: a hash of a data set's content, of a file, of a prepared folder.

`rows_hash` is the sha256 over the rows' values in their order, and does not depend on how they are stored:
batches of 1,000 rows; within each the columns by name; of each column its kind, which values are missing,
and the values themselves (integers as int64, floats as float64, texts as lengths and UTF-8, lists as lengths
and their items, structs as their fields by name). So the same rows have the same hash whether they were made
from a list, read from a file, cut into other chunks, shuffled and put back, or stored as int32.

Cost: one pass, constant memory; docs/runs.md has the measurement. A stream (`IterableDataset`) is not read for it.
A file costs one pass as well; of files above 4 GiB only the size is known.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bitsft.data.split.manifest import MANIFEST, hashed
from bitsft.runs.settings import plain

_BATCH = 1000
_LARGEST_FILE = 4 * 2**30
_LARGEST_YAML = 64 * 2**10


def describe_data(data: Any, role: str = "data", name: str | None = None) -> dict[str, Any]:
    """Describe a data set for a record: what it is called, how many rows, which content.

    Args:
        data: A `datasets.Dataset`, rows as a list of dicts, a path to a file or to a folder that `bitsft data`
            wrote, the id of a Hub data set, or a description that is complete already (a dict with "role").
        role: What it is for: "train", "eval", ...
        name: What to call it; default: the path as given, or the name that `datasets` knows.

    Returns:
        `{"role", "name", ...}`: of rows `rows` and `rows_sha256`, of a file `sha256` and `bytes`, of a prepared
        folder `manifest_sha256`. What cannot be described has `why`.
    """
    if isinstance(data, Mapping) and "role" in data:
        return dict(data)
    entry: dict[str, Any] = {"role": role, "name": name}
    try:
        if isinstance(data, str | os.PathLike):
            entry["name"] = name or str(data)
            return {**entry, **_path(Path(data))}
        return {**entry, **_rows(data, name)}
    except Exception as error:  # a record must not end the run that it records
        return {**entry, "why": f"not described: {type(error).__name__}: {error}"[:300]}


def rows_hash(dataset: Any) -> str:
    """The sha256 of a `datasets.Dataset`'s rows; see the module."""
    state = hashlib.sha256()
    for table in dataset.with_format("arrow").iter(batch_size=_BATCH):
        state.update(table.num_rows.to_bytes(8, "little"))
        for column in sorted(table.column_names):
            _text(state, column)
            _column(state, table.column(column).combine_chunks())
    return state.hexdigest()


def files_named(command: Sequence[str]) -> list[dict[str, Any]]:
    """Describe the files and prepared folders that a command line names, e.g. `--data rows.csv`.

    Of a YAML file, which may hold the script's settings, the values are kept as well, without secrets.

    Args:
        command: The arguments without the program.
    """
    found: dict[str, dict[str, Any]] = {}
    for argument in command:
        option, equals, value = argument.partition("=")
        text = value if equals and option.startswith("-") else argument
        if not text or text in found or len(text) > 4096:
            continue
        try:
            path = Path(text)
            if path.is_file() or (path / MANIFEST).is_file():
                found[text] = describe_data(text, role="file")
                if path.suffix in (".yaml", ".yml") and path.stat().st_size <= _LARGEST_YAML:
                    found[text]["values"] = _yaml_values(path)
        except (OSError, ValueError):  # not a path at all, e.g. a text with a null character
            continue
    return list(found.values())


def _yaml_values(path: Path) -> Any:
    import yaml

    try:
        return plain(yaml.safe_load(path.read_text("utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        return f"not read: {type(error).__name__}"


def _path(path: Path) -> dict[str, Any]:
    if (path / MANIFEST).is_file():
        return {"manifest_sha256": hashed(path / MANIFEST)["sha256"]}
    if not path.is_file():
        return {
            "why": "a folder" if path.is_dir() else "no file here; perhaps the id of a data set"
        }
    size = path.stat().st_size
    if size > _LARGEST_FILE:
        return {"bytes": size, "why": f"not hashed: larger than {_LARGEST_FILE} bytes"}
    return hashed(path)


def _rows(data: Any, name: str | None) -> dict[str, Any]:
    from datasets import Dataset, IterableDataset

    if isinstance(data, IterableDataset):
        return {
            "name": name or _dataset_name(data),
            "why": "a stream, which was not read for its hash",
        }
    if not isinstance(data, Dataset):
        if not isinstance(data, Iterable) or isinstance(data, Mapping):
            return {"why": f"not described: {type(data).__name__}"}
        data = Dataset.from_list([dict(row) for row in data])
    return {
        "name": name or _dataset_name(data),
        "rows": len(data),
        "columns": list(data.column_names),
        "rows_sha256": rows_hash(data),
    }


def _dataset_name(dataset: Any) -> str | None:
    """What `datasets` knows: of a Hub data set its name, of loaded files the files' names."""
    info = dataset.info
    files = [Path(file).name for file in (info.download_checksums or {})]
    if info.dataset_name in (None, "json", "csv", "parquet", "text", "generator"):
        return ", ".join(files) or None
    return str(info.dataset_name)


def _text(state: Any, text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    state.update(len(data).to_bytes(8, "little") + data)


def _column(state: Any, array: Any) -> None:
    """Feed one Arrow array into the hash: kind, missing values, values."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    kind = array.type
    if pa.types.is_dictionary(kind):
        array = array.dictionary_decode()
        kind = array.type
    state.update(array.is_valid().cast(pa.uint8()).to_numpy(zero_copy_only=False).tobytes())
    if pa.types.is_null(kind):
        return  # all missing: as a column of any kind whose values are all missing
    if array.null_count == len(array):
        return
    if pa.types.is_boolean(kind) or (pa.types.is_integer(kind) and kind != pa.uint64()):
        _numbers(state, "integer", array.cast(pa.int64()), 0)
    elif pa.types.is_floating(kind):
        _numbers(state, "float", array.cast(pa.float64()), 0.0)
    elif _is_text(kind) or _is_bytes(kind):
        values = [value or b"" for value in array.cast(pa.large_binary()).to_pylist()]
        _text(state, "text" if _is_text(kind) else "bytes")
        state.update(b"".join(len(value).to_bytes(8, "little") for value in values))
        state.update(b"".join(values))
    elif (
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    ):
        _numbers(state, "list", pc.list_value_length(array).cast(pa.int64()), 0)
        _column(state, array.drop_null().flatten())
    elif pa.types.is_struct(kind):
        _text(state, "struct")
        names = [kind.field(number).name for number in range(kind.num_fields)]
        parts = dict(zip(names, array.flatten(), strict=True))  # missing where the struct is
        for name in sorted(names):
            _text(state, name)
            _column(state, parts[name])
    else:
        _text(state, str(kind))
        for value in array.to_pylist():
            _text(state, repr(value))


def _numbers(state: Any, kind: str, array: Any, missing: float) -> None:
    _text(state, kind)
    state.update(array.fill_null(missing).to_numpy(zero_copy_only=False).tobytes())


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_bytes(kind: Any) -> bool:
    import pyarrow as pa

    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
    )
