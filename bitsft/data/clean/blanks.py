"""White space: one kind of line break, one kind of blank, one blank at a time.

- Line breaks: CR LF, CR, vertical tab, form feed, NEL, U+2028 and U+2029 become a line feed.
- Blanks: the other spaces of Unicode (no-break, ideographic, thin ...) and the Hangul fillers U+3164 and
  U+FFA0, which show as a blank, become a space.
- Several spaces between words become one. The spaces at the start of a line stay: they are the indentation of
  code and lists. Spaces within `code` stay. Tabs stay: they separate columns.
- Blanks at the end of a line, and at both ends of the text, are removed.
- At most `max_blank_lines` blank lines follow each other.
"""

import re

from bitsft.data.clean.code_spans import outside_code

_LINE_BREAKS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_OTHER_BLANKS = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\u3164\uffa0]")
_SEVERAL = re.compile(r"(?<=[^\s]) {2,}(?=[^\s])")
# Starts at the first blank of a run only, so that a long run is looked at once and not once for each blank.
_TRAILING = re.compile(r"(?<![ \t])[ \t]+(?=\n)")


def unify_line_breaks(text: str) -> tuple[str, int]:
    """Return the text with line feeds for all line breaks, and how many there were."""
    return _LINE_BREAKS.subn("\n", text)


def tidy_blanks(text: str, max_blank_lines: int) -> tuple[str, int]:
    """Return the text with its blanks in order, and how many places changed.

    Args:
        text: A text whose line breaks are line feeds.
        max_blank_lines: How many blank lines may follow each other.
    """
    text, other = _OTHER_BLANKS.subn(" ", text)
    text, several = outside_code(text, _join_blanks)
    text, trailing = _TRAILING.subn("", text)
    times = other + several + trailing
    most = "\n" * (max_blank_lines + 1)
    if most + "\n" in text:
        text, lines = re.subn(f"{most}\n+", most, text)
        times += lines
    stripped = text.strip(" \t\n")
    return stripped, times + (len(stripped) != len(text))


def _join_blanks(text: str) -> tuple[str, int]:
    return _SEVERAL.subn(" ", text) if "  " in text else (text, 0)
