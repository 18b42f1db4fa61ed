"""Which rows the page shows: all where they are few, else those that changed most and some at random."""

import random
from collections.abc import Iterable
from dataclasses import dataclass

from bitsft.comparison.comparison import Comparison
from bitsft.comparison.report.formats import changes_of_row, parts_of


@dataclass(frozen=True)
class Choice:
    """The rows that are shown.

    Attributes:
        places: Their places in `Comparison.rows`, in order.
        changed: How many of them are there for their change.
        regressions: How many regressions are shown.
        all_regressions: How many there are.
        regressed: Places of all rows that regressed by the metric of their own part; the page shows no other for them.
    """

    places: tuple[int, ...]
    changed: int
    regressions: int
    all_regressions: int
    regressed: frozenset[int]

    @property
    def drawn(self) -> int:
        """How many are there by chance."""
        return len(self.places) - self.changed


def choose_rows(comparison: Comparison, most: int, seed: int) -> Choice:
    """Choose rows: each part's best and worst, then regressions up to half of `most`, then a random sample.

    Args:
        comparison: The comparison.
        most: The most rows to show.
        seed: Of the sample.
    """
    found = parts_of(comparison).values()
    own = [
        [c.place for c in one.regressions if changes_of_row(comparison, c.place) is one]
        for one in found
    ]
    regressed = frozenset(place for places in own for place in places)
    total = len(comparison.rows)
    if total <= most:
        every = tuple(range(total))
        return Choice(every, 0, len(regressed), len(regressed), regressed)
    # In turns, so that no part of the rows crowds out another where the room is short.
    ranked = _in_turns([[change.place for change in one.best] for one in found])
    ranked = _in_turns([ranked, _in_turns([[c.place for c in one.worst] for one in found])])
    chosen = dict.fromkeys(ranked[:most])
    for place in _in_turns(own):
        if len(chosen) >= max(most // 2, min(len(ranked), most)):
            break
        chosen[place] = None
    changed = len(chosen)
    others = [place for place in range(total) if place not in chosen]
    drawn = random.Random(seed).sample(others, most - changed)
    places = tuple(sorted([*chosen, *drawn]))
    return Choice(places, changed, len(regressed & {*places}), len(regressed), regressed)


def _in_turns(lists: Iterable[list[int]]) -> list[int]:
    """The first of each, then the second of each, and so on; none twice."""
    queues = [list(one) for one in lists]
    longest = max(map(len, queues), default=0)
    turns = (queue[turn] for turn in range(longest) for queue in queues if turn < len(queue))
    return list(dict.fromkeys(turns))
