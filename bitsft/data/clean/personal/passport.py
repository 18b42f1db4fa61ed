"""Numbers of Korean passports: M12345678, and since 21 December 2021 M123A4567.

The first letter is the kind: M (many journeys), S (single), R (resident), G (official), D (diplomatic). Source:
the passport office, http://passport.go.kr/board/story.php?idx=187&sel=1 (letters),
https://www.busanjin.go.kr/index.busanjin?menuCd=DOM_000000104005007000 (new form).

The new form is accepted as it stands; the old one, which looks like the code of any product, near 여권 or
passport.
"""

import re
from collections.abc import Iterator

from bitsft.data.clean.personal.found import Found, named_otherwise, words_after, words_before

_NUMBER = re.compile(
    r"(?<![0-9A-Za-z])(?<![0-9A-Za-z][-_./])[MSRGDmsrgd](?:[0-9]{8}|[0-9]{3}([A-Za-z])[0-9]{4})(?![0-9A-Za-z])(?!-[0-9A-Za-z])"
)
_PASSPORT = re.compile(r"여권|passport", re.I)


def find_passports(plain: str) -> Iterator[Found]:
    """Yield the numbers of passports in a plain copy of a text."""
    for match in _NUMBER.finditer(plain):
        start, end = match.span()
        around = words_before(plain, start, 30) + " " + words_after(plain, end, 12)
        new_form = match[1] is not None and match[0].isupper()
        if _PASSPORT.search(around) or (new_form and not named_otherwise(plain, start)):
            yield Found("passport", start, end)
