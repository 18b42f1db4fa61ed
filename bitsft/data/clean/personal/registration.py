"""Registration numbers of residents (주민등록번호) and foreigners (외국인등록번호): YYMMDD-SNNNNNC.

S gives sex and century (9, 0: 18xx; 1, 2: 19xx; 3, 4: 20xx; of foreigners 5, 6: 19xx; 7, 8: 20xx). C is a check
digit:

    sum = 2·d1 + 3·d2 + 4·d3 + 5·d4 + 6·d5 + 7·d6 + 8·d7 + 9·d8 + 2·d9 + 3·d10 + 4·d11 + 5·d12
    residents: C = (11 - sum mod 11) mod 10        foreigners: C = (13 - sum mod 11) mod 10

Source: https://en.wikipedia.org/wiki/Resident_registration_number and https://github.com/microsoft/presidio
(kr_rrn_recognizer, kr_frn_recognizer).

Numbers given out since 5 October 2020 have six random digits after S, hence no check digit (Enforcement Rules
of the Resident Registration Act, amended; e.g. https://www.asiae.co.kr/en/article/2020101519261172015). So:

| written | accepted |
|---|---|
| after 주민등록번호, 외국인등록번호 or the like | with a true date: a number may have been given anew |
| with a hyphen | with a true date, and the check digit or a birth from 5 October 2020 on |
| with a space, or as 13 digits | with a true date and the check digit, not called something else (주문번호), no bar code, no time stamp |

Partly hidden numbers (900101-1******) are left, and births before 1900 and after 2035 are not accepted.
"""

import datetime
import re
from collections.abc import Iterator

from bitsft.data.clean.personal.found import Found, named_otherwise, words_before

_NUMBER = re.compile(
    r"(?<![0-9A-Za-z])(?<![0-9][-.])([0-9]{6})( ?- ?| )?([0-9]{7})(?![0-9A-Za-z])(?![-.][0-9])"
)
_NAMED = re.compile(
    r"주민\s?(?:등록)?\s?번호|외국인\s?(?:등록)?\s?(?:번호|증)|등록외국인|거소신고|RRN|resident registration",
    re.I,
)
_ORDER = re.compile(r"주문|발주|배송|송장|접수|예약|결제|코드")
_WEIGHTS = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)
_NO_CHECK_DIGIT_FROM = datetime.date(2020, 10, 5)
# Fixed, so that the same text gives the same result in every year.
_LAST_YEAR_OF_BIRTH = 2035
_CENTURY = {"1": 1900, "2": 1900, "5": 1900, "6": 1900, "3": 2000, "4": 2000, "7": 2000, "8": 2000}


def check_digit(first_twelve: str, foreigner: bool) -> int:
    """Return the thirteenth digit that the first twelve ask for."""
    total = sum(int(digit) * weight for digit, weight in zip(first_twelve, _WEIGHTS, strict=True))
    return ((13 if foreigner else 11) - total % 11) % 10


def find_registration_numbers(plain: str) -> Iterator[Found]:
    """Yield the registration numbers in a plain copy of a text."""
    for match in _NUMBER.finditer(plain):
        front, separator, back = match.groups()
        born = _birth_date(front, back[0])
        if born is None:
            continue
        foreigner = back[0] in "5678"
        checked = check_digit(front + back[:6], foreigner) == int(back[6])
        if _NAMED.search(words_before(plain, match.start(), 30)):
            accepted = True
        elif separator and "-" in separator:
            accepted = checked or (
                born >= _NO_CHECK_DIGIT_FROM and not named_otherwise(plain, match.start())
            )
        else:
            accepted = (
                checked
                and not named_otherwise(plain, match.start())
                and not (separator is None and _is_other_number(plain, match.start(), front + back))
            )
        if accepted:
            yield Found(
                "foreigner_number" if foreigner else "resident_number", match.start(), match.end()
            )


def _birth_date(front: str, century: str) -> datetime.date | None:
    """The date that the first seven digits name; None when there is no such day."""
    # 9 and 0, people born before 1900, would only match other numbers by now.
    if century not in _CENTURY:
        return None
    year = _CENTURY[century] + int(front[:2])
    try:
        born = datetime.date(year, int(front[2:4]), int(front[4:6]))
    except ValueError:
        return None
    return born if year <= _LAST_YEAR_OF_BIRTH else None


def _is_other_number(plain: str, start: int, digits: str) -> bool:
    """Whether 13 digits without a separator are an order, a bar code, or a time in milliseconds (2001 to 2033)."""
    if _ORDER.search(words_before(plain, start, 12)):
        return True
    if digits.startswith("880"):
        total = sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(digits))
        return total % 10 == 0  # EAN-13
    return digits.startswith("1") and digits[6] in "12"
