"""A piece of personal data within a text, and the words that stand around it.

Patterns look at a *plain* copy of the text, of the same length: full-width digits, letters and signs as ASCII,
all dashes as "-". So 010-1234-5678, ０１０－１２３４－５６７８ and 010ㅡ1234ㅡ5678 are one form, and a place in the copy is
the same place in the text.
"""

import re
from typing import NamedTuple

_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\ufe58\ufe63\u3161"
_PLAIN = _FULL_WIDTH | {ord(dash): "-" for dash in _DASHES} | {ord("\u00a0"): " ", 0x3000: " "}
_NOT_PLAIN = re.compile(f"[\uff01-\uff5e{_DASHES}\u00a0\u3000]")

# A number with a name that says what it is, and that it is no one's: 주문번호, 운송장, 모델명 ...
_NAMED_OTHERWISE = re.compile(
    r"(?:"
    r"(?:주문|접수|문서|관리|일련|거래|고객|제품|부품|상품|발주|예약|수험|등기|사업자|특허|출원|승인|쿠폰|증권|법인|라이선스|인증|회원|참조)"
    r"(?:등록)?\s?(?:번호|코드|키|[Nn][Oo]\.?|#)"
    r"|(?:송장|사건|품번|모델|시리얼)(?:번호|명|\s번호|\s코드)?|사번|학번|바코드|상품권|타임스탬프|ISBN|ISSN|S/N|[Ss]erial|[Mm]odel|[Oo]rder"
    r")\s?(?:[은는이가를을]|인)?\s?[:=#(]?\s?$"
)

_URL = re.compile(r"://\S*$")


class Found(NamedTuple):
    """A piece of personal data: its kind, and where it stands in the text."""

    kind: str
    start: int
    end: int


def plain_copy(text: str) -> str:
    """Return the text with full-width characters and dashes as ASCII, character for character."""
    return text.translate(_PLAIN) if _NOT_PLAIN.search(text) else text


def words_before(plain: str, start: int, width: int) -> str:
    """The `width` characters before a place, on its line."""
    return plain[max(0, start - width) : start].rpartition("\n")[2]


def words_after(plain: str, end: int, width: int) -> str:
    """The `width` characters after a place, on its line."""
    return plain[end : end + width].partition("\n")[0]


def named_otherwise(plain: str, start: int) -> bool:
    """Whether the number at a place is called something that is not personal, e.g. 주문번호."""
    return _NAMED_OTHERWISE.search(words_before(plain, start, 16)) is not None


def within_url(plain: str, start: int) -> bool:
    """Whether a place lies in a URL, whose digits number pages and goods."""
    return _URL.search(words_before(plain, start, 120)) is not None
