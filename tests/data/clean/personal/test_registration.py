"""Registration numbers: check digit, date of birth, and what the words around them allow."""

import pytest

from bitsft.data.clean.personal.registration import check_digit, find_registration_numbers


def found(text: str) -> list[tuple[str, str]]:
    return [(text[one.start : one.end], one.kind) for one in find_registration_numbers(text)]


def test_check_digits() -> None:
    # 2*8+3*5+4*0+5*3+6*1+7*2+8*1+9*2+2*3+3*4+4*5+5*6 = 160; 160 mod 11 = 6; 11-6 = 5
    assert check_digit("850312123456", foreigner=False) == 5
    assert check_digit("850312123456", foreigner=True) == 7


@pytest.mark.parametrize(
    ("text", "number", "kind"),
    [
        ("850312-1234565", "850312-1234565", "resident_number"),
        ("(850312 - 1234565)", "850312 - 1234565", "resident_number"),
        ("번호는 850312 1234565 이다", "850312 1234565", "resident_number"),
        ("번호는 8503121234565이다", "8503121234565", "resident_number"),
        (
            "210803-3000000",
            "210803-3000000",
            "resident_number",
        ),  # born after 5 October 2020: no check digit
        ("201005-4000000", "201005-4000000", "resident_number"),
        ("주민등록번호 850312-1234560", "850312-1234560", "resident_number"),  # given anew
        ("외국인등록번호: 850312-5234560", "850312-5234560", "foreigner_number"),
        ("220301-7000000", "220301-7000000", "foreigner_number"),
    ],
)
def test_found(text: str, number: str, kind: str) -> None:
    assert found(text) == [(number, kind)]


@pytest.mark.parametrize(
    "text",
    [
        "850312-1234560",  # check digit
        "201004-3000000",  # born a day too early to have none
        "210803 3000000",  # neither check digit nor hyphen
        "주민등록번호 851312-1234565",  # no such month
        "주민등록번호 770229-1234567",  # 1977 was no leap year
        "주민등록번호 990101-3234567",  # not born yet
        "850312-9234565",  # born in 1885
        "문서번호 210803-3000000",
        "관리번호 8503121234565",
        "18503121234565",
        "8503121234565-1",
        "3.8503121234565",
        "1503121234565",  # may be milliseconds
        "8801041100009",  # passes as a bar code too
    ],
)
def test_not_found(text: str) -> None:
    assert found(text) == []
