"""The sections of numbers: overview, scores, slices."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from bitsft.comparison.comparison import Comparison
from bitsft.comparison.meanings import meanings_of
from bitsft.comparison.report import formats
from bitsft.comparison.report.dots import scores_chart, slices_chart
from bitsft.comparison.slices import Slice
from bitsft.comparison.table import LEVEL, Line
from bitsft.comparison.words import (
    is_detail,
    metric_title,
    percent,
    probability,
    shown,
    shown_change,
)
from bitsft.data.fields import shorten
from bitsft.evaluation.parts import ALL
from bitsft.pages.blocks import Cards, Figure, Figures, Note, Section, Table
from bitsft.pages.numbers import number

_MOST_CARDS = 5


@dataclass(frozen=True)
class ScoreLine:
    """A line of the table, written out. `tone` is `"good"`, `"bad"` or `"plain"`."""

    metric: str
    remark: str
    base: tuple[str, str]
    tuned: tuple[str, str]
    difference: tuple[str, str]
    relative: str
    p: str
    verdict: str
    tone: str


@dataclass(frozen=True)
class ScoreTable:
    """The table of one part of the rows, folded where it has a heading; `report.html` draws it."""

    heading: str
    models: tuple[str, str]
    lines: tuple[ScoreLine, ...]
    kind: ClassVar[str] = "scores"


def overview_section(
    comparison: Comparison, models: tuple[str, str], text: dict[str, str]
) -> Section:
    """Headline numbers, what the reader must know before believing them, and how they came about."""
    section = Section("overview", text["overview"])
    cards = [(text["rows"], number(len(comparison.rows)), "plain")]
    for key, changes in formats.parts_of(comparison).items():
        line = next((one for one in comparison.table[key] if one.metric == changes.metric), None)
        if line is not None:
            title = metric_title(line.metric)
            label = title if key == ALL else f"{key} · {title}"
            values = f"{shown(line.base, line.tuned)} → {shown(line.tuned, line.base)}"
            cards.append((label, values, _tone(line)))
    section.blocks.append(Cards(tuple(cards[: _MOST_CARDS + 1])))
    first = formats.main_part(comparison)
    if first in comparison.table:
        main = _main_lines(comparison, first)
        found = Counter(line.verdict for line in main)
        summary = text["summary"].format(
            metrics=number(len(main)),
            rows=number(main[0].rows),
            better=number(found["better"]),
            worse=number(found["worse"]),
            open=number(len(main) - found["better"] - found["worse"]),
            level=comparison.settings.get("level", LEVEL),
        )
        section.blocks.append(Note(summary))
    section.blocks += [Note(note, "bad") for note in comparison.notes]
    section.blocks.append(_conditions(comparison, models, text))
    return section


def scores_section(
    comparison: Comparison, models: tuple[str, str], text: dict[str, str], language: str
) -> Section | None:
    """For each part of the rows the metrics as dots and as a table; None where nothing can be compared."""
    section = Section("scores", text["scores"])
    signatures: dict[tuple[str, str], None] = {}
    first = formats.main_part(comparison)
    parts = sorted(comparison.table.items(), key=lambda part: part[0] != first)
    for place, (key, lines) in enumerate(parts):
        main = _main_lines(comparison, key)
        details = [line for line in lines if line not in main]
        rows = text["rows_of"].format(count=number(max(line.rows for line in lines)))
        heading = f"{formats.part_name(key, text)} ({rows})"
        if main:
            chart = scores_chart(f"scores-{place}", heading, main, models)
            figure = Figure(text["dots"], chart, text["dots_caption"])
            section.blocks.append(Figures((figure,), heading=heading, wide=True))
            section.blocks.append(_score_table(main, models, text, ""))
        if details:
            title = text["details"] if main else f"{heading}: {text['details']}"
            section.blocks.append(_score_table(details, models, text, title))
        signatures.update({(metric_title(line.metric), line.signature): None for line in lines})
    if section.blocks:
        section.blocks.append(Note(text["scores_caption"]))
        said = meanings_of((line.metric for line in comparison.lines()), language)
        if said:
            lines_said = tuple((one,) for one in said)
            section.blocks.append(
                Table(text["meanings"], (text["meaning"],), lines_said, folded=True)
            )
        columns = (text["metric"], text["signature"])
        section.blocks.append(Table(text["signatures"], columns, tuple(signatures), folded=True))
    if comparison.left_out:
        left_out = tuple(
            (formats.part_name(one.task, text), metric_title(one.metric), one.reason)
            for one in comparison.left_out
        )
        titles = (text["rows"], text["metric"], text["reason"])
        section.blocks.append(Table(text["left_out"], titles, left_out, folded=True))
    return section if section.blocks else None


def slices_section(comparison: Comparison, text: dict[str, str]) -> Section | None:
    """The difference over parts of the rows; None where they could not be divided."""
    section = Section("slices", text["slices"])
    groups: dict[tuple[str, str], list[tuple[str, Slice]]] = {}
    for one in comparison.slices:
        named = (formats.slice_name(one.kind, one.name, text), one)
        groups.setdefault((one.task, one.metric), []).append(named)
    for place, ((key, metric), group) in enumerate(groups.items()):
        goal = comparison.base.scores[key][metric].goal
        title = f"{formats.part_name(key, text)} · {metric_title(metric)}"
        chart = slices_chart(f"slices-{place}", title, group, goal)
        caption = text["slices_caption"].format(metric=metric_title(metric))
        section.blocks.append(Figures((Figure(title, chart, caption),), wide=True))
        section.blocks.append(_slices_table(group, text))
    return section if section.blocks else None


def _main_lines(comparison: Comparison, key: str) -> list[Line]:
    """The lines to show at once: of a task with scores of its own these, else all but details."""
    lines = [line for line in comparison.table[key] if not is_detail(line.metric)]
    of_all = {line.metric for line in comparison.table.get(ALL, ())} if key != ALL else set()
    return [line for line in lines if line.metric not in of_all] or lines


def _slices_table(group: Sequence[tuple[str, Slice]], text: dict[str, str]) -> Table:
    names = ("slice", "rows", "base", "tuned", "difference")
    rows = []
    for called, one in group:
        of = (one.base, one.tuned)
        ends = formats.interval(one.interval, *of, is_difference=True)
        difference = f"{shown_change(one.difference, *of)} [{ends}]"
        rows.append((called, one.rows, shown(one.base, *of), shown(one.tuned, *of), difference))
    return Table(
        text["slices_table"], tuple(text[name] for name in names), tuple(rows), folded=True
    )


def _score_table(
    lines: Sequence[Line], models: tuple[str, str], text: dict[str, str], heading: str
) -> ScoreTable:
    return ScoreTable(heading, models, tuple(_score_line(line, text) for line in lines))


def _score_line(line: Line, text: dict[str, str]) -> ScoreLine:
    of = (line.base, line.tuned)
    return ScoreLine(
        metric=metric_title(line.metric),
        remark=text["lower_is_better"] if line.goal == "lower" else "",
        base=(shown(line.base, *of), formats.interval(line.base_interval, *of)),
        tuned=(shown(line.tuned, *of), formats.interval(line.tuned_interval, *of)),
        difference=(
            shown_change(line.difference, *of),
            formats.interval(line.difference_interval, *of, is_difference=True),
        ),
        relative=percent(line.relative_gain),
        p=probability(line.adjusted_p),
        verdict=text[line.verdict],
        tone=_tone(line),
    )


def _tone(line: Line) -> str:
    return {"better": "good", "worse": "bad"}.get(line.verdict, "plain")


def _conditions(comparison: Comparison, models: tuple[str, str], text: dict[str, str]) -> Table:
    """What both evaluations were made with, side by side."""
    sides = []
    for one in (comparison.base, comparison.tuned):
        rows: dict[str, Any] = {text["model"]: one.model, text["decoding"]: one.decoding}
        rows |= {f"data: {name}": value for name, value in one.data.items()}
        rows |= {f"settings: {name}": value for name, value in one.settings.items()}
        sides.append({name: _written(value) for name, value in rows.items()})
    names = dict.fromkeys(name for side in sides for name in side)
    lines = [(name, *(side.get(name, "") for side in sides)) for name in names]
    for name, value in comparison.settings.items():
        lines.append((f"compare: {name}", _written(value), _written(value)))
    return Table(text["how_made"], (text["setting"], *models), tuple(lines), folded=True)


def _written(value: Any) -> str:
    return value if isinstance(value, str) else shorten(value)
