"""`dataset_card`: the splits as a Hugging Face dataset card, Markdown with a YAML header.

The header has the fields of https://huggingface.co/docs/hub/datasets-cards: configs with the file of
each split, language, size and task categories, licence. On the Hub the card is `README.md`. The licence is
for the user to know; without one the card says `LICENCE-TO-BE-FILLED-IN`, which the Hub refuses.
"""

import json
from collections.abc import Mapping
from typing import Any

from bitsft.data.split.leaks import LeakReport
from bitsft.data.split.report import SplitReport
from bitsft.data.split.summary import Summary, labels_listed

CARD = "dataset_card.md"
NO_LICENCE = "LICENCE-TO-BE-FILLED-IN"
# The Hub's size categories: https://huggingface.co/docs/hub/datasets-cards
_SIZES = {
    1_000: "n<1K",
    10_000: "1K<n<10K",
    100_000: "10K<n<100K",
    1_000_000: "100K<n<1M",
    10_000_000: "1M<n<10M",
    100_000_000: "10M<n<100M",
}
_CATEGORIES = {
    "raft": "question-answering",
    "koalpaca": "text-generation",
    "qa": "question-answering",
    "summarization": "summarization",
    "translation": "translation",
    "classification": "text-classification",
    "dialogue": "text-generation",
    "preference": "text-generation",
}
_STRATA_SHOWN = 30


def dataset_card(
    *,
    name: str,
    files: Mapping[str, str],
    summaries: Mapping[str, Summary],
    report: SplitReport,
    leaks: LeakReport,
    counts: Mapping[str, Any],
    settings: Mapping[str, Any],
    language: str = "ko",
    licence: str | None = None,
) -> str:
    """Return the card's text.

    Args:
        name: The data set's name, for the title.
        files: The file of each split.
        summaries: The counts of each split.
        report: Wanted and got.
        leaks: What the splits share.
        counts: The ledger's counts (`Ledger.as_dict`).
        settings: The settings of each stage.
        language: ISO 639-1 code of the texts.
        licence: The Hub's identifier of the licence, e.g. `"cc-by-sa-4.0"`; None leaves it open.
    """
    tasks = sorted({task for summary in summaries.values() for task in summary.tasks if task})
    rows = sum(summary.rows for summary in summaries.values())
    parts = [
        _header(name, files, tasks, rows, language, licence),
        f"# {_plain(name)}",
        f"{rows:,} rows" + (f"; tasks: {', '.join(tasks)}" if tasks else "") + ".",
    ]
    if licence is None:
        parts.append(
            f"**Licence: `{NO_LICENCE}`.** Write the licence of the sources here and in the header."
        )
    parts += ["## Load", _loading(files), "## Splits", _splits(files, summaries, report)]
    if report.warnings:
        parts.append("\n".join(f"- {_plain(warning)}" for warning in report.warnings))
    parts += ["### Shared between splits", _leaks(leaks)]
    if len(report.strata) > 1:
        parts += ["### Strata", _strata(report)]
    for task in tasks:
        if any(task in summary.labels for summary in summaries.values()):
            parts += [f"## Labels of {task}", _labels(task, summaries)]
    lengths = _lengths(summaries)
    if lengths:
        parts += ["## Lengths in characters", lengths]
    parts += ["## Where the rows went", _counts(counts), "## Settings", _settings(settings)]
    return "\n\n".join(parts) + "\n"


def _header(
    name: str,
    files: Mapping[str, str],
    tasks: list[str],
    rows: int,
    language: str,
    licence: str | None,
) -> str:
    size = next((category for limit, category in _SIZES.items() if rows < limit), "n>100M")
    categories = sorted({_CATEGORIES[task] for task in tasks})
    # A JSON string is a YAML string.
    lines = ["---", f"pretty_name: {_quoted(name)}", "language:", f"- {_quoted(language)}"]
    lines.append(f"license: {_quoted(licence or NO_LICENCE)}")
    lines += ["size_categories:", f"- {size}"]
    if categories:
        lines += ["task_categories:", *(f"- {category}" for category in categories)]
    lines += ["configs:", "- config_name: default", "  data_files:"]
    for split, file in files.items():
        lines += [f"  - split: {split}", f"    path: {file}"]
    return "\n".join([*lines, "---"])


