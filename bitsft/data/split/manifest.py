"""`manifest.json`: what a folder of splits was made from, how, and with what result.

| key | holds |
|---|---|
| manifest | the version of this form, 1 |
| name, licence, language | as given |
| inputs | name, sha256, bytes of each file read, and how many of its rows are in the splits |
| outputs | name, sha256, bytes and rows of each file written (no rows for the card) |
| counts | rows in, added, out, rejected and changed by all stages (`Ledger.as_dict`) |
| splits | rows, tasks, labels and lengths of each split (`Summary`) |
| split | ratios, groups and strata, wanted and got (`SplitReport`) |
| leaks | what the splits share (`LeakReport`) |
| settings | the settings of each stage |
| duplicates, ... | what stages before found, as they tell it |
| versions | of Python, bitsft and the packages used |

It holds no time, no absolute path and no name of a machine: the same inputs, settings and versions give
the same bytes. It is written last, so a folder without it is not complete; while a folder is being
written, `.incomplete` lists the files to come.
"""

import hashlib
import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
INCOMPLETE = ".incomplete"
FORM = 1
_PACKAGES = ("datasets", "numpy", "pyarrow", "pydantic")


def hashed(path: Path) -> dict[str, Any]:
    """Return the sha256 and the size of a file."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
            size += len(block)
    return {"sha256": digest.hexdigest(), "bytes": size}


def input_entries(
    sources: Mapping[str, int], inputs: Iterable[str | os.PathLike[str]] = ()
) -> list[dict[str, Any]]:
    """Describe the inputs: files by name, hash and size; what is no file, e.g. a Hub id, by name.

    Args:
        sources: The records' sources and how many rows each gave.
        inputs: Further files that were read, or those whose name is no record's source.

    Raises:
        FileNotFoundError: When one of `inputs` does not exist.
    """
    files: dict[Path, int] = {}
    others: dict[str, int] = {}
    for source, rows in sources.items():
        if os.path.isfile(source):
            path = Path(os.path.abspath(source))
            files[path] = files.get(path, 0) + rows
        else:
            others[source] = rows
    for name in inputs:
        path = Path(name)
        if not path.is_file():
            raise FileNotFoundError(f"inputs names {name}, which is no file")
        files.setdefault(Path(os.path.abspath(path)), 0)
    folder = Path(os.path.commonpath([path.parent for path in files])) if files else Path()
    entries = [
        {"name": path.relative_to(folder).as_posix(), **hashed(path), "rows_kept": rows}
        for path, rows in files.items()
    ]
    entries += [
        # Not a file that is there, so only the last part of what may be a path on this machine.
        {"name": Path(source).name if Path(source).is_absolute() else source, "rows_kept": rows}
        for source, rows in others.items()
        if source
    ]
    return sorted(entries, key=lambda entry: (entry["name"], entry.get("sha256", "")))


def versions(packages: Sequence[str] = ()) -> dict[str, str]:
    """The versions of Python, bitsft, and the packages that take part.

    Raises:
        ValueError: When one of `packages` is not installed.
    """
    import bitsft

    found = {"python": platform.python_version(), "bitsft": bitsft.__version__}
    for name in sorted({*_PACKAGES, *packages}):
        try:
            found[name] = version(name)
        except PackageNotFoundError as error:
            raise ValueError(f"packages names {name!r}, which is not installed") from error
    return found


def as_json(manifest: Mapping[str, Any]) -> bytes:
    """Return the manifest's bytes.

    Raises:
        ValueError: When the settings hold something that JSON has no form for.
    """
    try:
        text = json.dumps(manifest, ensure_ascii=False, indent=2, allow_nan=False)
        return (text + "\n").encode("utf-8")
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"the settings cannot be written to {MANIFEST}: {error}. Give texts, numbers, lists and "
            "dicts, and names instead of functions"
        ) from error


def read_manifest(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the manifest of a folder.

    Raises:
        FileNotFoundError: When there is none.
        ValueError: When the run that wrote the folder did not finish, or the file is no manifest.
    """
    path = Path(folder) / MANIFEST
    if (Path(folder) / INCOMPLETE).exists():
        raise ValueError(f"{folder}: a run was stopped while it wrote here. Write the folder again")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file, so this is no folder of splits")
    try:
        manifest = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: is no JSON ({error}). Write the folder again") from error
    if not isinstance(manifest, dict) or manifest.get("manifest") != FORM:
        raise ValueError(f"{path}: is no manifest of form {FORM}")
    outputs = manifest.get("outputs")
    are_entries = isinstance(outputs, list) and all(
        isinstance(entry, dict) and isinstance(entry.get("name"), str) for entry in outputs
    )
    if not are_entries:
        raise ValueError(f"{path}: does not list its outputs. Write the folder again")
    return manifest


def verify_manifest(folder: str | os.PathLike[str]) -> list[str]:
    """Compare the files of a folder with its manifest.

    Returns:
        A sentence for each file that is missing or was changed; none when all is as written.

    Raises:
        FileNotFoundError: When there is no manifest.
        ValueError: When the run that wrote the folder did not finish, or the file is no manifest.
    """
    found = []
    for entry in read_manifest(folder)["outputs"]:
        path = Path(folder) / entry["name"]
        if not path.is_file():
            found.append(f"{entry['name']} is missing")
            continue
        now = hashed(path)
        if now["sha256"] != entry.get("sha256"):
            found.append(
                f"{entry['name']} was changed: {entry.get('bytes')} bytes were written, "
                f"{now['bytes']} are there"
                + (", and they differ" if now["bytes"] == entry.get("bytes") else "")
            )
    return found
