"""Examples of changes that may be shown: short, and without the personal data.

A change is shown by the words around the first place where it changed the text. Of personal data only the first
and the last character are shown (0***********8). Where a row holds personal data, the examples of its other
changes show letters of ASCII and digits as "*" altogether: before an invisible character is removed, a number
may not look like one.
"""

import re
from collections.abc import Iterable

from bitsft.data.clean.text import TextChange
from bitsft.data.ledger import Ledger

_AROUND = 30
_LETTERS_AND_DIGITS = re.compile("[0-9A-Za-z\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]")


def example(change: TextChange, personal: Iterable[str], show_personal: bool) -> tuple[str, str]:
    """Return a change as two short texts, before and after.

    Args:
        change: A change to a text.
        personal: The personal data that was found in the row.
        show_personal: Whether personal data is shown as it was.
    """
    before, after = change.before, change.after
    values = () if show_personal else sorted(personal, key=len, reverse=True)
    if values and change.kind.endswith(" masked"):
        for value in values:
            before = before.replace(value, hidden(value))
            after = after.replace(value, hidden(value))
    elif values:
        before = _LETTERS_AND_DIGITS.sub("*", before)
        after = _LETTERS_AND_DIGITS.sub("*", after)
    return _cut(before, after)


def hidden(value: str) -> str:
    """Return personal data with its first and last character only."""
    return value[0] + "*" * (len(value) - 2) + value[-1] if len(value) > 2 else "*" * len(value)


def show_changes(ledger: Ledger, stage: str = "clean") -> str:
    """Return the changes of a stage with their examples, as lines to print.

    Args:
        ledger: The ledger that the stage reported to; `Ledger(examples=10)` keeps more than three of each kind.
        stage: The stage's name.
    """
    lines = []
    for (name, kind), change in sorted(ledger.changes.items()):
        if name != stage:
            continue
        lines.append(f"{kind}: {change.times:,} times in {change.rows:,} rows")
        for where, field, before, after in change.examples:
            lines += (f"  {where}, {field}", f"    - {before!r}", f"    + {after!r}")
    return "\n".join(lines) if lines else f"{stage}: nothing changed"


def _cut(before: str, after: str) -> tuple[str, str]:
    """The two texts around the places where they differ."""
    start = _common_start(before, after)
    rest = min(len(before), len(after)) - start
    ends = before[len(before) - rest :][::-1], after[len(after) - rest :][::-1]
    end = _common_start(*ends)
    return _window(before, start, len(before) - end), _window(after, start, len(after) - end)


def _window(text: str, start: int, end: int) -> str:
    first, last = max(0, start - _AROUND), min(len(text), end + _AROUND, start + 3 * _AROUND)
    return ("…" if first else "") + text[first:last] + ("…" if last < len(text) else "")


def _common_start(one: str, other: str) -> int:
    """How many characters two texts share at their starts; by halves, since comparing is quick and counting slow."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
