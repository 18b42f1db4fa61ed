"""Numbers of Korean bank accounts: 10 to 16 digits near the name of a bank, or near 계좌, 통장.

Each bank has forms of its own (110-123-456789, 3333-01-1234567, 301-0123-4567-81), which change and overlap,
and no check digit is published; so what stands around a number decides:

| form | accepted |
|---|---|
| three to five groups with hyphens | when a bank, 계좌, 통장, 예금주, 입금, 송금, 이체 or 환불 stands within 30 characters before or 15 after |
| two groups, groups with spaces, digits together | right after 계좌(번호), 통장 or a bank, or right before a bank, and not followed by 원, 건, 명 ... |

Between the word and the number no other number may be named (거래번호). Dates (20240115-...), business numbers and
telephone numbers are not taken.
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

# Names that are words of their own (국민, 우리) count only right beside the number.
_SHORT = (
    "국민|신한|우리|하나|기업|농협|수협|신협|우체국|카카오|카뱅|토스|토뱅|케이|케뱅|새마을|제일|SC|씨티|대구|부산|경남|광주|전북|제주"
    "|산업|KB|NH|IBK|KDB|아이엠|iM"
)
_BANK = r"(?:[가-힣A-Za-z]{1,6}(?:은행|뱅크|저축은행)|농협|수협|신협|우체국|새마을금고|카뱅|토뱅|케뱅|SC제일)"
_ACCOUNT = r"(?:계좌|통장)(?:\s?번호)?"
_FOUR_GROUPS = r"[0-9]{2,7}(?:-[0-9]{1,8}){1,4}"
_NUMBER = re.compile(
    r"(?<![0-9A-Za-z])(?<![0-9][-.])"
    rf"(?:{_FOUR_GROUPS}|[0-9]{{2,7}}(?: [0-9]{{2,7}}){{2,3}}|[0-9]{{10,16}})"
    r"(?![0-9A-Za-z])(?![-.][0-9])"
)
_NEAR = re.compile(rf"{_BANK}|{_ACCOUNT}|예금주|입금|송금|이체|환불")
_ANY_NAME = re.compile(rf"{_BANK}|{_ACCOUNT}|예금주|입금|송금|이체|환불|{_SHORT}")
_LINK = r"(?:[\s:=(),]|[은는이가를을로에의]|번호|국내|입금|송금){0,8}"
_RIGHT_AFTER = re.compile(rf"(?:{_BANK}|{_ACCOUNT}|(?<![가-힣])(?:{_SHORT})){_LINK}$")
_RIGHT_BEFORE = re.compile(rf"[\s,(/]{{0,3}}(?:{_BANK}|(?:{_SHORT})(?![가-힣]))")
_AMOUNT = re.compile(r"\s?(?:원|건|명|주|개|달러|%|엔|유로|위안)")
_DATE_FIRST = re.compile(
    r"(?:19|20)[0-9]{2}-?(?:0[1-9]|1[0-2])-?(?:0[1-9]|[12][0-9]|3[01])(?:-|[0-9]*$)"
)
_OTHER_NAME = re.compile(
    r"(?<!계좌)(?<!통장)(?<!계좌 )(?<!통장 )번호|전화|연락처|팩스|고객센터|사업자"
)


def find_accounts(plain: str) -> Iterator[Found]:
    """Yield the numbers of bank accounts in a plain copy of a text."""
    if not _ANY_NAME.search(plain):
        return
    for match in _NUMBER.finditer(plain):
        start, end = match.span()
        digits = sum(map(str.isdigit, match[0]))
        if 10 <= digits <= 16 and not _DATE_FIRST.match(match[0]) and _is_account(plain, match):
            yield Found("account", start, end)


def _is_account(plain: str, match: re.Match[str]) -> bool:
    start, end = match.span()
    before, after = words_before(plain, start, 30), words_after(plain, end, 15)
    if named_otherwise(plain, start) or within_url(plain, start):
        return False
    if _RIGHT_AFTER.search(before) or _RIGHT_BEFORE.match(after):
        return not _AMOUNT.match(after)
    if match[0].count("-") < 2:
        return False
    ends = [name.end() for name in _NEAR.finditer(before)]
    if ends:
        return _OTHER_NAME.search(before, ends[-1]) is None
    return _NEAR.search(after) is not None and _OTHER_NAME.search(before) is None
