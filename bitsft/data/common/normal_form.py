"""`normal_form`: the form in which texts are compared; what is written out is never changed by it.

    "네이버 지도 ！"  ->  "네이버지도!"  ->  without punctuation  "네이버지도"

1. White space is removed, all of it: Korean is spaced freely ("먹고싶다", "먹고 싶다"). So are the characters
   that show nothing (U+200B, U+200C, U+200D, U+2060, U+FEFF).
2. NFC, so that files from macOS (NFD) compare equal. Never NFKC: it turns ㅋ into another character.
3. `str.casefold`, and NFC again, as in the Unicode Standard's definition of caseless matching (section
   3.13, D145, with C in place of D).
4. Optionally without punctuation: Unicode's categories P*, and `~`. What says something stays: `#%&*@/\\`
   ("C#", "50%"), and any mark between two digits ("1.5", "3-5", "12:30"). A text of nothing but
   punctuation is left as it is.

Limits: "?" tells a question from a statement in Korean ("밥 먹었어?", "밥 먹었어."), so exact comparison keeps
punctuation by default. A minus sign before a number goes with the punctuation.
"""

import functools
import re
import sys
import unicodedata

from bitsft.data.fields import INVISIBLE

_TELLING = "#%&*@/\\"


@functools.cache
def _removed() -> re.Pattern[str]:
    """Match what is removed; made at first use, as it looks at every character of Unicode (0.1 s)."""
    marks = "~" + "".join(
        mark
        for mark in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(mark).startswith("P") and mark not in _TELLING
    )
    one = f"[{re.escape(marks)}]"
    return re.compile(rf"(?<!\d){one}|{one}(?!\d)")


def normal_form(text: str, *, punctuation: bool = True) -> str:
    """Return the form of `text` that is compared, as this module's docstring defines it.

    Args:
        text: Any text; half surrogates pass.
        punctuation: Whether punctuation counts.

    Returns:
        The normal form. The normal form of a normal form is itself.
    """
    text = "".join(text.split())
    if text.isascii():
        text = text.lower()
    else:
        for mark in INVISIBLE:
            if mark in text:
                text = text.replace(mark, "")
        text = _nfc(text)
        folded = text.casefold()
        if folded != text:
            text = _nfc(folded)
    if punctuation or text.isalnum():
        return text
    # Removing a mark can bring two characters together that NFC joins, and an outer mark of "1.-5"
    # exposes the inner one, so this goes on until nothing changes: nearly always one round.
    while True:
        shorter = _nfc(_removed().sub("", text))
        if not shorter or shorter == text:
            return text
        text = shorter


def _nfc(text: str) -> str:
    return text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)
