"""What a section of a page consists of.

`page.html` draws the kinds of block that are here. A report with kinds of its own draws them in its own
template (`render.py`).
"""

from dataclasses import dataclass, field
from typing import ClassVar, Protocol, TypeAlias

from bitsft.pages.charts import Chart
from bitsft.pages.visible import cut, syllable_start

_AROUND = 24


@dataclass(frozen=True)
class Marked:
    """A text of which the middle is marked.

    Attributes:
        head: What stands before.
        middle: What is marked.
        tail: What stands after.
    """

    head: str
    middle: str
    tail: str


Cell: TypeAlias = str | int | float | Marked


@dataclass(frozen=True)
class Note:
    """A sentence; its tone is `"plain"`, `"good"` or `"bad"`."""

    text: str
    tone: str = "plain"
    kind: ClassVar[str] = "note"


@dataclass(frozen=True)
class Cards:
    """Headline numbers: `(label, number, tone)`."""

    cards: tuple[tuple[str, str, str], ...]
    kind: ClassVar[str] = "cards"


@dataclass(frozen=True)
class Figure:
    """A chart with a heading and what is to be said of it."""

    heading: str
    chart: Chart
    caption: str = ""


@dataclass(frozen=True)
class Figures:
    """Charts side by side, as many as the width allows; `wide` gives each a line of its own."""

    figures: tuple[Figure, ...]
    heading: str = ""
    wide: bool = False
    kind: ClassVar[str] = "figures"


@dataclass(frozen=True)
class Table:
    """A table. Numbers stand to the right; `folded` shows it when the reader opens it."""

    heading: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    folded: bool = False
    kind: ClassVar[str] = "table"


class Block(Protocol):
    """A part of a section; its `kind` says how it is drawn."""

    kind: ClassVar[str]


@dataclass
class Section:
    """A section of the page.

    Attributes:
        name: Its id.
        title: Its heading.
        blocks: What stands in it.
    """

    name: str
    title: str
    blocks: list[Block] = field(default_factory=list)


def difference(before: str, after: str, limit: int = 120) -> tuple[Marked, Marked]:
    """Mark what two texts do not have in common, with a little of what stands around it.

    Decomposed syllables are not divided: where one jamo differs, the syllable is marked.

    Args:
        before: A text.
        after: What became of it.
        limit: The most characters of the marked part.
    """
    shorter = min(len(before), len(after))
    start = 0
    while start < shorter and before[start] == after[start]:
        start += 1
    start = min(syllable_start(before, start), syllable_start(after, start))
    stop = 0
    while stop < shorter - start and before[-1 - stop] == after[-1 - stop]:
        stop += 1
    # The common end must not begin with a mark that belongs to what differs.
    while stop > 0 and syllable_start(before, len(before) - stop) != len(before) - stop:
        stop -= 1
    return _marked(before, start, stop, limit), _marked(after, start, stop, limit)


def _marked(text: str, start: int, stop: int, limit: int) -> Marked:
    first = syllable_start(text, max(start - _AROUND, 0))
    head = ("…" if first else "") + text[first:start]
    return Marked(
        head, cut(text[start : len(text) - stop], limit), cut(text[len(text) - stop :], _AROUND)
    )
