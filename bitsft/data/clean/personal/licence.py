"""Numbers of Korean driving licences: 12 digits in 2-2-6-2, region, year, number, issue (11-23-123456-01).

Regions are 11 (Seoul) to 28. The old form has the region's name for the first two digits (서울 05-123456-01).
Both forms are accepted as they stand, unless a bank or an account is named near them; 12 digits without hyphens
need 면허 near them. The form in public descriptions of the licence card, e.g. https://icedameri.tistory.com/1079;
no check digit is published.
"""

import re
from collections.abc import Iterator

from bitsft.data.clean.personal.found import Found, named_otherwise, words_after, words_before

_NUMBER = re.compile(
    r"(?<![0-9A-Za-z])(?<![0-9][-.])"
    r"(?:(?:1[1-9]|2[0-8])-[0-9]{2}-[0-9]{6}-[0-9]{2}"
    r"|(?:서울|부산|대구|인천|광주|대전|울산|경기|강원|충북|충남|전북|전남|경북|경남|제주) ?[0-9]{2}-[0-9]{6}-[0-9]{2}"
    r"|((?:1[1-9]|2[0-8])[0-9]{10}))"
    r"(?![0-9A-Za-z])(?![-.][0-9])"
)
_LICENCE = re.compile(r"면허")
_ACCOUNT = re.compile(r"계좌|은행|통장|입금|송금|이체|농협|예금")


def find_licences(plain: str) -> Iterator[Found]:
    """Yield the numbers of driving licences in a plain copy of a text."""
    for match in _NUMBER.finditer(plain):
        start, end = match.span()
        around = words_before(plain, start, 20) + " " + words_after(plain, end, 12)
        named = _LICENCE.search(around) is not None
        if named or not (match[1] or _ACCOUNT.search(around) or named_otherwise(plain, start)):
            yield Found("drivers_licence", start, end)
