"""A step is applied to what is not code."""

import pytest

from bitsft.data.clean.code_spans import outside_code


def shout(text: str) -> tuple[str, int]:
    return text.upper(), 1


@pytest.mark.parametrize(
    ("before", "after", "times"),
    [
        ("abc", "ABC", 1),
        ("abc `def` ghi", "ABC `def` GHI", 2),
        ("abc ``de`f`` ghi", "ABC ``de`F`` GHI", 2),  # an open backtick within is the end
        ("abc\n```py\ndef\n```\nghi", "ABC\n```py\ndef\n```\nGHI", 2),
        ("abc\n  ```\n`def`\n  ```", "ABC\n  ```\n`def`\n  ```", 1),
        ("abc\n```\ndef", "ABC\n```\ndef", 1),  # never closed
        ("one ` tick", "ONE ` TICK", 1),
        ("~~~~ abc", "~~~~ ABC", 1),  # no fence
        ("`all`", "`all`", 0),
    ],
)
def test_outside_code(before: str, after: str, times: int) -> None:
    assert outside_code(before, shout) == (after, times)
