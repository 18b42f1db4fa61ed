"""E-mail addresses, not file names, packages, handles or examples."""

import pytest

from bitsft.data.clean.personal.email import find_emails


def found(text: str) -> list[str]:
    return [text[one.start : one.end] for one in find_emails(text)]


@pytest.mark.parametrize(
    "address",
    [
        "nari@noeul-sample.kr",
        "A.b+c_d%9@x.co.kr",
        "0105521@b-t.com",
        "_a@cs.uni.ac.kr",
        "a@xn--9t4b11y.com",
    ],
)
def test_found(address: str) -> None:
    assert found(f"메일은{address}입니다") == [address]
    assert found(f"부탁드려요..<{address}>.") == [address]
    assert found(f"mailto:{address}") == [address]


@pytest.mark.parametrize(
    "text",
    [
        "icon@2x.png", "lodash@4.17.21", "react@18.2.0.tgz", "@app.route", "user@localhost", "someone@example.com",
        "a@mail.example.org", "a@b.test", "git@github.com:nuri/a.git", "https://user:pw@host.kr/a",
        "getty@tty1.service", "3 @ 1000", "a@b", "@naver.com", "a@@b.kr", "x" * 65 + "@b.kr",
    ],
)  # fmt: skip
def test_not_found(text: str) -> None:
    assert found(text) == []
