"""Numbers of payment cards: 14 to 19 digits with a known prefix and a Luhn check digit (ISO/IEC 7812-1).

| network | begins with | digits |
|---|---|---|
| Visa | 4 | 16, 19 |
| Mastercard | 51-55, 2221-2720 | 16 |
| American Express | 34, 37 | 15 |
| Discover | 6011, 644-649, 65 | 16 |
| JCB | 3528-3589 | 16 |
| Diners Club | 300-305, 36, 38, 39 | 14 |
| UnionPay | 62 | 16-19 |
| Korean domestic cards | 9 | 16 |

Source: https://en.wikipedia.org/wiki/Payment_card_number; domestic cards: the 9 of national use (ISO/IEC
7812-1).

Digits stand together, or in groups of 4-4-4-4, 4-4-4-4-3, 4-6-5 or 4-6-4 with hyphens or spaces. One in ten
numbers passes Luhn by chance. So digits that stand together need the word 카드 near them where they are not 16,
or where they begin like a date (2401...: 2221-2720 are also the years 2022 to 2027), and no number counts that
is called something else (주문번호).
"""

import re
from collections.abc import Iterator

from bitsft.data.clean.personal.found import (
    Found,
    named_otherwise,
    within_url,
    words_after,
    words_before,
)

_NUMBER = re.compile(
    r"(?<![0-9A-Za-z])(?<![0-9][-.])"
    r"(?:[0-9]{4}([- ])[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?:\1[0-9]{3})?"
    r"|[0-9]{4}([- ])[0-9]{6}\2[0-9]{4,5}"
    r"|[0-9]{14,19})"
    r"(?![0-9A-Za-z])(?![-.][0-9])"
)
_CARD = re.compile(r"카드|card|결제|visa|master|amex|아멕스|비자", re.I)
# Prefix and number of digits.
_NETWORKS = re.compile(
    r"4(?:[0-9]{15}|[0-9]{18})"
    r"|5[1-5][0-9]{14}|2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720)[0-9]{12}"
    r"|3[47][0-9]{13}"
    r"|6(?:011|4[4-9][0-9]|5[0-9]{2})[0-9]{12}"
    r"|35(?:2[89]|[3-8][0-9])[0-9]{12}"
    r"|3(?:0[0-5]|[689][0-9])[0-9]{11}"
    r"|62[0-9]{14,17}"
    r"|9[0-9]{15}"
)
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def passes_luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others by Luhn's rule."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        total += _DOUBLED[int(digit)] if place % 2 else int(digit)
    return total % 10 == 0


def find_cards(plain: str) -> Iterator[Found]:
    """Yield the numbers of payment cards in a plain copy of a text."""
    for match in _NUMBER.finditer(plain):
        start, end = match.span()
        digits = match[0].replace("-", "").replace(" ", "")
        if not _NETWORKS.fullmatch(digits) or not passes_luhn(digits):
            continue
        together = len(digits) == len(match[0])
        if (
            together
            and (len(digits) != 16 or digits[0] == "2")
            and not _is_named(plain, start, end)
        ):
            continue
        if not named_otherwise(plain, start) and not within_url(plain, start):
            yield Found("card", start, end)


def _is_named(plain: str, start: int, end: int) -> bool:
    around = words_before(plain, start, 20) + " " + words_after(plain, end, 12)
    return _CARD.search(around) is not None
