"""Card numbers: prefix, length, Luhn."""

import pytest

from bitsft.data.clean.personal.card import find_cards, passes_luhn


def found(text: str) -> list[str]:
    return [text[one.start : one.end] for one in find_cards(text)]


def test_luhn() -> None:
    assert passes_luhn("4111111111111111")  # the test number of every payment service
    assert not passes_luhn("4111111111111112")
    assert passes_luhn("79927398713")  # https://en.wikipedia.org/wiki/Luhn_algorithm


@pytest.mark.parametrize(
    "number",
    [
        "4111-1111-1111-1111",
        "4111 1111 1111 1111",
        "4111111111111111",
        "5555-5555-5555-4444",
        "3782-822463-10005",
    ]
    + ["6011 1111 1111 1117", "3530-1113-3330-0000", "3056-930902-5904", "2223-0031-2200-3222"],
)
def test_found(number: str) -> None:
    assert found(f"번호 {number}입니다") == [number]


@pytest.mark.parametrize("number", ["378282246310005", "30569309025904", "2223003122003222"])
def test_some_need_a_word_when_written_together(number: str) -> None:
    assert found(f"값은 {number}이다") == []
    assert found(f"카드번호 {number}") == [number]


@pytest.mark.parametrize(
    "text",
    [
        "4111-1111-1111-1112", "1234-5678-9012-3452", "4111-1111 1111-1111", "4111111111111111a", "a4111111111111111",
        "0.4111111111111111", "4111-1111-1111-1111-1", "주문번호 4111111111111111", "41111111111111111",
        "https://a.kr/4111111111111111",
    ],
)  # fmt: skip
def test_not_found(text: str) -> None:
    assert found(text) == []
