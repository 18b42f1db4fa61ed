"""Tables for a terminal, whose columns stand under each other in Korean, too.

The widths are those of `bitsft.pages.columns`. Where a table is wider than the terminal, its widest text columns are cut and end in "…"; numbers never are.
"""

import unicodedata
from collections.abc import Collection, Sequence

from bitsft.pages.columns import columns_of, padded
from bitsft.pages.visible import visible

_NARROWEST = 6
_GAP = "  "


def text_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Collection[int] = (),
    width: int | None = None,
) -> str:
    """Return a table.

    Args:
        header: Names of the columns.
        rows: Texts, as many a row as there are columns; made visible and put on one line.
        right: Numbers of the columns that hold numbers: set to the right, and never cut.
        width: Columns of the terminal; None sets no bound.

    Returns:
        Lines without a line feed at the end.
    """
    lines = [[_one_line(cell) for cell in row] for row in (header, *rows)]
    widths = [max(columns_of(line[n]) for line in lines) for n in range(len(header))]
    if width is not None:
        widths = _fitted(widths, [n for n in range(len(header)) if n not in right], width)
    return "\n".join(
        _GAP.join(
            padded(cut_to_width(cell, widths[n]), widths[n], to_the_right=n in right)
            for n, cell in enumerate(line)
        ).rstrip()
        for line in lines
    )


def cut_to_width(text: str, width: int) -> str:
    """Return as much of a text as fits into so many columns; "…" is its end where some was left out."""
    if columns_of(text) <= width:
        return text
    used, kept = 1, ""
    for character in text:
        used += columns_of(character)
        if used > width:
            break
        kept += character
    return kept + "…"


def _fitted(widths: list[int], flexible: list[int], width: int) -> list[int]:
    fitted = list(widths)
    while sum(fitted) + len(_GAP) * (len(fitted) - 1) > width:
        widest = max(flexible, key=lambda n: fitted[n], default=None)
        if widest is None or fitted[widest] <= _NARROWEST:
            break
        fitted[widest] -= 1
    return fitted


def _one_line(text: str) -> str:
    return unicodedata.normalize("NFC", " ".join(visible(text).split()))
