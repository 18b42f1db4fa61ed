"""Cells that no spreadsheet runs, and what people type."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitsft.blind.cells import harmless, read_choice, read_score, restored


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+82", "'+82"),
        ("-1", "'-1"),
        ("@x", "'@x"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("＝1", "'＝1"),
        ("'=1", "''=1"),
        ("'tis", "''tis"),
        ("서울", "서울"),
        ("1=1", "1=1"),
        ("", ""),
    ],
)
def test_harmless(text: str, cell: str) -> None:
    assert harmless(text) == cell
    assert restored(cell) == text


@given(st.text())
def test_every_text_comes_back(text: str) -> None:
    cell = harmless(text)
    assert restored(cell) == text
    assert cell[:1] not in tuple("=+-@\t\r\n")


def test_an_apostrophe_that_somebody_typed_stays() -> None:
    assert restored("'s good") == "'s good"
    assert restored("'") == "'"


@pytest.mark.parametrize(
    ("cell", "choice"),
    [
        ("left", "left"),
        (" L ", "left"),
        ("왼쪽", "left"),
        ("Right", "right"),
        ("ｒ", "right"),
        ("TIE", "tie"),
        ("비슷함", "tie"),
        ("both bad", "both_bad"),
        ("both_bad", "both_bad"),
        ("둘 다 나쁨", "both_bad"),
        ("b", "both_bad"),
    ],
)
def test_choices(cell: str, choice: str) -> None:
    assert read_choice(cell) == choice


@pytest.mark.parametrize("cell", ["", "up", "leftright", "1"])
def test_no_choices(cell: str) -> None:
    with pytest.raises(ValueError, match="is none of left, right, tie, both bad"):
        read_choice(cell)


@pytest.mark.parametrize(
    ("cell", "score"), [("1", 1), (" 5 ", 5), ("4.0", 4), ("3,00", 3), ("４", 4)]
)
def test_scores(cell: str, score: int) -> None:
    assert read_score(cell) == score


@pytest.mark.parametrize("cell", ["0", "6", "4.5", "-1", "five", "", "11", "2."])
def test_no_scores(cell: str) -> None:
    with pytest.raises(ValueError, match="is no whole number from 1 to 5"):
        read_score(cell)
