"""Passports: the new form as it stands, the old one near the word."""

import pytest

from bitsft.data.clean.personal.passport import find_passports


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("여권번호 M12345678", "M12345678"),
        ("M12345678 (passport)", "M12345678"),
        ("탑승객 M123A4567", "M123A4567"),
        ("여권 m123a4567", "m123a4567"),
        ("관용여권 G20901183", "G20901183"),
    ],
)
def test_passport(text: str, number: str) -> None:
    assert [text[one.start : one.end] for one in find_passports(text)] == [number]


@pytest.mark.parametrize(
    "text",
    [
        "M12345678",
        "제품 코드 M123A4567",
        "KM123A4567",
        "M123A45678",
        "여권 A12345678",
        "m123a4567",
        "M123A4567-2",
    ],
)
def test_no_passport(text: str) -> None:
    assert list(find_passports(text)) == []
