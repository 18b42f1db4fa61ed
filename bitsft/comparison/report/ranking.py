"""The section of changes: how many rows got better and worse, and which changed most."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from bitsft.comparison.changes import Change
from bitsft.comparison.comparison import Comparison
from bitsft.comparison.report import formats
from bitsft.comparison.report.answers import question_of
from bitsft.comparison.report.choice import Choice
from bitsft.comparison.words import metric_title, shown, shown_change
from bitsft.pages.bars import shares_chart
from bitsft.pages.blocks import Figure, Figures, Note, Section
from bitsft.pages.charts import BLUE, GREY, VERMILLION
from bitsft.pages.numbers import number
from bitsft.pages.visible import cut

_MOST = 20
_TEXT = 90


@dataclass(frozen=True)
class RankedRow:
    """A row of a list; `is_shown` says whether it stands among the answers, too."""

    number: int
    is_shown: bool
    question: str
    reference: str
    base: str
    tuned: str
    scores: str
    gain: str
    change: str


@dataclass(frozen=True)
class Ranking:
    """Rows that changed, folded or open; `report.html` draws them."""

    heading: str
    models: tuple[str, str]
    rows: tuple[RankedRow, ...]
    is_open: bool
    kind: ClassVar[str] = "ranking"


def changes_section(
    comparison: Comparison, models: tuple[str, str], choice: Choice, text: dict[str, str]
) -> Section | None:
    """For each part of the rows the best and worst changes and the regressions; None where none are known."""
    if not comparison.changes:
        return None
    section = Section("changes", text["changes"])
    parts = {
        f"{formats.part_name(key, text)} · {metric_title(changes.metric)}": {
            text["better"]: changes.better,
            text["same"]: changes.same,
            text["worse"]: changes.worse,
        }
        for key, changes in formats.parts_of(comparison).items()
    }
    heading = text["better_worse"]
    chart = shares_chart("changes-shares", heading, parts, (BLUE, GREY, VERMILLION))
    section.blocks.append(Figures((Figure(heading, chart),), wide=True))
    places = frozenset(choice.places)
    for place, (key, changes) in enumerate(formats.parts_of(comparison).items()):
        line = text["changes_line"].format(
            metric=metric_title(changes.metric),
            better=number(changes.better),
            worse=number(changes.worse),
            same=number(changes.same),
            regressions=number(len(changes.regressions)),
            rule=formats.rule_text(changes.rule, text),
        )
        section.blocks.append(Note(f"{formats.part_name(key, text)}. {line}"))
        for name in ("best", "worst", "regressions"):
            found: Sequence[Change] = getattr(changes, name)
            if not found or (name == "regressions" and found == changes.worst):
                continue
            title = text[name]
            if len(found) > _MOST:
                title = text["first_of"].format(
                    heading=title, shown=number(_MOST), count=number(len(found))
                )
            rows = tuple(_ranked(comparison, change, places) for change in found[:_MOST])
            section.blocks.append(
                Ranking(title, models, rows, is_open=place == 0 and name != "regressions")
            )
    return section


def _ranked(comparison: Comparison, change: Change, places: frozenset[int]) -> RankedRow:
    pair = comparison.rows[change.place]

    def brief(value: str) -> str:
        return cut(" ".join(value.split()), _TEXT)

    return RankedRow(
        number=change.row,
        is_shown=change.place in places,
        question=brief(question_of(pair.base)),
        reference=brief(pair.base.reference),
        base=brief(pair.base.prediction),
        tuned=brief(pair.tuned.prediction),
        scores=f"{shown(change.base, change.tuned)} → {shown(change.tuned, change.base)}",
        gain=shown_change(change.gain, change.base, change.tuned),
        change=formats.direction(change.gain),
    )
