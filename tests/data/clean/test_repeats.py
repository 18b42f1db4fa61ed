"""Drawn-out jamo and marks are cut; digits, letters, syllables, rules and code are not."""

import pytest

from bitsft.data.clean.repeats import shorten_repeats


@pytest.mark.parametrize(
    ("before", "after", "times"),
    [
        ("ㅋㅋㅋㅋㅋㅋㅋ 웃겨", "ㅋㅋㅋ 웃겨", 1),
        ("ㅠㅠㅠㅠ 슬퍼ㅜㅜㅜㅜㅜ", "ㅠㅠㅠ 슬퍼ㅜㅜㅜ", 2),
        ("대박!!!!! 진짜????? 네~~~~", "대박!!! 진짜??? 네~~~", 3),
        ("글쎄...... 음………… ㅡㅡㅡㅡ;;;;;", "글쎄... 음……… ㅡㅡㅡ;;;", 4),
        ("사랑해♥♥♥♥♥", "사랑해♥♥♥", 1),
        ("ㅋㅋㅋ 그래요...", "ㅋㅋㅋ 그래요...", 0),
    ],
)
def test_cut(before: str, after: str, times: int) -> None:
    assert shorten_repeats(before, 3) == (after, times)


@pytest.mark.parametrize(
    "text",
    [
        "하하하하하 호호호호",
        "1000000원, 9999999점",
        "www.aaaaa.kr 0xFFFFFFFF",
        "------\n======\n___________\n*****\n######",
        "|-----|-----|\n|가|나|",
        "평점 ★★★★★ 아니면 ●●●●○",
        "ㅋㅎㅋㅎㅋㅎㅋㅎ !?!?!?!?",
        "경로 ////// \\\\\\\\ ^^^^^^ ((((()))))",
        "코드 `a[,,,,]`와\n```\nx = '....'; y = '!!!!'\n```",
    ],
)
def test_not_cut(text: str) -> None:
    assert shorten_repeats(text, 3) == (text, 0)


def test_limit() -> None:
    assert shorten_repeats("ㅋㅋㅋㅋㅋ!!", 1) == ("ㅋ!", 2)
    assert shorten_repeats("ㅋㅋㅋㅋㅋㅋ", 5) == ("ㅋㅋㅋㅋㅋ", 1)
