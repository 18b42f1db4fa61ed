"""A comparison as Markdown for a model card: the table, some answers side by side, what the scores mean.

Every text that comes from data or a model is escaped (`bitsft.comparison.escape`). The rest is GitHub's and the
Hub's Markdown: tables, `<details>`.
"""

from collections.abc import Callable, Iterator, Sequence

from bitsft.comparison.changes import Change
from bitsft.comparison.comparison import Comparison
from bitsft.comparison.escape import code, escaped, escaped_lines
from bitsft.comparison.meanings import meanings_of
from bitsft.comparison.slices import Slice, prompt_text
from bitsft.comparison.table import Interval, Line
from bitsft.comparison.words import (
    is_detail,
    metric_title,
    part_title,
    percent,
    probability,
    shown,
    shown_change,
)

_SAMPLES = 3
_LISTED = 20
_CHARACTERS = 300


def comparison_as_markdown(comparison: Comparison, *, heading: int = 2) -> str:
    """Write the section.

    Args:
        comparison: What `compare` made.
        heading: Level of its heading; the parts' are one below.

    Returns:
        Markdown that ends with a line feed.
    """
    blocks = [f"{'#' * heading} Before and after fine-tuning", _what_was_compared(comparison)]
    blocks += [f"> **Note.** {escaped(note)}" for note in comparison.notes]
    below = "#" * (heading + 1)
    for key, lines in comparison.table.items():
        blocks.append(f"{below} {escaped(part_title(key, max(line.rows for line in lines)))}")
        main = [line for line in lines if not is_detail(line.metric)]
        details = [line for line in lines if is_detail(line.metric)]
        if main:
            blocks.append(_table(main))
        if details:
            blocks.append(_folded("More metrics", _table(details)))
    blocks.append(_how_to_read(comparison))
    blocks += _samples(comparison, below)
    blocks += _slices(comparison.slices)
    blocks.append(_signatures(comparison))
    return "\n\n".join(blocks) + "\n"


def _what_was_compared(comparison: Comparison) -> str:
    base, tuned = comparison.base, comparison.tuned
    data = code(str(tuned.data.get("name", "data")))
    sha = str(tuned.data.get("sha256") or "")[:12]
    lines = [
        f"- Base: {code(base.model)}",
        f"- Tuned: {code(tuned.model)}",
        f"- Data: {data}, {len(comparison.rows):,} rows" + (f", SHA-256 {code(sha)}…" if sha else ""),
    ]  # fmt: skip
    if base.decoding == tuned.decoding:
        lines.append(f"- Decoding: {code(base.decoding)}")
    else:
        lines.append(f"- Decoding: base {code(base.decoding)}, tuned {code(tuned.decoding)}")
    return "\n".join(lines)


