"""`clean_text`: the steps together, twice the same, any text, in linear time."""

import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsft.data.clean import Cleaning, clean_text
from bitsft.data.clean.text import TextCleaner

EVERYTHING = "\ufeff ﻿진짜\u00a0 재밌다ㅋㅋㅋㅋㅋㅋ\u200b!!!!!  \r\n\r\n\r\n\r\n연락은 010-1234-5678,\x07 nari@noeul-sample.kr"


def test_all_steps() -> None:
    cleaned = clean_text(unicodedata.normalize("NFD", EVERYTHING))
    assert cleaned.text == "진짜 재밌다ㅋㅋㅋ!!!\n\n\n연락은 [전화번호], [이메일]"
    assert {change.kind: change.times for change in cleaned.changes} == {
        "line breaks": 4,
        "control characters": 1,
        "invisible characters": 3,
        "Unicode NFC": 1,
        "white space": 5,
        "repeats": 2,
        "email masked": 1,
        "phone masked": 1,
    }
    assert cleaned.personal == (("phone", "010-1234-5678"), ("email", "nari@noeul-sample.kr"))


def test_clean_text_is_the_same_object() -> None:
    text = "이미 깨끗한 글입니다. 2024-01-15에 1,200,000원을 냈어요."
    cleaned = clean_text(text)
    assert cleaned.text is text
    assert cleaned.changes == ()


def test_nfc_not_nfkc() -> None:
    assert clean_text("ㅋㅋ ㎏ ① ﬁ ｈ").text == "ㅋㅋ ㎏ ① ﬁ ｈ"
    assert clean_text("\u1112\u1161\u11ab\u1100\u1173\u11af").text == "한글"


def test_nfc_after_removal() -> None:
    assert clean_text("\u1100\u200b\u1161").text == "가"


def test_emoji_stay() -> None:
    assert clean_text("가족 👨‍👩‍👧 최고 ❤️").text == "가족 👨‍👩‍👧 최고 ❤️"


def test_switches() -> None:
    loose = Cleaning(white_space=False, max_repeats=None, phone="keep")
    assert (
        clean_text("가  나ㅋㅋㅋㅋ 010-1234-5678 ", loose).text == "가  나ㅋㅋㅋㅋ 010-1234-5678 "
    )
    assert clean_text("ㅋㅋㅋㅋ!!!!", Cleaning(max_repeats=1)).text == "ㅋ!"
    assert clean_text("010-1234-5678", Cleaning(tokens={"phone": "<전화>"})).text == "<전화>"
    assert clean_text("010-1234-5678", Cleaning(phone="reject")).text == "[전화번호]"


def test_kept_kinds_still_claim_their_digits() -> None:
    text = "농협 계좌 말고 전화 010-1234-5678"
    assert clean_text(text, Cleaning(phone="keep")).text == text


def test_masking_twice_finds_what_the_first_mask_brought_near() -> None:
    text = "계좌: 010-1234-5678 / nari@noeul-sample.kr 110-123-456789"
    once = clean_text(text).text
    assert clean_text(once).text == once


def test_not_a_text() -> None:
    with pytest.raises(TypeError, match="clean_text takes a text, got int"):
        clean_text(3)  # type: ignore[arg-type]


PIECES = st.sampled_from(
    [
        *"가힣ㅋㅠ!~.,-_@#` \n\t0159aM",
        "\u1100", "\u1161", "\u11a8", "\u115f", "\u1160", "\u3164", "\u0301", "\u0316", "\u0338",
        "\u200b", "\u200c", "\u200d", "\ufe0f", "\ufeff", "\u00ad", "\u202e", "\u00a0", "\u3000",
        "\u2000", "\u2028", "\x85", "\r", "\x00", "\x9f", "\ud83d", "\ude00", "👨", "👩", "🏴", "\U000e0067",
        "```", "````\n", "  ", "ㅋㅋㅋㅋ", "....", "010", "-1234", "-5678", "+82", "850312", "-1234567",
        "계좌 ", "국민은행", "여권", "주민등록번호 ", "a@b.kr", "１２３", "ㅡ", "안녕".encode().decode("latin-1"),
        "안녕".encode("cp949").decode("latin-1"), "복사".encode().decode("cp949"), "\ufa0a", "\u212b", "\u0e38",
    ]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=25).map("".join) | st.text(max_size=30)
SETTINGS = st.sampled_from(
    [
        Cleaning(),
        Cleaning(mojibake=True, max_repeats=1, max_blank_lines=0),
        Cleaning(white_space=False),
        Cleaning(
            max_repeats=None,
            phone="keep",
            tokens={"email": "...", "account": "ㅋ", "card": "\u0301 "},
        ),
    ]
)


@settings(max_examples=3000, deadline=None)
@given(TEXTS, SETTINGS)
def test_cleaning_twice_is_cleaning_once(text: str, chosen: Cleaning) -> None:
    once = clean_text(text, chosen)
    assert unicodedata.is_normalized("NFC", once.text)
    again = clean_text(once.text, chosen)
    assert again.text == once.text
    assert again.changes == ()


@settings(max_examples=1000, deadline=None)
@given(TEXTS, SETTINGS)
def test_the_quick_look_misses_nothing(text: str, chosen: Cleaning) -> None:
    cleaner = TextCleaner(chosen)
    if not cleaner.needs_cleaning(text):
        for kind, step in cleaner._steps:
            assert (kind, step(text)[0]) == (kind, text)


@settings(max_examples=1000, deadline=None)
@given(st.text(alphabet=st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), max_size=60))
def test_syllables_are_never_changed(text: str) -> None:
    assert clean_text(text).text == text
    assert clean_text(unicodedata.normalize("NFD", text)).text == text


@pytest.mark.parametrize(
    "piece",
    [
        "1-",
        "ㅋ",
        " ",
        "a@",
        "a@a.",
        "1 ",
        "010-",
        "`",
        "``` ",
        "`a",
        "\u0301\u0316",
        "\u200d",
        "\n \n",
        "\u115f",
    ]
    + [
        "1234567890123",
        "계좌 1-",
        "010-1234-5678 ",
        "M1234",
        "a@b.kr ",
        "😀\u200d",
        "\x00가",
        "https://1",
    ],
)
def test_time_is_linear(piece: str) -> None:
    text = piece * (300_000 // len(piece))
    start = time.perf_counter()
    clean_text(text)
    # 0.05 to 0.8 s when measured; anything quadratic takes minutes.
    assert time.perf_counter() - start < 10
