"""Texts of unknown content, made fit for a page and for a chart.

A row may hold characters that show nothing, that turn the direction of everything after them, or that
cannot be written as UTF-8 at all (half of a surrogate pair). `visible` writes them out as `⟨U+200B⟩`, so
that a reader sees what the model gets. Line feeds and tabs stay; so do the joiners within emoji
(U+200D) and variation selectors, which belong to what is seen. Nothing is normalized.

HTML is escaped by the page's template, not here. Chart labels are another matter: plotly reads a small
subset of HTML in them (`<b>`, `<a href>`, entities), which `chart_label` escapes.
"""

import re
import unicodedata

from bitsft.pages.columns import columns_of

# Controls but for tab and line feed, soft hyphen, zero width, direction, line and paragraph separators,
# surrogates, byte order mark, interlinear marks, non-characters.
_HIDDEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    r"\ud800-\udfff\ufdd0-\ufdef\ufeff\ufff9-\ufffb\ufffe\uffff]"
)
# Vowels and final consonants of decomposed Hangul (Unicode block "Hangul Jamo").
_JOINED_JAMO = ("\u1160", "\u11ff")


def visible(text: str) -> str:
    """Return the text with characters that show nothing, or cannot be written, as `⟨U+200B⟩`."""
    return _HIDDEN.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", text)


def cut(text: str, limit: int) -> str:
    """Return at most `limit` characters of a text, and "…" where there were more.

    The cut never falls within a decomposed syllable or before a combining mark.
    """
    if len(text) <= limit:
        return text
    return text[: syllable_start(text, limit)] + "…"


def syllable_start(text: str, position: int) -> int:
    """Return the last place at or before `position` where the text can be divided for the eye."""
    while 0 < position < len(text) and _joins(text[position]):
        position -= 1
    return position


def cut_to_columns(text: str, columns: int) -> str:
    """Return as much of a text as fits into so many columns (`columns_of`)."""
    used = 0
    for position, character in enumerate(text):
        used += columns_of(character)
        if used > columns:
            return cut(text, position)
    return text


def chart_label(text: str, columns: int | None = None) -> str:
    """Return one line for a chart, in which plotly finds no markup.

    Args:
        text: Any text.
        columns: Cut it to this width; None keeps all of it.
    """
    line = " ".join(visible(text).split())
    if columns is not None:
        line = cut_to_columns(line, columns)
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _joins(character: str) -> bool:
    return unicodedata.combining(character) != 0 or (
        _JOINED_JAMO[0] <= character <= _JOINED_JAMO[1]
    )
