"""A run as an experiment sheet: goal, base model, data, settings, result, observations; text or Markdown.

The sheet's settings are those that were changed; `run.json` has them all. In Markdown all names and values are
escaped, so that a table stays one.
"""

import re
from collections.abc import Sequence

from bitsft.pages.columns import columns_of, padded
from bitsft.pages.visible import visible
from bitsft.runs import wording
from bitsft.runs.record import RunRecord
from bitsft.runs.text_table import text_table

Line = tuple[str, str]
_NOT_SHOWN = ("output_dir", "run_name")
_SPECIAL = re.compile(r"([\\`*\[\]<>|]|^[#+-]|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z]))")


def sheet(run: RunRecord) -> list[tuple[str, list[Line]]]:
    """The parts of the sheet, each with its title and its lines of name and value."""
    return [
        ("", _head(run)),
        ("Base model", _base_model(run)),
        ("Data", _data(run)),
        ("Settings", _settings(run)),
        ("Result", _result(run)),
        ("Machine", _machine(run)),
        ("Observations", [("", note) for note in run.notes]),
    ]


def title(run: RunRecord, number: int | None = None) -> str:
    """`Experiment #001: name`; without a number the id stands there."""
    return f"Experiment {run.id if number is None else f'#{number:03}'}: {run.name}"


def as_text(run: RunRecord, number: int | None = None, width: int | None = None) -> str:
    """The sheet for a terminal."""
    parts = [title(run, number)]
    for name, lines in sheet(run):
        if name:
            parts.append(f"\n{name}" + ("" if lines else "\n  (none)"))
        if name == "Observations":
            parts += [f"  {note}" for _, note in lines]
        elif lines:
            parts.append(_text_lines(lines))
    if run.scores:
        parts.append("\n" + score_table(run, width))
    return "\n".join(parts) + "\n"


def score_table(run: RunRecord, width: int | None = None) -> str:
    """The scores of a run for a terminal."""
    rows = [
        (
            task,
            metric,
            wording.plain_number(score.get("before")),
            wording.plain_number(score.get("value")),
            wording.plain_number(score.get("best")),
            str(score.get("signature", "")),
        )
        for task, metrics in run.scores.items()
        for metric, score in metrics.items()
    ]
    header = ("task", "score", "before", "value", "best", "signature")
    return text_table(header, rows, right={2, 3, 4}, width=width)


