import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from bitsft.data.raft_builder.normal_form import normal_form, same_spacing


def test_spacing_case_and_unicode_form_do_not_count() -> None:
    text = "서울은 \n대한민국의\u200b 수도 (Seoul)"
    assert normal_form(text) == "서울은대한민국의수도(seoul)"
    assert normal_form(unicodedata.normalize("NFD", text)) == normal_form(text)


def test_letters_are_not_made_compatible() -> None:
    assert normal_form("ㅋㅋ 5㎏") == "ㅋㅋ5㎏"


def test_nothing_to_see_is_nothing() -> None:
    assert normal_form(" \u3000\u200b\ufeff\n") == ""


def test_same_spacing_keeps_the_case() -> None:
    assert same_spacing("Seoul \n은") == "Seoul은"


@given(st.text())
def test_white_space_never_counts(text: str) -> None:
    assert normal_form(f" {text}\n") == normal_form(text)
