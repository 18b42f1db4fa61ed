import unicodedata

import pytest

from bitsft.data.common.answers import Answers


@pytest.mark.parametrize(
    ("answer", "text", "held"),
    [
        ("서울", "서울은 수도이다.", True),
        ("서울", "동서울에 산다.", True),
        ("서울", "그곳에 서 울었다.", True),  # white space is ignored from two characters on
        ("서울", "부산은 항구이다.", False),
        ("서울.", "서울은 수도이다.", True),
        ("'서울'", "서울은 수도이다.", True),
        ("세종 대왕", "세종대왕은 한글을 만들었다.", True),
        ("Seoul Station", "SEOUL  STATION에서 만난다.", True),
        ("3", "사과가 3개 있다.", True),
        ("3", "사과가 13개, 배가 30개 있다.", False),
        ("3", "길이는 3.5 m이고 값은 2,300원이다.", False),
        ("3", "1 3 5", True),
        ("3", "모두 3.", True),
        ("1,000", "값은 1,000원이다.", True),
        ("1,000", "값은 21,000원이다.", False),
        ("1950년", "11950년", False),
        ("1950년", "1950년대", True),
        ("AI", "rain in Spain", False),
        ("AI", "AI는 기술이다.", True),
        ("AI", "생성형AI", True),
        ("물", "물은 맑다.", True),
        ("물", "컵에 든 물", True),
        ("물", "물건을 샀다.", False),
        ("물", "동물이 있다.", False),
    ],
)
def test_holding_an_answer(answer: str, text: str, held: bool) -> None:
    assert Answers([answer]).within(text) is held
    assert Answers([unicodedata.normalize("NFD", answer)]).within(text) is held
    assert Answers([answer]).within(unicodedata.normalize("NFD", text)) is held


@pytest.mark.parametrize("verdict", ["예", "아니오", "아니요.", "True", "FALSE", "참", "O"])
def test_verdicts_are_not_looked_for(verdict: str) -> None:
    answers = Answers([verdict])
    assert not answers
    assert not answers.within(f"{verdict} {verdict}를 들어")


def test_each_of_several_answers_counts() -> None:
    answers = Answers(["서울특별시", "한양"])
    assert answers
    assert answers.within("옛 이름은 한양이다.")
    assert not answers.within("옛 이름은 모른다.")


def test_marks_alone_are_an_answer_too() -> None:
    assert Answers(["?!"]).within("뭐라고?!")
    assert not Answers(["?!"]).within("그렇다.")
