import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitsft.data.quality.content_words import ContentWords


def missing(words: str, text: str) -> list[str]:
    return ContentWords(words).found_in(ContentWords(text))[1]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("서울이에요", "서울은 대한민국의 수도이다."),
        ("수도는 서울", "서울이 수도다"),
        ("1000명", "관객은 1,000명이었다"),
        ("만든 책", "책을 만들었다"),
        ("만들었다", "그가 만든 것"),
        ("개발했습니다", "1990년에 개발된 언어"),
        ("배웠어요", "영어를 배우는 학생"),
        ("인공 지능", "인공지능은 어렵다"),
        ("인공지능", "인공 지능을 배운다"),
        ("BTS", "BTS는 그룹이다"),
        ("Cats walked", "a cat walks"),
        ("東京", "東京都"),
        ("물을", "물은 맑다"),
        ("2023년에", "2023 한국"),  # the unit is not asked for
    ],
)
def test_found(words: str, text: str) -> None:
    assert len(ContentWords(words)) > 0
    assert missing(words, text) == []
    assert missing(unicodedata.normalize("NFD", words), text.upper()) == []


@pytest.mark.parametrize(
    ("words", "text", "lacking"),
    [
        ("부산", "부사장이 왔다", ["부산"]),
        ("서울", "서운하다", ["서울"]),
        ("물", "건물 안", ["물"]),
        ("3", "13 3.5 30", ["3"]),
        ("1,234", "1234.5", ["1234"]),
        ("art", "start", ["art"]),
        ("안 갔다", "갔다", ["안"]),  # a negation says something
        ("부산의 인구", "서울 인구", ["부산의"]),
        ("서울", "서 울", []),
    ],
)
def test_not_found(words: str, text: str, lacking: list[str]) -> None:
    assert missing(words, text) == lacking


def test_words_of_two_texts_do_not_join() -> None:
    assert ContentWords("서울").found_in(ContentWords("동서", "울산"))[1] == ["서울"]


@pytest.mark.parametrize(
    "text", ["", "그리고 이것은 무엇인가요?", "ㅋㅋㅋ ㅠㅠ", "😀 !!", "the of 것이"]
)
def test_nothing_to_look_for(text: str) -> None:
    assert len(ContentWords(text)) == 0
    assert ContentWords(text).found_in(ContentWords("서울")) == (None, [])


def test_a_particle_may_be_a_part_of_a_noun() -> None:
    assert len(ContentWords("수도 도로 의도")) == 3  # not 수+도, 도+로, 의+도
    assert len(ContentWords("때문에")) == 0


def test_the_share() -> None:
    words = ContentWords("1394년 조선의 수도 한양")
    assert len(words) == 4
    assert words.found_in(ContentWords("조선은 한양을 1392년에")) == (0.5, ["1394", "수도"])


@given(st.text(max_size=80))
def test_any_text_holds_its_own_words(text: str) -> None:
    words = ContentWords(text)
    share, lacking = words.found_in(words)
    assert lacking == []
    assert share in (1.0, None)
