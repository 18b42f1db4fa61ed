import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsft.data.read import quotes
from bitsft.data.read.quotes import Lines, QuoteError, find_next_row, split_quoted


def lines_of(text: str) -> Lines:
    return Lines(io.StringIO(text, newline=""))


def split(text: str) -> tuple[list[str], bool]:
    lines = lines_of(text)
    return split_quoted(lines.next(), ",", lines.next)


@pytest.mark.parametrize(
    ("text", "fields", "stray"),
    [
        ('"하나",둘\n', ["하나", "둘"], False),
        ('"쉼표, 둘","세 ""넷"""\r\n', ["쉼표, 둘", '세 "넷"'], False),
        ('"첫\r\n둘째\n",""', ["첫\r\n둘째\n", ""], False),
        ('5" 판,"",\n', ['5" 판', "", ""], True),
        ('"\n\n",x', ["\n\n", "x"], False),
        ('"a\0b",\n', ["a\0b", ""], False),
    ],
)
def test_fields(text: str, fields: list[str], stray: bool) -> None:
    assert split(text) == (fields, stray)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('"하나" 둘,셋\n', "',' expected after '\"'"),
        ('"하나,둘\n', "unexpected end of data"),
        ('"하나""\n', "unexpected end of data"),
    ],
)
def test_broken_quotes(text: str, message: str) -> None:
    with pytest.raises(QuoteError, match=message):
        split(text)


def test_a_field_beyond_the_limit_of_the_csv_module() -> None:
    before = csv.field_size_limit()
    long = "가\n" * 200_000
    assert split(f'"{long}",x\n') == ([long, "x"], False)
    assert csv.field_size_limit() == before


def test_the_longest_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotes, "LONGEST", 11)
    assert split('"1234\n678",') == (["1234\n678", ""], False)
    with pytest.raises(QuoteError, match="unexpected end"):
        split('"1234\n678901",')


FIELD = st.text(st.sampled_from('가",\n\r\0 x'), max_size=6)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(rows=st.lists(st.lists(FIELD, min_size=2, max_size=3), min_size=1, max_size=3))
def test_quoted_fields_are_split(rows: list[list[str]]) -> None:
    # As RFC 4180 quotes them, and the csv module, which cannot write NUL in Python 3.10.
    quoted = [[f'"{field.replace(chr(34), chr(34) * 2)}"' for field in row] for row in rows]
    lines = lines_of("".join(",".join(row) + "\r\n" for row in quoted))
    assert [split_quoted(line, ",", lines.next) for line in lines] == [(row, False) for row in rows]


def test_lines_go_back() -> None:
    lines = lines_of("1\n2\n3\n4\n")
    assert (lines.next(), lines.number) == ("1\n", 1)
    lines.mark()
    assert [lines.next(), lines.next(), lines.number] == ["2\n", "3\n", 3]
    lines.go_back()
    assert lines.number == 1
    assert list(lines) == ["2\n", "3\n", "4\n"]
    assert (lines.next(), lines.number) == ("", 4)


@pytest.mark.parametrize(
    ("behind", "next_line"),
    [
        ("셋,넷\n다섯,여섯\n", "셋,넷\n"),  # no quote any more, and these are rows
        ('셋,넷\n"일곱",여덟\n', "셋,넷\n"),  # the next quoted line is a row
        (
            '나는 "응" 했다\n하지만, 그래\n셋째",x\n하나,둘\n',
            "하나,둘\n",
        ),  # the end of a long field
        ("셋,넷\n다섯\n여섯\n", ""),  # the file was cut off in a long field
        ('줄이\n더"\n하나,둘\n', "하나,둘\n"),
        ('셋,"두\n줄"\n하나,둘\n', '셋,"두\n'),  # a row of two lines
        ("", ""),
    ],
)
def test_the_next_row_after_a_broken_quote(behind: str, next_line: str) -> None:
    lines = lines_of(behind)
    find_next_row(lines, ",", 2)
    assert lines.next() == next_line
