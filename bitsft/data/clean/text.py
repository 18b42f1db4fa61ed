"""`clean_text`: one text, cleaned, and what was changed in it.

The steps, in this order, each in a file of its own:

| kind of change | file |
|---|---|
| mojibake repair (on request) | mojibake.py |
| line breaks, white space | blanks.py |
| control characters, invisible characters, stacked marks | invisible.py |
| Unicode NFC | here: `unicodedata.normalize` |
| repeats | repeats.py |
| ... masked | personal/ |

NFC and never NFKC, which would turn ㅋ (U+314B) into a conjoining jamo and ㎏ into kg. NFC comes after what is
removed, because a removed character may have kept two jamo apart. Apart from NFC, Hangul syllables are never
changed.

The steps are repeated until nothing changes (nearly always the second round is the last), so cleaning what is
clean changes nothing. It ends: every step but NFC shortens the text or takes digits or an "@" out of it, and
NFC is done once it is done.

Time is linear in the length of a text. Most texts need nothing; two searches in C find that out
(`needs_cleaning`).
"""

import functools
import re
import unicodedata
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from bitsft.data.clean.blanks import tidy_blanks, unify_line_breaks
from bitsft.data.clean.invisible import (
    has_stacked_marks,
    limit_stacked_marks,
    remove_controls,
    remove_invisible,
)
from bitsft.data.clean.mojibake import maybe_mojibake, repair_mojibake
from bitsft.data.clean.personal.masking import (
    PERSONAL_GOES_ON,
    PERSONAL_STARTS,
    find_personal,
    mask,
)
from bitsft.data.clean.repeats import REPEATED, shorten_repeats
from bitsft.data.clean.settings import PERSONAL_KINDS, Cleaning

Step: TypeAlias = Callable[[str], tuple[str, int]]

# One of these makes a text worth a closer look: everything that `invisible.py` and `blanks.py` treat, and a little more
# (all combining marks of U+03xx, all format characters).
_UNUSUAL = (
    "\x00-\x08\x0b-\x1f\x7f-\xa0\xad\u0300-\u036f\u061c\u115f\u1160\u1680\u180b-\u180f\u2000-\u200f"
    "\u2028-\u202f\u205f-\u206f\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff"
)
_SHORT_ENOUGH = 1000


class TextChange(NamedTuple):
    """One kind of change to a text.

    Attributes:
        kind: What was changed, e.g. `"white space"`, or `"phone masked"`.
        times: In how many places.
        before: The text before this step.
        after: The text after it.
    """

    kind: str
    times: int
    before: str
    after: str


class CleanedText(NamedTuple):
    """A text after cleaning.

    Attributes:
        text: The text, in NFC. Personal data is masked where it is to be masked, and where it is to be rejected.
        changes: What was changed, in the order of the steps. `before` and `after` hold the personal data.
        personal: The personal data that was masked: its kind, and what was written there.
    """

    text: str
    changes: tuple[TextChange, ...] = ()
    personal: tuple[tuple[str, str], ...] = ()


