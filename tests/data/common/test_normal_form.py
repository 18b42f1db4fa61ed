import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitsft.data.common.normal_form import normal_form


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("네이버  지도 !", "네이버지도!"),
        (unicodedata.normalize("NFD", "먹고 싶다"), "먹고싶다"),
        ("한\u2028글\u3000\u00a0과\u200b 글", "한글과글"),
        ("ㅋㅋ ㅋ", "ㅋㅋㅋ"),
        ("ABC Straße", "abcstrasse"),
        ("㎏", "㎏"),
        ("\ud800 가", "\ud800가"),
        (" \n", ""),
    ],
)
def test_white_space_case_and_composition_do_not_count(text: str, form: str) -> None:
    assert normal_form(text) == form


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("밥 먹었어?!", "밥먹었어"),
        ("네… 그래요~~ “정말”", "네그래요정말"),
        ("C#은 50% 싸다.", "c#은50%싸다"),
        ("1.5배, 12:30에", "1.5배12:30에"),
        ("3-5", "3-5"),
        ("...", "..."),
        ("?!", "?!"),
        ("좋아 ^^ 👍", "좋아^^👍"),
    ],
)
def test_without_punctuation(text: str, form: str) -> None:
    assert normal_form(text, punctuation=False) == form


def test_punctuation_counts_unless_told_otherwise() -> None:
    assert normal_form("먹었어?") != normal_form("먹었어.")


_TEXT = st.text(
    alphabet=st.one_of(
        st.characters(),
        st.sampled_from(
            ["가", "ᄀ", "ᅡ", "ᆨ", " ", ".", "-", "1", "~", "\u200b", "\u0301", "İ", "ﬃ"]
        ),
    ),
    max_size=12,
)


@given(_TEXT, st.booleans())
def test_the_normal_form_of_a_normal_form_is_itself(text: str, punctuation: bool) -> None:
    form = normal_form(text, punctuation=punctuation)
    assert normal_form(form, punctuation=punctuation) == form


@given(_TEXT, st.booleans())
def test_nfd_and_nfc_have_one_form(text: str, punctuation: bool) -> None:
    forms = {
        normal_form(unicodedata.normalize(name, text), punctuation=punctuation)
        for name in ("NFC", "NFD")
    }
    assert len(forms) == 1
