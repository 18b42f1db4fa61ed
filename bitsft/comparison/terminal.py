"""A comparison's table for a terminal: columns that line up, Korean names included."""

from collections.abc import Sequence

from bitsft.comparison.comparison import Comparison
from bitsft.comparison.table import Line
from bitsft.comparison.words import (
    is_detail,
    metric_title,
    part_title,
    percent,
    probability,
    shown,
    shown_change,
)
from bitsft.pages.columns import columns_of, padded
from bitsft.pages.visible import cut, visible


def comparison_as_text(comparison: Comparison, *, details: bool = False) -> str:
    """The table, the notes and the number of regressions.

    Args:
        comparison: What `compare` made.
        details: Also show what Markdown folds away: precision and recall, classes, the form of the answers.
    """
    blocks = []
    for key, lines in comparison.table.items():
        title = _plain(part_title(key, max(line.rows for line in lines)))
        main = [line for line in lines if details or not is_detail(line.metric)]
        blocks.append(f"{title}\n{_table(main or lines)}")
    for key, changes in comparison.changes.items():
        where = "" if key == "all" else f"{_plain(key)}, "
        blocks.append(
            f"{where}{_plain(metric_title(changes.metric))} by rows: {changes.better:,} better, {changes.worse:,} worse, "
            f"{changes.same:,} the same; {len(changes.regressions):,} regressions ({changes.rule})"
        )
    blocks += [
        f"Not compared: {_plain(one.metric)} ({_plain(one.task)}): {_plain(one.reason)}"
        for one in comparison.left_out
    ]
    blocks += [f"Note: {_plain(note)}" for note in comparison.notes]
    return "\n\n".join(blocks)


def _table(lines: Sequence[Line]) -> str:
    rows = [("metric", "base", "tuned", "difference [95 %]", "relative", "p (Holm)", "")]
    for line in lines:
        interval = ""
        if line.difference_interval is not None:
            ends = [shown_change(end, line.base, line.tuned) for end in line.difference_interval]
            interval = f" [{', '.join(ends)}]"
        rows.append(
            (
                _plain(metric_title(line.metric)),
                shown(line.base, line.tuned),
                shown(line.tuned, line.base),
                shown_change(line.difference, line.base, line.tuned) + interval,
                percent(line.relative_gain),
                probability(line.adjusted_p),
                line.verdict,
            )
        )
    widths = [max(map(columns_of, column)) for column in zip(*rows, strict=True)]
    last = len(widths) - 1
    return "\n".join(
        "  ".join(
            padded(cell, widths[at], to_the_right=at not in (0, last))
            for at, cell in enumerate(row)
        ).rstrip()
        for row in rows
    )


def _plain(text: str) -> str:
    """One line without control characters: a terminal must not obey what stands in data."""
    return cut(" ".join(visible(text).split()), 300)
