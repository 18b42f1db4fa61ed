"""Telephone numbers of people, not of companies, and no other groups of digits."""

import pytest

from bitsft.data.clean.personal.phone import find_phones


def found(text: str) -> list[str]:
    return [text[one.start : one.end] for one in find_phones(text)]


@pytest.mark.parametrize(
    "number",
    [
        "010-1234-5678", "010.1234.5678", "010 1234 5678", "010)1234-5678", "(010)1234-5678", "01012345678",
        "010 - 1234 - 5678", "010-12345678", "011-734-5521", "016-332-9087", "0197345521",
        "02-123-4567", "02-1234-5678", "02)123-4567", "(031) 772-4419", "064-732-8816", "070-4412-8830",
        "0507-1442-8891", "+82 10-1234-5678", "+82-2-731-5520", "+821012345678", "0082-10-1234-5678",
        "82-10-1234-5678", "(+82) 10-1234-5678", "+82 (0)10-1234-5678",
    ],
)  # fmt: skip
def test_found(number: str) -> None:
    assert found(f"번호 {number}로 주세요") == [number]
    assert found(f"번호는{number}입니다") == [number]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("전화 0212345678", "0212345678"),
        ("연락처는 042 823 7719", "042 823 7719"),
        ("휴대폰 010/1234/5678", "010/1234/5678"),
    ],
)
def test_found_after_a_word(text: str, number: str) -> None:
    assert found(text) == [number]
    assert found(f"값은 {number}이다") == []


def test_letters_before_it() -> None:
    assert found("TEL010-1234-5678 / fax02-123-4567") == ["010-1234-5678", "02-123-4567"]


def test_lists() -> None:
    assert found("010-1234-5678,010-2345-6789/010-3456-7890") == [
        "010-1234-5678",
        "010-2345-6789",
        "010-3456-7890",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "1588-1234", "1644-0000", "080-123-4567", "112", "02-03월", "100-200",
        "01010101010", "0.01012345678", "010-1234A", "010-1234-5678A", "A010-1234-5678", "1010-1234-5678",
        "010-1234-56789", "010-1234-5678-9", "192.168.010.1234", "010-0123-4567", "0101234567",
        "고객번호 01012345678", "주문번호 02-1234-5678", "제031-2023-1234호",
        "https://a.kr/?no=01012345678", "2024-01-15", "+1 425-555-0187", "82 010", "03-1234-5678",
    ],
)  # fmt: skip
def test_not_found(text: str) -> None:
    assert found(text) == []
