import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitsft.data.quality.stems import Stem, stem


@pytest.mark.parametrize(
    ("word", "noun"),
    [
        ("서울은", "서울"),
        ("서울이에요", "서울"),
        ("서울에서는", "서울"),
        ("학교로", "학교"),
        ("서울로", "서울"),
        ("물을", "물"),
        ("의사였다", "의사"),
        ("정치인입니다", "정치인"),
        ("학생들에게는", "학생"),
        ("나이", "나이"),  # 이 follows consonants only
        ("나이가", "나이"),
        ("고양이가", "고양이"),
        ("미성년자였는가", "미성년자"),
        ("은", "은"),
    ],
)
def test_nouns_lose_particles(word: str, noun: str) -> None:
    assert stem(word).nouns[0] == noun


@pytest.mark.parametrize(
    "forms",
    [
        "만들다 만들었습니다 만든 만드는 만들고 만듦",
        "배우다 배웠어요 배우는 배워서",
        "먹다 먹었다 먹는다 먹을 먹기",
        "아름답다 아름다운 아름다워요",
        "마시다 마셨습니다 마시기 마셔",
        "가다 갔습니다 간다 갑니다",
        "하다 했다 합니다 한다 해서",
        "보다 봤다 봅니다",
        "와요 왔다 옵니다",
        "괜찮다 괜찮은지 괜찮냐 괜찮아요",
    ],
)
def test_the_forms_of_a_verb_share_a_stem(forms: str) -> None:
    assert len({stem(form).verb for form in forms.split()}) == 1


def test_verbs_made_of_nouns() -> None:
    for form in ("개발했다", "개발한", "개발되었습니다", "개발을", "개발"):
        assert "개발" in stem(form).nouns


def test_what_is_surely_a_verb() -> None:
    assert [stem(word).sure for word in ("갔다", "가는", "부산", "서울")] == [
        True,
        False,
        False,
        False,
    ]


def test_words_that_are_no_words() -> None:
    assert stem("가" * 100_000).nouns == ("가" * 100_000,)
    assert stem("ㅋㅋ") == Stem("ㅋㅋ", ("ㅋㅋ",))


@given(st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), min_size=1, max_size=45))
def test_nouns_are_beginnings_in_nfc(word: str) -> None:
    found = stem(word)
    assert found.nouns
    for noun in found.nouns:
        assert noun
        assert unicodedata.is_normalized("NFC", noun)
        assert len(noun) <= len(word)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("part", ["었", "에", "들", "으시", "는데", "하", "았었"])
def test_repeated_endings_take_no_time(part: str) -> None:
    """A pattern that divides them in all possible ways would not end."""
    word = (part * 40)[:40]
    assert len(stem(word).word) == 40
