"""Bank accounts: groups of digits near the name of a bank."""

import pytest

from bitsft.data.clean.personal.account import find_accounts


def found(text: str) -> list[str]:
    return [text[one.start : one.end] for one in find_accounts(text)]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("국민은행 482102-04-117730", "482102-04-117730"),
        ("신한 110448128830", "110448128830"),
        ("계좌번호: 92311477210933 (국민)", "92311477210933"),
        ("110-334-590821 신한은행 홍길동", "110-334-590821"),
        ("입금하실 곳은 302-5521-9034-11", "302-5521-9034-11"),
        ("통장 1005 603 665022", "1005 603 665022"),
        ("카카오뱅크 홍길동 3333-07-7215530", "3333-07-7215530"),
    ],
)
def test_found(text: str, number: str) -> None:
    assert found(text) == [number]


@pytest.mark.parametrize(
    "text",
    [
        "482102-04-117730",
        "계좌 개설일 2024-01-15",
        "입금 20240115-001234-01",
        "국민은행 고객센터 1588-9999",
        "계좌에 1234567890원이 있다",
        "송금 금액 1234567890",
        "입금 후 거래번호 102-334-590821",
        "국민 여러분 110448128830",
        "은행 창구 123-45",
        "우리 2024-2025 시즌",
    ],
)
def test_not_found(text: str) -> None:
    assert found(text) == []