class TextCleaner:
    """Cleans texts by the same settings, which are looked at once.

    Args:
        settings: What to change and what to leave alone.
    """

    def __init__(self, settings: Cleaning) -> None:
        self.settings = settings
        self._masked = frozenset(kind for kind in PERSONAL_KINDS if settings.action(kind) != "keep")
        self._too_many_breaks = "\n" * (settings.max_blank_lines + 2)
        self._steps = self._ordered_steps()
        # One character class first, so that the search skips in C to the first character that could begin anything.
        starts, goes_on = _UNUSUAL, f"(?<=[{_UNUSUAL}])"
        if settings.max_repeats is not None:
            starts += REPEATED
            goes_on += rf"|(?<=[{REPEATED}])\1{{{settings.max_repeats}}}"
        if self._masked:
            starts += PERSONAL_STARTS
            goes_on += f"|{PERSONAL_GOES_ON}"
        self._is_suspicious = re.compile(f"([{starts}])(?:{goes_on})").search

    def needs_cleaning(self, text: str) -> bool:
        """Whether `clean` could change the text; quick, and true for some texts that it leaves as they are."""
        if len(text) > _SHORT_ENOUGH and has_stacked_marks(text):
            return True  # before NFC, whose time they would drive up
        if not unicodedata.is_normalized("NFC", text):
            return True
        if self._is_suspicious(text):
            return True
        if self.settings.mojibake and maybe_mojibake(text):
            return True
        if not self.settings.white_space:
            return not text
        if "  " in text or ("\n" in text and self._has_loose_lines(text)):
            return True
        return not text or text[0] in " \t\n" or text[-1] in " \t\n"

    def clean(self, text: str) -> CleanedText:
        """Clean a text.

        Raises:
            ImportError: When the settings ask for mojibake repair and `ftfy` is not installed.
        """
        if not self.needs_cleaning(text):
            return CleanedText(text)
        changes: dict[str, TextChange] = {}
        personal: list[tuple[str, str]] = []
        while True:
            start = text
            for kind, step in self._steps:
                new, times = step(text)
                if times and new != text:
                    _add(changes, TextChange(kind, times, text, new))
                    text = new
            text = self._mask(text, changes, personal)
            if text == start or not self.needs_cleaning(text):
                return CleanedText(text, tuple(changes.values()), tuple(personal))

    def _ordered_steps(self) -> tuple[tuple[str, Step], ...]:
        settings = self.settings
        steps: list[tuple[str, Step]] = []
        if settings.mojibake:
            steps.append(("mojibake repair", repair_mojibake))
        steps += [
            ("line breaks", unify_line_breaks),
            ("control characters", remove_controls),
            ("invisible characters", remove_invisible),
            ("stacked marks", limit_stacked_marks),
            ("Unicode NFC", _to_nfc),
        ]
        if settings.white_space:
            most = settings.max_blank_lines
            steps.append(("white space", lambda text: tidy_blanks(text, most)))
        if settings.max_repeats is not None:
            limit = settings.max_repeats
            steps.append(("repeats", lambda text: shorten_repeats(text, limit)))
        return tuple(steps)

    def _has_loose_lines(self, text: str) -> bool:
        return " \n" in text or "\t\n" in text or self._too_many_breaks in text

    def _mask(
        self, text: str, changes: dict[str, TextChange], personal: list[tuple[str, str]]
    ) -> str:
        if not self._masked:
            return text
        found = tuple(one for one in find_personal(text) if one.kind in self._masked)
        if not found:
            return text
        new = mask(text, found, self.settings.tokens)
        for kind in dict.fromkeys(one.kind for one in found):
            values = [text[one.start : one.end] for one in found if one.kind == kind]
            personal += ((kind, value) for value in values)
            _add(changes, TextChange(f"{kind} masked", len(values), text, new))
        return new


def clean_text(text: str, settings: Cleaning = Cleaning()) -> CleanedText:  # noqa: B008
    """Clean one text.

    Args:
        text: Any text, halves of surrogate pairs included.
        settings: What to change and what to leave alone.

    Returns:
        The cleaned text, and the changes made to it.

    Raises:
        TypeError: When `text` is not a text.
        ImportError: When the settings ask for mojibake repair and `ftfy` is not installed.

    Example:
        >>> clean_text("진짜  재밌다ㅋㅋㅋㅋㅋㅋ 010-1234-5678").text
        '진짜 재밌다ㅋㅋㅋ [전화번호]'
    """
    if not isinstance(text, str):
        raise TypeError(f"clean_text takes a text, got {type(text).__name__}")
    return _cleaner(settings).clean(text)


@functools.lru_cache(maxsize=16)
def _cleaner(settings: Cleaning) -> TextCleaner:
    return TextCleaner(settings)


def _to_nfc(text: str) -> tuple[str, int]:
    if unicodedata.is_normalized("NFC", text):
        return text, 0
    return unicodedata.normalize("NFC", text), 1


def _add(changes: dict[str, TextChange], new: TextChange) -> None:
    old = changes.get(new.kind)
    if old is not None:
        new = TextChange(new.kind, old.times + new.times, old.before, old.after)
    changes[new.kind] = new
