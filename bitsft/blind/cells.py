"""Cells of a sheet: texts that a spreadsheet would run as a formula, and what people type into a cell.

A cell that begins with = + - @, a tab, a line end, or the wide form of one of these is a formula to Excel,
LibreOffice or a reader of theirs (OWASP, "CSV Injection"). Such a text gets an apostrophe in front, and so does
a text that begins with an apostrophe; so each text comes back from its cell, and only from that.
"""

import re
import unicodedata

from bitsft.blind.rating import CHOICES

LONGEST_CELL = 32_767
"""Characters that Excel keeps of a cell."""

_RISKY = "=+-@\t\r\n＝＋－＠'"
_WORDS = {
    "left": ("left", "l", "왼쪽"),
    "right": ("right", "r", "오른쪽"),
    "tie": ("tie", "t", "비슷함", "동점", "무승부"),
    "both_bad": ("bothbad", "b", "bad", "둘다나쁨"),
}
_CHOICE_OF = {word: choice for choice, words in _WORDS.items() for word in words}
_SCORE = re.compile(r"([1-5])(?:[.,]0+)?")


def harmless(text: str) -> str:
    """The text as a cell that no spreadsheet runs."""
    return "'" + text if text[:1] and text[0] in _RISKY else text


def restored(cell: str) -> str:
    """The text that `harmless` made the cell of."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] and cell[1] in _RISKY else cell


def read_choice(cell: str) -> str:
    """One of `CHOICES`, from what somebody typed: left, right, tie, both bad, their first letters, or Korean.

    Raises:
        ValueError: When it is none of them.
    """
    word = re.sub(r"[\s_-]", "", unicodedata.normalize("NFKC", cell).casefold())
    if word not in _CHOICE_OF:
        said = ", ".join(choice.replace("_", " ") for choice in CHOICES)
        raise ValueError(f"is none of {said}")
    return _CHOICE_OF[word]


def read_score(cell: str) -> int:
    """A whole number from 1 to 5, from what somebody typed; `4.0` and the wide `４` are 4.

    Raises:
        ValueError: When it is none.
    """
    match = _SCORE.fullmatch(unicodedata.normalize("NFKC", cell).strip())
    if match is None:
        raise ValueError("is no whole number from 1 to 5")
    return int(match[1])