def _table(lines: Sequence[Line]) -> str:
    rows = [
        "| Metric | Base | Tuned | Difference | Relative | p | |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for line in lines:
        arrow = {"higher": "", "lower": " (lower is better)", "none": " (neither is better)"}
        both = (line.base, line.tuned)
        difference = shown_change(line.difference, *both)
        cells = (
            escaped(metric_title(line.metric)) + arrow[line.goal],
            shown(*both) + _interval(line.base_interval, shown, *both),
            shown(line.tuned, line.base) + _interval(line.tuned_interval, shown, *both),
            f"**{difference}**{_interval(line.difference_interval, shown_change, *both)}",
            percent(line.relative_gain),
            probability(line.adjusted_p).replace("<", "&lt;").replace("*", r"\*"),
            line.verdict,
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _interval(interval: Interval | None, show: Callable[..., str], *values: float) -> str:
    if interval is None:
        return ""
    low, high = (show(end, *values) for end in interval)
    return f" [{low}, {high}]"


def _how_to_read(comparison: Comparison) -> str:
    settings = comparison.settings
    meanings = meanings_of(line.metric for line in comparison.lines())
    lines = [
        "Intervals are 95 % bootstrap intervals over the rows. p is that of a paired randomization test "
        f"({settings.get('trials', 0):,} swaps; all of them up to 12 rows), adjusted by Holm's method for the metrics "
        r"of its table; \* p &lt; 0.05, \*\* p &lt; 0.01, \*\*\* p &lt; 0.001. “No difference shown” is not “no "
        "difference”: with more rows a small one may show. The test speaks of these two models on rows like these, not "
        "of another training run.",
        *(f"- {text}" for text in meanings),
    ]
    if comparison.left_out:
        lines.append("\nNot compared:\n")
        lines += [
            f"- {escaped(one.metric)} ({escaped(one.task)}): {escaped(one.reason)}"
            for one in comparison.left_out
        ]
    return "\n".join([lines[0], "", *lines[1:]]) if len(lines) > 1 else lines[0]


def _samples(comparison: Comparison, below: str) -> Iterator[str]:
    """Answers side by side: some taken evenly, the best, the worst; then the regressions."""
    rows = comparison.rows
    places = sorted({(2 * at + 1) * len(rows) // (2 * _SAMPLES) for at in range(_SAMPLES)})
    if not rows:
        return
    yield f"{below} Answers"
    yield f"Taken evenly from the {len(rows):,} rows:\n\n{_answers(comparison, places)}"
    for key, changes in comparison.changes.items():
        if key == "all" and len(comparison.changes) > 1:
            continue  # its rows are those of the tasks, each of which has a metric that suits it
        metric = escaped(metric_title(changes.metric))
        where = "" if key == "all" else f" of {escaped(key)}"
        yield (
            f"{metric}{where} rose in {changes.better:,} rows, fell in {changes.worse:,}, and stayed in "
            f"{changes.same:,}. Regressions ({escaped(changes.rule)}): {len(changes.regressions):,}."
        )
        for title, found, most in (
            (f"Largest gains{where}", changes.best, _SAMPLES),
            (f"Largest losses{where}", changes.worst, _SAMPLES),
            (f"Regressions{where}", changes.regressions, _LISTED),
        ):
            if found:
                more = len(found) - most
                after = (
                    f"\n\nand {more:,} more, in comparison.json."
                    if more > 0 and found is changes.regressions
                    else ""
                )
                places = [change.place for change in found[:most]]
                yield _folded(
                    f"{title} ({metric})", _answers(comparison, places, found[:most]) + after
                )


def _answers(
    comparison: Comparison, places: Sequence[int], changes: Sequence[Change] | None = None
) -> str:
    rows = ["| Row | Asked | Reference | Base | Tuned |", "|---:|---|---|---|---|"]
    for at, place in enumerate(places):
        pair = comparison.rows[place]
        texts = [
            escaped_lines(text, _CHARACTERS)
            for text in (
                prompt_text(pair.base),
                pair.base.reference,
                pair.base.prediction,
                pair.tuned.prediction,
            )
        ]
        if changes is not None:
            texts[2] += f"<br>({shown(changes[at].base)})"
            texts[3] += f"<br>({shown(changes[at].tuned)})"
        rows.append(f"| {pair.row} | {' | '.join(texts)} |")
    return "\n".join(rows)


def _slices(slices: Sequence[Slice]) -> Iterator[str]:
    groups: dict[tuple[str, str, str], list[Slice]] = {}
    for one in slices:
        groups.setdefault((one.task, one.kind, one.metric), []).append(one)
    for (key, kind, metric), found in groups.items():
        rows = [
            "| Rows with | Rows | Base | Tuned | Difference [95 %] |",
            "|---|---:|---:|---:|---:|",
        ]
        for one in found:
            difference = shown_change(one.difference, one.base, one.tuned)
            interval = _interval(one.interval, shown_change, one.base, one.tuned)
            rows.append(
                f"| {escaped(one.name)} | {one.rows:,} | {shown(one.base, one.tuned)} | {shown(one.tuned, one.base)} | "
                f"{difference}{interval} |"
            )
        where = "" if key == "all" else f" of {escaped(key)}"
        yield _folded(f"{escaped(metric_title(metric))}{where} by {kind}", "\n".join(rows))


def _signatures(comparison: Comparison) -> str:
    found = dict.fromkeys((line.metric, line.signature) for line in comparison.lines())
    lines = [f"- {escaped(metric)}: {code(signature)}" for metric, signature in found]
    settings = ", ".join(f"{name} {value}" for name, value in comparison.settings.items())
    return _folded("Signatures", "\n".join([*lines, f"- comparison: {code(settings)}"]))


def _folded(title: str, content: str) -> str:
    """Markdown that unfolds at a click; the blank lines make renderers read it as Markdown."""
    return f"<details><summary>{title}</summary>\n\n{content}\n\n</details>"
