from pathlib import Path
from typing import Any

import pytest

from bitsft.data.read.charset import text_file
from bitsft.data.read.faults import Fault, UnreadableFileError
from bitsft.data.read.table import read_table


def read(path: Path, text: str, is_tsv: bool = False, **options: Any) -> list[Any]:
    path.write_bytes(text.encode())
    return list(read_table(text_file(str(path), "a.csv"), is_tsv=is_tsv, **options))


def test_rows_around_broken_ones_are_read(tmp_path: Path) -> None:
    rows = read(
        tmp_path / "a",
        'q,a\n\n하나,둘\n셋\n"네\n줄",다섯,여섯\n"일곱" 여덟,아홉\n열,"열\n하나"\n열둘,열셋\n',
    )
    assert [row for row in rows if isinstance(row, dict)] == [
        {"q": "하나", "a": "둘"},
        {"q": "열", "a": "열\n하나"},
        {"q": "열둘", "a": "열셋"},
    ]
    faults = {number: row for number, row in enumerate(rows) if isinstance(row, Fault)}
    assert {number: (row.reason, row.place) for number, row in faults.items()} == {
        1: ("has the wrong number of fields", "line 4"),
        2: ("has the wrong number of fields", "line 5"),
        3: ("holds a broken quote", "line 7"),
    }
    assert faults[3].value == '"일곱" 여덟,아홉'


def test_an_unclosed_quote_does_not_swallow_the_file(tmp_path: Path) -> None:
    rows = read(tmp_path / "a", 'q,a\n1,2\n"하나,둘\n' + "셋,넷\n" * 50_000)
    assert len(rows) == 50_002
    assert rows[1].place == "line 3"
    assert rows[1].said == "unexpected end of data"
    assert rows[-1] == {"q": "셋", "a": "넷"}


def test_lines_that_cannot_be_told_from_rows_are_given_up_with_a_broken_field(
    tmp_path: Path,
) -> None:
    text = 'id,q,a\n1,"첫 줄\n그는 "응" 했다\n하지만, 아니, 그래\n끝",x\n2,b,c\n'
    fault, row = read(tmp_path / "a", text)
    assert fault.said == "',' expected after '\"'; lines 2 to 5 are not read"
    assert row == {"id": "2", "q": "b", "a": "c"}


def test_nameless_columns_at_the_right_end(tmp_path: Path) -> None:
    full, more = read(tmp_path / "a", "q,a,,\n1,2,,\n1,2,,3\n")
    assert full == {"q": "1", "a": "2"}
    assert more.detail == "4 fields where the header has 2"
    assert read(tmp_path / "a", ",q\n0,가\n") == [{"": "0", "q": "가"}]


def test_line_ends(tmp_path: Path) -> None:
    rows = [{"q": "1", "a": "2"}, {"q": "3", "a": "4\u2028"}]
    for end in ("\n", "\r\n", "\r"):
        assert read(tmp_path / "a", end.join(["q,a", "1,2", "3,4\u2028"])) == rows
        assert read(tmp_path / "a", end.join(["q,a", '"1",2', '3,"4\u2028"', ""])) == rows


def test_delimiter_and_quotes_recognised(tmp_path: Path) -> None:
    assert read(tmp_path / "a", "질문;답\n가, 나;다\n") == [{"질문": "가, 나", "답": "다"}]
    assert read(tmp_path / "a", "q\ta\n1\t2\n") == [{"q": "1", "a": "2"}]
    assert read(tmp_path / "a", 'q\ta\n"둘\n줄"\t2\n', is_tsv=True) == [{"q": "둘\n줄", "a": "2"}]
    assert read(tmp_path / "a", "q,a\n1,2\n", delimiter=";") == [{"q,a": "1,2"}]


def test_the_line_that_tells_excel_the_delimiter_is_no_row(tmp_path: Path) -> None:
    assert read(tmp_path / "a", "sep=;\r\n질문;답\r\n가;나\r\n") == [{"질문": "가", "답": "나"}]
    (fault,) = (
        row for row in read(tmp_path / "a", "sep=|\nq|a\n1\n2|3\n") if isinstance(row, Fault)
    )
    assert fault.place == "line 3", "lines are counted as an editor does"
    assert read(tmp_path / "a", "sep=;,a\n1,2\n") == [{"sep=;": "1", "a": "2"}]


def test_a_header_given(tmp_path: Path) -> None:
    rows = read(tmp_path / "a", "1;2\n3;4\n", header=["q", "a"])
    assert rows == [{"q": "1", "a": "2"}, {"q": "3", "a": "4"}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("q,a\n", "a.csv: holds no rows, there is only a header line"),
        ("\n\n", "a.csv: holds no rows, there are only blank lines"),
        ("q,a,q\n1,2,3\n", r"a.csv: .* the header line names \['q'\] more than once"),
        ('"q,a\n1,2\n', "the header line holds a broken quote, line 1: unexpected end of data"),
    ],
)
def test_no_table_at_all(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UnreadableFileError, match=message):
        read(tmp_path / "a", text)
