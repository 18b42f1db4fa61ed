"""All kinds together: no overlaps, in the text's order, in full-width writing too."""

from hypothesis import given, settings
from hypothesis import strategies as st

from bitsft.data.clean.personal import Found, find_personal, maybe_personal
from bitsft.data.clean.personal.found import plain_copy
from bitsft.data.clean.personal.masking import mask
from bitsft.data.clean.settings import DEFAULT_TOKENS


def test_example() -> None:
    assert find_personal("제 번호는 010-1234-5678이에요.") == (Found("phone", 6, 19),)


def test_order_and_priority() -> None:
    text = "계좌 110-334-590821, 01012345678@b.kr, 850312-1234565, 010-1234-5678"
    found = find_personal(text)
    assert [one.kind for one in found] == ["account", "email", "resident_number", "phone"]
    assert (
        mask(text, found, DEFAULT_TOKENS) == "계좌 [계좌번호], [이메일], [주민등록번호], [전화번호]"
    )


def test_full_width() -> None:
    text = "０１０－１２３４－５６７８, 010ㅡ1234ㅡ5678, nari＠noeul-sample.kr"
    assert mask(text, find_personal(text), DEFAULT_TOKENS) == "[전화번호], [전화번호], [이메일]"


def test_a_plain_copy_has_the_same_places() -> None:
    assert plain_copy("０１０－가나—다 ＠") == "010-가나-다 @"


PIECES = st.sampled_from(
    ["010", "1234", "5678", "-", " ", ".", ")", "+82", "850312", "1234565", "@", "a", "b.kr", "M123A4567", "계좌 ", "면허", "１", "ㅡ", "가"]
)  # fmt: skip


@settings(max_examples=1000, deadline=None)
@given(st.lists(PIECES, max_size=20).map("".join))
def test_found_lie_apart_and_within_the_text(text: str) -> None:
    found = find_personal(text)
    ends = [0, *(one.end for one in found)]
    starts = [*(one.start for one in found), len(text)]
    assert all(end <= start for end, start in zip(ends, starts, strict=True))
    assert all(one.start < one.end for one in found)
    assert len(plain_copy(text)) == len(text)


@settings(max_examples=1000, deadline=None)
@given(st.lists(PIECES, max_size=20).map("".join))
def test_the_quick_look_misses_nothing(text: str) -> None:
    from bitsft.data.clean.personal import masking

    if not maybe_personal(text):
        plain = plain_copy(text)
        assert [one for finder in masking._FINDERS for one in finder(plain)] == []
