"""Korean telephone numbers of people: mobile (010, 011, 016-019), by area (02, 031-064), internet (070), safe
numbers (050x).

They are written with hyphens, dots, spaces, parentheses around the area code, or together; abroad with +82 (or
0082) and without the first 0. Source: Korea's numbering plan,
https://en.wikipedia.org/wiki/Telephone_numbers_in_South_Korea.

Numbers that only companies have stay: 15xx, 16xx, 18xx (nationwide) and 080 (free of charge). Digits together
are taken for a mobile number (01012345678, unless all are 0 and 1); for one with an area code only after 전화,
연락처, TEL or the like, and so are groups with only spaces between them, and all groups with / or _. Digits in a
URL stay. A number that is called something else (주문번호), or that stands between 제 and 호, stays.
"""

import re
from collections.abc import Iterator

from bitsft.data.clean.personal.found import Found, named_otherwise, within_url, words_before

_MOBILE = "01[016-9]"
_AREA = "0(?:2|3[1-3]|4[1-4]|5[1-5]|6[1-4]|70|50[2-8]?)"
_GAP = r" ?[-.)/_]? ?"
_TAIL = rf"([0-9]{{3,4}}){_GAP}([0-9]{{4}})(?![0-9A-Za-z])(?![-.][0-9])"
# Letters may stand right before a number only when they say that it is one: TEL010-...
_HEAD = r"(?<![0-9])(?<![0-9][-.])(?:(?<![A-Za-z])|(?<=(?i:tel|fax))|(?<=(?i:hp))|(?<=(?i:phone))|(?<=(?i:mobile)))"
_NATIONAL = re.compile(rf"{_HEAD}(?:\(((?:{_MOBILE}|{_AREA}))\)|({_MOBILE}|{_AREA})){_GAP}{_TAIL}")
_ABROAD = re.compile(
    rf"(?<![0-9A-Za-z])(?:\(\+82\)|\+82|0082|(82(?=[-. ])))[-. ]{{0,2}}(?:\(0\) ?|0)?"
    rf"(?:{_MOBILE[1:]}|{_AREA[1:]}){_GAP}{_TAIL}"
)
_NAMED = re.compile(
    r"전화|연락|휴대|핸드폰|폰|팩스|문의|통화|상담|\bTEL|\bFAX|\bHP|PHONE|MOBILE|CALL|☎|☏|📞|📱",
    re.I,
)


def find_phones(plain: str) -> Iterator[Found]:
    """Yield the telephone numbers in a plain copy of a text."""
    if "82" in plain:
        for match in _ABROAD.finditer(plain):
            mobile = match[0].lstrip("(+082-. )").startswith("1")
            if (match[1] is None or mobile) and not named_otherwise(plain, match.start()):
                yield Found("phone", match.start(), match.end())
    for match in _NATIONAL.finditer(plain):
        if _is_phone(plain, match):
            yield Found("phone", match.start(), match.end())


def _is_phone(plain: str, match: re.Match[str]) -> bool:
    area = match[1] or match[2]
    exchange = match[3]
    start, end = match.span()
    number = match[0]
    together = number.isdigit()
    mobile = area.startswith("01")
    if together and set(number) <= {"0", "1"}:
        return False  # 01010101010
    if exchange[0] == "0" or (mobile and area != "010" and exchange[0] == "1"):
        return False  # no exchange begins so
    if mobile and area == "010" and len(exchange) == 3 and together:
        return False  # 010 has been followed by eight digits since 2004
    loose = together or set(number) <= set("0123456789 ")
    needs_name = "/" in number or "_" in number or (loose and not mobile)
    if needs_name and not _NAMED.search(words_before(plain, start, 14)):
        return False
    if plain[start - 1 : start] == "제" and plain[end : end + 1] == "호":
        return False  # 제031-2023-1234호
    return not named_otherwise(plain, start) and not within_url(plain, start)
