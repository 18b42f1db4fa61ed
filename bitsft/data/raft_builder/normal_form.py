"""`normal_form`: the form in which two texts count as the same.

    NFC, then without white space and zero-width characters, then casefolded

Two copies of a paragraph that differ only in spacing, line breaks, upper case or NFC/NFD have one normal
form, so neither can pass as a distractor for the other. It is for comparing only and is never written
anywhere. NFC and not NFKC, which takes ㅋㅋ apart and turns ㎏ into kg.

`same_spacing` is the stricter form that quotes are compared in: NFC, without white space, nothing else.
"""

import re
import unicodedata

ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff"
_ZERO_WIDTH = re.compile(f"[{ZERO_WIDTH}]+")


def normal_form(text: str) -> str:
    """Return the form in which texts are compared; `""` when nothing of the text can be seen."""
    bare = _ZERO_WIDTH.sub("", "".join(text.split()))
    # Casefolding can leave a sequence that NFC joins (U+0345), hence NFC once more.
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", bare).casefold())


def same_spacing(text: str) -> str:
    """Return the text in NFC and without white space."""
    return unicodedata.normalize("NFC", "".join(text.split()))