def _loading(files: Mapping[str, str]) -> str:
    kind = "parquet" if next(iter(files.values())).endswith(".parquet") else "json"
    listed = "".join(f'        "{split}": "{file}",\n' for split, file in files.items())
    return (
        "In this folder, without a network:\n\n"
        "```python\nfrom datasets import load_dataset\n\n"
        f'dataset = load_dataset(\n    "{kind}",\n    data_files={{\n{listed}    }},\n)\n```\n\n'
        "`manifest.json` holds the hash of each file; `bitsft.data.split.verify_manifest` compares them."
    )


def _splits(files: Mapping[str, str], summaries: Mapping[str, Summary], report: SplitReport) -> str:
    wanted, got = report.settings["ratios"], report.ratios
    return _table(
        ["split", "file", "rows", "groups", "wanted", "got"],
        [
            [
                split,
                files[split],
                f"{summary.rows:,}",
                f"{report.groups[split]:,}",
                f"{wanted[split]:.2%}",
                f"{got[split]:.2%}",
            ]
            for split, summary in summaries.items()
        ],
    )


def _leaks(leaks: LeakReport) -> str:
    kinds = dict.fromkeys(leak.kind for leak in leaks.leaks)
    pairs = dict.fromkeys((leak.split, leak.other) for leak in leaks.leaks)
    rows_of = {(leak.kind, leak.split, leak.other): leak.rows for leak in leaks.leaks}
    table = _table(
        ["rows that share a", *(f"{split} with {other}" for split, other in pairs)],
        [[kind, *(f"{rows_of[(kind, *pair)]:,}" for pair in pairs)] for kind in kinds],
    )
    if "distractor" in kinds:
        table += "\n\nDistractors may be shared: they are texts without their questions."
    return table


def _strata(report: SplitReport) -> str:
    wanted = report.settings["ratios"]
    table = _table(
        ["stratum", *(f"{split}: wanted, got" for split in wanted)],
        [
            [stratum, *(f"{wanted[s] * sum(got.values()):,.1f}, {got[s]:,}" for s in wanted)]
            for stratum, got in list(report.strata.items())[:_STRATA_SHOWN]
        ],
    )
    more = len(report.strata) - _STRATA_SHOWN
    return table + (f"\n\nAnd {more:,} more strata, in `manifest.json`." if more > 0 else "")


def _labels(task: str, summaries: Mapping[str, Summary]) -> str:
    by_split = {
        split: labels_listed(each.labels[task])
        for split, each in summaries.items()
        if task in each.labels
    }
    labels = dict.fromkeys(label for counts in by_split.values() for label in counts)
    rows = []
    for label in sorted(labels):
        cells = [
            f"{counts.get(label, 0):,} ({counts.get(label, 0) / sum(counts.values()):.1%})"
            for counts in by_split.values()
        ]
        rows.append([label, *cells])
    return _table(["label", *by_split], rows)


def _lengths(summaries: Mapping[str, Summary]) -> str:
    rows = [
        [split, part, *(f"{numbers[name]:,}" for name in ("p50", "p95", "max"))]
        for split, summary in summaries.items()
        for part, numbers in summary.percentiles().items()
    ]
    return _table(["split", "part", "p50", "p95", "max"], rows) if rows else ""


def _counts(counts: Mapping[str, Any]) -> str:
    added = sum(counts["rows_added"].values())
    text = (
        f"{counts['rows_in']:,} rows in + {added:,} added = {counts['rows_out']:,} out + "
        f"{counts['rows_rejected']:,} rejected."
    )
    if counts["rejections"]:
        text += "\n\n" + _table(
            ["rejected by", "field", "reason", "rows"],
            [
                [each["stage"], each["field"] or "", each["reason"], f"{each['rows']:,}"]
                for each in counts["rejections"]
            ],
        )
    if counts["changes"]:
        text += "\n\n" + _table(
            ["changed by", "what", "rows", "times"],
            [
                [each["stage"], each["kind"], f"{each['rows']:,}", f"{each['times']:,}"]
                for each in counts["changes"]
            ],
        )
    return text


def _settings(settings: Mapping[str, Any]) -> str:
    rows = []
    for stage, values in settings.items():
        if isinstance(values, Mapping):
            rows += [[stage, name, _shown(value)] for name, value in values.items()]
        else:
            rows.append([stage, "", _shown(values)])
    return _table(["stage", "setting", "value"], rows)


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_plain(cell) for cell in line) + " |" for line in lines)


def _plain(text: str) -> str:
    """The text on one line, with what Markdown would take for marks escaped."""
    text = " ".join(str(text).split())
    for mark in "\\|`<*[":
        text = text.replace(mark, "\\" + mark)
    return text


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
