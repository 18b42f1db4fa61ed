import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from bitsft.pages.blocks import Marked, difference

LETTERS = st.text("가나다ㅋ\u1100\u1161\u11a8e\u0301 ", max_size=20)


def test_what_differs_is_marked() -> None:
    before, after = difference("정말 ㅋㅋㅋㅋㅋ 최고", "정말 ㅋㅋ 최고")
    assert before == Marked("정말 ㅋㅋ", "ㅋㅋㅋ", " 최고")
    assert after == Marked("정말 ㅋㅋ", "", " 최고")


def test_what_stands_far_away_is_left_out() -> None:
    before, _ = difference("가" * 50 + "나" * 200 + "다" * 50, "가" * 50 + "다" * 50)
    assert before == Marked("…" + "가" * 24, "나" * 120 + "…", "다" * 24 + "…")


def test_syllables_are_not_divided() -> None:
    nfd = unicodedata.normalize("NFD", "각간")  # the first two jamo of both syllables are equal
    before, after = difference(nfd[:3], nfd[3:])
    assert (before.middle, after.middle) == (nfd[:3], nfd[3:])
    before, after = difference(unicodedata.normalize("NFD", "한글"), "한글")
    assert after == Marked("", "한글", "")


@given(LETTERS, LETTERS)
def test_nothing_is_lost(before: str, after: str) -> None:
    one, other = difference(before, after)
    assert one.head + one.middle + one.tail == before
    assert other.head + other.middle + other.tail == after
    assert (one.head, one.tail) == (other.head, other.tail)
    if before == after:
        assert one.middle == other.middle == ""
