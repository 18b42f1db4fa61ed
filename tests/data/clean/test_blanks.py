"""One kind of line break, one kind of blank, one blank at a time."""

import pytest

from bitsft.data.clean.blanks import tidy_blanks, unify_line_breaks


def test_line_breaks() -> None:
    text = "가\r\n나\r다\u2028라\u2029마\x85바\x0b사\x0c아\n자"
    assert unify_line_breaks(text) == ("가\n나\n다\n라\n마\n바\n사\n아\n자", 7)


@pytest.mark.parametrize(
    ("before", "after", "times"),
    [
        ("가\u00a0나\u3000다\u2003라\u202f마", "가 나 다 라 마", 4),
        ("이름\u3164 없음", "이름 없음", 2),  # the Hangul filler, and the two blanks it makes
        ("가   나  다", "가 나 다", 2),
        ("  앞뒤  ", "앞뒤", 1),
        ("줄 끝  \n다음 줄\t\n끝", "줄 끝\n다음 줄\n끝", 2),
        ("가\n\n\n\n\n나", "가\n\n\n나", 1),
        ("가\n \n\n \n\n나", "가\n\n\n나", 3),
        ("이름\t나이\t\t주소", "이름\t나이\t\t주소", 0),  # tabs separate columns
        ("\u3000", "", 2),
    ],
)
def test_blanks(before: str, after: str, times: int) -> None:
    assert tidy_blanks(before, 2) == (after, times)


def test_indentation_and_code_stay() -> None:
    text = "코드:\n    if x:\n        return `a   b`\n```python\nx   = 1\n```\n끝"
    assert tidy_blanks(text, 2) == (text, 0)


def test_how_many_blank_lines() -> None:
    assert tidy_blanks("가\n\n\n나", 0)[0] == "가\n나"
    assert tidy_blanks("가\n\n\n나", 1)[0] == "가\n\n나"
