"""What is different here and now from what a run was made with: data, base model, code, versions, machine.

Files and folders are looked up by the path in the record, from the folder that the command runs in. Nothing is
downloaded. What cannot be compared here is said, too: rows that a script made in memory are compared by running it
again and `bitsft runs compare`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bitsft.runs.base_model import describe_model
from bitsft.runs.contents import describe_data
from bitsft.runs.machine import code_state, hardware, installed_versions
from bitsft.runs.record import RunRecord

Verdict = Literal["same", "different", "unknown"]


@dataclass(frozen=True)
class Finding:
    """One thing that was compared.

    Attributes:
        what: E.g. "versions.torch".
        verdict: Whether it is the same here.
        said: What was and what is, in words.
    """

    what: str
    verdict: Verdict
    said: str


def check_run(run: RunRecord) -> list[Finding]:
    """Compare a record with what is here now.

    Args:
        run: The record.

    Returns:
        One finding a thing, in the order of data, base model, code, versions, machine.
    """
    found = [_data(one) for entry in run.data for one in _files_of(entry)]
    if run.base_model:
        found.append(_base_model(run.base_model))
    found += _code(run)
    found += _pairs("versions", run.versions, dict(installed_versions()))
    now = hardware()
    names = [name for name in ("cpu", "cores", "threads", "gpus", "os") if name in run.hardware]
    # `threads` is known only where torch is loaded, which a look at a record need not do.
    then: dict[str, Any] = {name: run.hardware[name] for name in names if name in now}
    return found + _pairs("machine", then, {name: now[name] for name in then})


def _files_of(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """What an evaluation names as a whole was read from files of their own."""
    files = entry.get("files")
    if not isinstance(files, list) or not files or not all(isinstance(one, dict) for one in files):
        return [entry]
    whole = Path(str(entry.get("name")))
    if whole.is_file() and len(files) == 1:
        return [{**files[0], "name": str(whole)}]
    return [{**one, "name": str(whole / str(one.get("name")))} for one in files]


def _data(entry: dict[str, Any]) -> Finding:
    name = entry.get("name")
    what = f"data: {name or entry.get('role', '?')}"
    keys = ["manifest_sha256", *(["sha256"] if "bytes" in entry else [])]  # else it is of the rows
    key = next((k for k in keys if entry.get(k)), None)
    if key is None:
        why = "its rows were made by the program; run it again and compare the two records"
        return Finding(what, "unknown", str(entry.get("why", why)))
    if not Path(str(name)).exists():
        return Finding(what, "unknown", "is not here under this path")
    now = describe_data(str(name)).get(key)
    if now == entry[key]:
        return Finding(what, "same", f"sha256 {str(now)[:12]}…")
    return Finding(what, "different", f"sha256 was {entry[key][:12]}…, is {str(now)[:12]}…")


def _base_model(model: dict[str, Any]) -> Finding:
    name = model.get("name")
    what = f"base model: {name or model.get('class', '?')}"
    files = model.get("files")
    if not isinstance(files, dict):
        return Finding(
            what, "unknown", str(model.get("why", "was no folder; run it again and compare"))
        )
    now = describe_model(str(name))
    if "files" not in now:
        return Finding(what, "unknown", "is not here under this path")
    changed = sorted(
        file for file in files.keys() | now["files"].keys() if files.get(file) != now["files"].get(file)
    )  # fmt: skip
    if model.get("folder_config_sha256") != now.get("folder_config_sha256"):
        changed.append("config.json")
    if changed:
        return Finding(what, "different", f"changed since: {', '.join(changed)}")
    return Finding(what, "same", f"{len(files)} files of weights and config.json")


def _code(run: RunRecord) -> list[Finding]:
    if not run.code.get("commit"):
        return []
    now = code_state()
    then, here = str(run.code["commit"])[:12], str(now.get("commit", "no repository"))[:12]
    if run.code.get("changed"):
        return [
            Finding(
                "code", "unknown", f"was {then} with changes that were not committed; is {here}"
            )
        ]
    if now.get("commit") != run.code["commit"] or now.get("changed"):
        more = ", with changes that are not committed" if now.get("changed") else ""
        return [Finding("code", "different", f"was {then}, is {here}{more}")]
    return [Finding("code", "same", then)]


def _pairs(group: str, then: dict[str, Any], now: dict[str, Any]) -> list[Finding]:
    found = []
    for name, value in then.items():
        here = now.get(name)
        if value == here:
            found.append(Finding(f"{group}.{name}", "same", _short(value)))
        else:
            said = f"was {_short(value)}, is {'not here' if here is None else _short(here)}"
            found.append(Finding(f"{group}.{name}", "different", said))
    return found


def _short(value: Any) -> str:
    if isinstance(value, list):
        return (
            ", ".join(str(v.get("name", v)) if isinstance(v, dict) else str(v) for v in value)
            or "none"
        )
    return str(value)
