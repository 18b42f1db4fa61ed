"""`run.json`: what a training, an evaluation or a comparison was made from, how, and with what result.

| key | holds |
|---|---|
| form | the version of this form, 1 |
| id | start in UTC and four random digits, e.g. `20260703-091500-3fa2`; stays with the run |
| kind, name | `train`, `eval` or `compare`; a name, by default the folder's |
| status | `running`, `finished`, `failed` or `interrupted`; a run that was killed stays `running` |
| started, ended | UTC, ISO 8601; the first start and the last end where it was resumed |
| goal, notes | the user's own words (`bitsft runs note`) |
| data | role, name, rows and content hash of each data set (`contents.py`) |
| base_model | name, hash of the config, identity of the weights (`base_model.py`) |
| settings | groups of settings by name, JSON-safe, without secrets (`settings.py`) |
| command, seed | the command line, without secrets; the seed |
| versions, code, hardware | packages; git commit and whether it was changed; the machine (`machine.py`) |
| time, memory | seconds, rates; bytes at the peak |
| result | losses, `scores` by task and metric, every evaluation |
| parents | the runs whose models or answers this one started from: role, id, name, folder |
| sessions | one entry a start: a run that was resumed has several |

What could not be found out is a sentence in its place, never a reason to fail. Paths stand as the user gave
them. The file is read whole and written atomically (`bitsft.data.common.atomic`).

Limits: the record says how a run was made; whether the same numbers come out again depends on the machine,
the versions and the number of threads, which it holds.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from bitsft.data.common.atomic import atomic_path

Kind = Literal["train", "eval", "compare"]
Status = Literal["running", "finished", "failed", "interrupted"]

RUN = "run.json"
FORM = 1


@dataclass
class RunRecord:
    """One run. The attributes are the keys of `run.json`; see the module.

    Attributes:
        path: The file that it was read from or written to; not part of the record.
        others: Keys of the file that this version does not know; they are kept.
    """

    id: str
    kind: Kind
    name: str
    status: Status
    started: str
    ended: str | None = None
    goal: str = ""
    notes: list[str] = field(default_factory=list)
    data: list[dict[str, Any]] = field(default_factory=list)
    base_model: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)
    seed: int | None = None
    versions: dict[str, Any] = field(default_factory=dict)
    code: dict[str, Any] = field(default_factory=dict)
    hardware: dict[str, Any] = field(default_factory=dict)
    time: dict[str, Any] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)
    parents: list[dict[str, Any]] = field(default_factory=list)
    sessions: list[dict[str, Any]] = field(default_factory=list)
    path: Path | None = None
    others: dict[str, Any] = field(default_factory=dict)

    @property
    def scores(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Task -> metric -> `value`, and where known `before`, `low`, `high`, `signature`, `goal`, `rows`."""
        found = self.result.get("scores", {})
        return found if isinstance(found, dict) else {}

    def as_dict(self) -> dict[str, Any]:
        """The record as it stands in the file."""
        own = {name: getattr(self, name) for name in _KEYS}
        return {"form": FORM, **own, **self.others}


_KEYS = tuple(f.name for f in fields(RunRecord) if f.name not in ("path", "others"))
_TEXTS = ("id", "kind", "name", "status", "started", "goal")
_LISTS = ("notes", "data", "command", "parents", "sessions")
_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(_KEYS, (dict,)),
    **dict.fromkeys(_TEXTS, (str,)),
    **dict.fromkeys(_LISTS, (list,)),
    "ended": (str, type(None)),
    "seed": (int, type(None)),
}


def read_run(path: str | os.PathLike[str]) -> RunRecord:
    """Read a record.

    Args:
        path: The file, or the folder in which `run.json` is.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is no record of this form; the message says what is wrong with it.
    """
    file = Path(path)
    if file.is_dir():
        file = file / RUN
    if not file.is_file():
        raise FileNotFoundError(f"{file}: there is no such file, so no run was recorded here")
    try:
        found = json.loads(file.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{file}: is no JSON in UTF-8 ({error}). It was damaged, and can be deleted"
        ) from error
    if not isinstance(found, dict) or "form" not in found or "kind" not in found:
        raise ValueError(f"{file}: is not the record of a run")
    if found["form"] != FORM:
        raise ValueError(
            f"{file}: has form {found['form']!r}, this version reads {FORM}. Update bitsft"
        )
    _check(found, file)
    own = {key: value for key, value in found.items() if key in _KEYS}
    others = {key: value for key, value in found.items() if key not in _KEYS and key != "form"}
    return RunRecord(**own, path=file, others=others)


def write_run(record: RunRecord, path: str | os.PathLike[str] | None = None) -> None:
    """Write a record, atomically.

    Args:
        record: The record.
        path: The file; default: where it was read from or written to before.

    Raises:
        ValueError: No path is known, or the record holds what JSON has no form for.
        OSError: The file cannot be written.
    """
    target = record.path if path is None else Path(path)
    if target is None:
        raise ValueError(f"run {record.id}: was never written; give a path")
    text = json.dumps(record.as_dict(), ensure_ascii=False, indent=1, allow_nan=False)
    with atomic_path(target) as part:
        part.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
    record.path = target


def _check(found: Mapping[str, Any], file: Path) -> None:
    for name in ("id", "kind", "name", "status", "started"):
        if name not in found:
            raise ValueError(f'{file}: has no "{name}"')
    for name, types in _TYPES.items():
        if name in found and not isinstance(found[name], types):
            raise ValueError(
                f'{file}: "{name}" is {type(found[name]).__name__}, not {types[0].__name__}'
            )
    for name, allowed in (("kind", get_args(Kind)), ("status", get_args(Status))):
        if found[name] not in allowed:
            raise ValueError(
                f'{file}: "{name}" is {found[name]!r}, which is none of {", ".join(allowed)}'
            )
    for name in ("data", "parents", "sessions"):
        if not all(isinstance(entry, dict) for entry in found.get(name, [])):
            raise ValueError(f'{file}: "{name}" holds an entry that is no object')
    for name in ("notes", "command"):
        if not all(isinstance(entry, str) for entry in found.get(name, [])):
            raise ValueError(f'{file}: "{name}" holds an entry that is no text')
    scores = found.get("result", {}).get("scores", {})
    are_scores = isinstance(scores, dict) and all(
        isinstance(metrics, dict) and all(isinstance(score, dict) for score in metrics.values())
        for metrics in scores.values()
    )
    if not are_scores:
        raise ValueError(f'{file}: "result" holds scores that are not task -> metric -> value')
