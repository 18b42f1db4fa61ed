"""Driving licences: region, year, number, issue."""

import pytest

from bitsft.data.clean.personal.licence import find_licences


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("11-05-482177-30", "11-05-482177-30"),
        ("면허번호 119012551993", "119012551993"),
        ("서울 05-661240-97", "서울 05-661240-97"),
    ],
)
def test_licence(text: str, number: str) -> None:
    assert [text[one.start : one.end] for one in find_licences(text)] == [number]


@pytest.mark.parametrize(
    "text",
    [
        "29-05-482177-30",
        "119012551993",
        "농협 11-05-482177-30",
        "11-05-482177-301",
        "관리번호 11-05-482177-30",
    ],
)
def test_no_licence(text: str) -> None:
    assert list(find_licences(text)) == []
