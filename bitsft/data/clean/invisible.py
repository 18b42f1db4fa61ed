"""Control characters and characters that show nothing: removed, unless they shape what stands beside them.

Control characters are C0 and C1 of ISO/IEC 6429 without tab and line feed (line breaks are `blanks.py`'s).

Invisible characters are those of Unicode's property Default_Ignorable_Code_Point that turn up in scraped text:
zero-width space, word joiner, byte order mark, soft hyphen, marks and overrides of writing direction, invisible
operators, tags. Four of them have work to do, and stay where they do it:

- ZWJ (U+200D) joins emoji into one: 👨‍👩‍👧. It stays between two symbols; and like ZWNJ (U+200C) after letters
  of Arabic and of the scripts of India and South-East Asia, where it changes the form of a letter.
- Variation selectors (U+FE00-FE0F, U+E0100-E01EF) choose how the symbol or the Chinese character before them
  looks (❤️, 1️⃣).
- Tags (U+E0020-E007F) spell the name of a flag after 🏴 (🏴󠁧󠁢󠁥󠁮󠁧󠁿). Elsewhere they hide text from the reader.
- The Hangul fillers U+115F and U+1160 hold the empty place of a conjoining jamo. (U+3164 and U+FFA0, which
  scraped text uses as a blank, are blanks: `blanks.py`.)

A run of more than 30 combining marks is cut to 30, the limit of Unicode's Stream-Safe Text Format (UAX #15,
section 13): no language needs more, and the time that NFC takes grows with the square of such a run.
"""

import functools
import re
import unicodedata

MAX_STACKED_MARKS = 30

_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]+")

# Characters that a joiner may join: arrows, symbols and pictographs; keycaps' bases do not join.
_SYMBOL = "\u00a9\u00ae\u203c-\u3299\U0001f000-\U0001faff"
# Arabic to Sinhala, Tibetan to Myanmar, Khmer, Mongolian: joiners change letters there.
_JOINING_LETTERS = "\u0600-\u08ff\u0900-\u0dff\u0f00-\u109f\u1780-\u18af"
_HAN = "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_CONJOINING = "\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff"

_INVISIBLE = re.compile(
    "["
    "\u00ad\u034f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e001f\U000e0080-\U000e00ff\U000e01f0-\U000e0fff"
    "]+"
    f"|(?<![{_JOINING_LETTERS}])\u200c"
    f"|(?<![{_JOINING_LETTERS}{_SYMBOL}\ufe0f])\u200d"
    f"|(?<=[{_SYMBOL}\ufe0f])\u200d(?![{_SYMBOL}])"
    f"|(?<![#*0-9{_JOINING_LETTERS}\u00a9\u00ae\u2000-\u2027\u2030-\u205e\u2070-\u2fff\u3001-\u312f\u3190-\u9fff"
    "\uf900-\ufaff\U00010000-\U0003ffff])[\ufe00-\ufe0f]"
    f"|(?<![{_HAN}])[\U000e0100-\U000e01ef]"
    "|(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0020-\U000e007f]+"
    f"|(?<![{_CONJOINING}])[\u115f\u1160]+(?![{_CONJOINING}])"
)


def remove_controls(text: str) -> tuple[str, int]:
    """Return the text without control characters, and how many runs of them there were."""
    return _CONTROLS.subn("", text)


def remove_invisible(text: str) -> tuple[str, int]:
    """Return the text without characters that show nothing, and how many runs of them there were."""
    return _INVISIBLE.subn("", text)


def limit_stacked_marks(text: str) -> tuple[str, int]:
    """Return the text with at most 30 combining marks in a row, and how many runs were cut."""
    return _stacked_marks().subn(lambda run: run[0][:MAX_STACKED_MARKS], text)


def has_stacked_marks(text: str) -> bool:
    """Whether `limit_stacked_marks` would cut anything."""
    return _stacked_marks().search(text) is not None


@functools.cache
def _stacked_marks() -> re.Pattern[str]:
    """More than 30 characters in a row with a canonical combining class other than 0."""
    first, previous = 0, -2
    ranges = []
    for code in range(0x300, 0x20000):  # no character from U+20000 on is a mark
        if unicodedata.combining(chr(code)):
            if code != previous + 1:
                first = code
                ranges.append((code, code))
            ranges[-1] = (first, code)
            previous = code
    marks = "".join(f"{chr(start)}-{chr(end)}" for start, end in ranges)
    return re.compile(f"[{marks}]{{{MAX_STACKED_MARKS + 1},}}")
