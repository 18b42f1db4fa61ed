"""How many columns a text takes where each character stands in a cell, as in a terminal.

A wide East Asian character takes two columns (Unicode Standard Annex 11), a combining mark none.
"""

import unicodedata


def columns_of(text: str) -> int:
    """How many columns a text takes."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def padded(text: str, width: int, *, to_the_right: bool = False) -> str:
    """A text filled up with spaces to so many columns.

    Args:
        text: The text; longer ones stay as they are.
        width: Columns.
        to_the_right: Put the spaces before it, for numbers.
    """
    space = " " * (width - columns_of(text))
    return space + text if to_the_right else text + space
