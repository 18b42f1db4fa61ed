"""Finding runs below folders, and naming one of them.

Records are files called `run.json`, or `run.*.json` beside one (`recorder.py` says when). They are numbered
#001, #002, ... by their start within what is listed, so a number is only good for the same folders; the id
stays with the run. A file that cannot be read is reported, and the others are listed.
"""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from bitsft.runs.record import RunRecord, read_run

_SKIPPED = frozenset({".git", ".venv", "node_modules", "__pycache__"})


def list_runs(
    folders: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] = ".",
    damaged: list[str] | None = None,
) -> list[RunRecord]:
    """Read every record in and below folders; copies of one, as `bitsft patch` makes them, are one run.

    Args:
        folders: One folder or several; a record's own file is taken, too.
        damaged: Gets a sentence for each file that is called like a record and cannot be read as one.

    Returns:
        The runs by their start, the earliest first; number n of the list is #n+1.

    Raises:
        FileNotFoundError: A folder does not exist.
    """
    if isinstance(folders, str | os.PathLike):
        folders = [folders]
    found: dict[Path, RunRecord] = {}
    for folder in folders:
        for file in record_files(Path(folder)):
            try:
                record = read_run(file)
            except (OSError, ValueError) as error:
                if damaged is not None:
                    damaged.append(str(error))
                continue
            found[Path(os.path.realpath(file))] = record
    ordered = sorted(found.values(), key=lambda run: (run.started, run.id, _is_elsewhere(run)))
    runs: dict[str, RunRecord] = {}
    for run in ordered:
        runs.setdefault(json.dumps(run.as_dict(), sort_keys=True), run)
    return list(runs.values())


def _is_elsewhere(run: RunRecord) -> tuple[bool, str]:
    """Of equal records the one in the folder that the run was named after comes first."""
    return run.path is None or run.path.resolve().parent.name != run.name, str(run.path)


def record_files(folder: Path) -> list[Path]:
    """The files called like records in and below a folder, in order.

    Raises:
        FileNotFoundError: When it does not exist.
    """
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: there is no such folder")
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED)
        found += [
            Path(place, name)
            for name in sorted(files)
            if name == "run.json" or (name.startswith("run.") and name.endswith(".json"))
        ]
    return found


def find_run(wanted: str, folders: Sequence[str | os.PathLike[str]] = (".",)) -> RunRecord:
    """The run that a user means.

    Args:
        wanted: A folder or file with a record; or, of the runs below `folders`, a number ("#3", "003"), an
            id or its beginning, or a name that only one has.
        folders: Where to look.

    Raises:
        FileNotFoundError: No run is meant by it.
        ValueError: Several are, or the record is damaged.
    """
    path = Path(wanted)
    if path.is_file() or (path.is_dir() and (path / "run.json").exists()):
        return read_run(path)
    runs = list_runs(folders)
    number = wanted.removeprefix("#")
    if number.isascii() and number.isdigit():
        if len(number) < 8 and 1 <= int(number) <= len(runs):
            return runs[int(number) - 1]
        if wanted.startswith("#"):
            raise FileNotFoundError(
                f"{wanted}: there are {len(runs)} runs below {_named(folders)}; see `bitsft runs`"
            )
    for found in (
        [run for run in runs if run.id == wanted],
        [run for run in runs if run.name == wanted],
        [run for run in runs if len(wanted) >= 4 and run.id.startswith(wanted)],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            raise ValueError(
                f"{wanted}: is what {len(found)} runs are called: {', '.join(run.id for run in found)}. Give an id"
            )
    raise FileNotFoundError(
        f"{wanted}: no folder with a run.json, and no run of that number, id or name below {_named(folders)}"
    )


def _named(folders: Sequence[str | os.PathLike[str]]) -> str:
    return ", ".join("this folder" if str(folder) == "." else str(folder) for folder in folders)