def as_markdown(run: RunRecord, number: int | None = None) -> str:
    """The sheet as Markdown."""
    parts = [f"# {escaped(title(run, number))}"]
    for name, lines in sheet(run):
        if name:
            parts.append(f"## {name}")
        if name == "Observations":
            parts.append("\n".join(f"- {escaped(note)}" for _, note in lines) or "- ")
        elif lines:
            parts.append(_markdown_table(("", ""), lines))
        if name == "Result" and run.scores:
            parts.append(_markdown_scores(run))
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """One line of Markdown that shows the text as it is."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _text_lines(lines: Sequence[Line]) -> str:
    widest = max(columns_of(name) for name, _ in lines)
    return "\n".join(f"  {padded(name, widest)}  {visible(value)}" for name, value in lines)


def _head(run: RunRecord) -> list[Line]:
    ended = f", ended {run.ended}" if run.ended else ""
    lines = [
        ("goal", run.goal or "(not written down: bitsft runs note RUN --goal TEXT)"),
        ("kind", run.kind),
        ("status", wording.status(run)),
        ("when", f"started {run.started}{ended}"),
        ("id", run.id),
    ]
    lines += [
        (f"from {p.get('role', 'run')}", f"{p.get('name')} ({p.get('id')})") for p in run.parents
    ]
    for session in run.sessions[:-1] + [s for s in run.sessions[-1:] if "error" in s]:
        said = session.get("error") or f"until step {session.get('from_step', '?')}"
        lines.append((f"session of {session.get('started')}", f"{session.get('status')}: {said}"))
    return lines


def _base_model(run: RunRecord) -> list[Line]:
    if not run.base_model:
        return []
    lines = [("name", wording.base_model(run))]
    for key in ("class", "parameters", "commit", "config_sha256", "weights_sha256", "why"):
        value = run.base_model.get(key)
        if value is not None:
            lines.append((key, _hash_or(value)))
    return lines


def _data(run: RunRecord) -> list[Line]:
    lines = []
    for entry in run.data:
        said = [str(entry["name"])] if entry.get("name") else []
        if isinstance(entry.get("rows"), int):
            said.append(f"{entry['rows']:,} rows")
        said += [
            _hash_or(entry[key])
            for key in ("rows_sha256", "sha256", "manifest_sha256", "why")
            if key in entry
        ]
        lines.append((str(entry.get("role", "data")), ", ".join(said)))
    return lines


def _settings(run: RunRecord) -> list[Line]:
    lines: list[Line] = []
    training = run.settings.get("training", {})
    for name in run.settings.get("changed", []):
        if name not in _NOT_SHOWN and name in training:
            lines.append((name, _said(training[name])))
    for group, values in run.settings.items():
        if group in ("training", "changed", "tokenizer"):
            continue
        if isinstance(values, dict):
            lines += [(f"{group}.{name}", _said(value)) for name, value in values.items()]
        else:
            lines.append((group, _said(values)))
    if run.seed is not None and "seed" not in dict(lines):
        lines.append(("seed", str(run.seed)))
    return lines


def _result(run: RunRecord) -> list[Line]:
    lines = [
        (name, wording.plain_number(run.result[name]))
        for name in run.result
        if name not in ("scores", "evaluations") and not isinstance(run.result[name], list | dict)
    ]
    lines += _findings(run.result.get("findings"))
    lines.append(("time", wording.duration(run.time.get("seconds"))))
    for name in ("samples_per_second", "tokens_per_second"):
        if run.time.get(name) is not None:
            lines.append((name, wording.plain_number(run.time[name])))
    lines.append(("memory", wording.size(run.memory.get("peak_bytes"))))
    if run.memory.get("peak_gpu_bytes"):
        lines.append(("memory of the GPU", wording.size(run.memory["peak_gpu_bytes"])))
    return lines


def _findings(found: object) -> list[Line]:
    """What the diagnosis saw while training: a line each."""
    return [
        (
            f"seen at step {one.get('step')}",
            f"{str(one.get('kind')).replace('_', ' ')}: {one.get('seen')}. {one.get('advice')}.",
        )
        for one in (found if isinstance(found, list) else [])
        if isinstance(one, dict)
    ]


def _machine(run: RunRecord) -> list[Line]:
    machine = run.hardware
    gpus = [str(gpu.get("name")) for gpu in machine.get("gpus", []) if isinstance(gpu, dict)]
    lines = [
        ("cpu", f"{machine.get('cpu', '?')}, {machine.get('cores', '?')} cores"),
        ("memory", wording.size(machine.get("memory_bytes"))),
        ("gpu", ", ".join(gpus) or "none"),
        ("os", str(machine.get("os", "?"))),
        ("versions", ", ".join(f"{name} {number}" for name, number in run.versions.items())),
    ]
    if run.code:
        changed = ", with changes that are not committed" if run.code.get("changed") else ""
        lines.append(("code", f"{str(run.code.get('commit'))[:12]}{changed}"))
    if run.command:
        lines.append(("command", " ".join(run.command)))
    return lines


def _markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    lines += [f"| {' | '.join(escaped(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines)


def _markdown_scores(run: RunRecord) -> str:
    several = len(run.scores) > 1
    rows = []
    for task, metrics in run.scores.items():
        for metric, score in metrics.items():
            before, value = (wording.plain_number(score.get(key)) for key in ("before", "value"))
            name = f"{task}: {metric}" if several else metric
            rows.append((name, before, value, str(score.get("signature", ""))))
    return _markdown_table(("score", "before", "after", "signature"), rows)


def _hash_or(value: object) -> str:
    text = str(value)
    return f"sha256 {text[:12]}…" if re.fullmatch(r"[0-9a-f]{64}", text) else text


def _said(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_said(one)}" for name, one in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(str(one) for one in value) or "none"
    return str(value)
