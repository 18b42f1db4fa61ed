import json
from pathlib import Path
from typing import Any

import pytest

from bitsft.data.read.charset import text_file
from bitsft.data.read.faults import Fault, UnreadableFileError
from bitsft.data.read.json_rows import read_json

A, B = {"q": "하나", "n": 1.5}, {"q": "둘", "n": 2}


def read(
    path: Path, text: Any, rows_under: str | None = None, encoding: str = "utf-8"
) -> list[Any]:
    written = text if isinstance(text, str) else json.dumps(text, ensure_ascii=False, indent=1)
    path.write_bytes(written.encode(encoding))
    return list(read_json(text_file(str(path), "a.json"), rows_under))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
@pytest.mark.parametrize(
    "text",
    [
        [A, B],
        {"data": [A, B]},
        {
            "version": "1",
            "labels": ["예", "아니요"],
            "empty": [],
            "rows": [A, B],
            "total": {"n": 2},
        },
        '{"q": "하나", "n": 1.5}\n{"q": "둘", "n": 2}\n',
        '\r\n{"q": "하나", "n": 1.5}\r\n\r\n{"q": "둘", "n": 2}',
        json.dumps(A, ensure_ascii=False, indent=1) + json.dumps(B, ensure_ascii=False, indent=1),
    ],
)
def test_where_rows_may_lie(tmp_path: Path, text: Any, encoding: str) -> None:
    rows = read(tmp_path / "a", text, encoding=encoding)
    assert rows == [A, B]
    assert [type(row["n"]) for row in rows] == [float, int]


def test_rows_under(tmp_path: Path) -> None:
    text = {"data": {"skipped": [[1], {"q": 0}], "items": [A, B]}, "items": [{"q": 1}]}
    assert read(tmp_path / "a", text, "data.items") == [A, B]
    assert read(tmp_path / "a", text, "items") == [{"q": 1}]
    with pytest.raises(UnreadableFileError, match=r"rows_under='data.rows', the keys there are"):
        read(tmp_path / "a", text, "data.rows")
    with pytest.raises(
        UnreadableFileError, match="nothing under rows_under='data', it is no object"
    ):
        read(tmp_path / "a", [A], "data")
    with pytest.raises(UnreadableFileError, match=r"not JSON, at .*: Expecting a list"):
        read(tmp_path / "a", {"data": "x"}, "data")


def test_one_object_is_one_row(tmp_path: Path) -> None:
    dialogue = {"messages": [{"role": "user", "content": "안녕"}]}
    assert read(tmp_path / "a", dialogue) == [dialogue]
    assert read(tmp_path / "a", A) == [A]
    assert read(tmp_path / "a", {"data": []}) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            {"train": [A], "test": [B]},
            "lists of objects, under 'train' and 'test'.* rows_under='tr",
        ),
        (
            {"result": {"items": [A]}},
            "perhaps under 'result.items'. Name the list, e.g. rows_under=",
        ),
        ({"q": {"0": "가"}, "a": {"0": "나"}}, "holds columns, not rows, each of .* as pandas"),
        ('{"q": ', "a.json: not JSON, at line 1, column 7: Expecting value"),
        ("글", "a.json: not JSON, at line 1, column 1: Expecting value"),
    ],
)
def test_where_it_is_not_clear(tmp_path: Path, text: Any, message: str) -> None:
    with pytest.raises(UnreadableFileError, match=message):
        read(tmp_path / "a", text)


def test_a_break_in_the_middle_is_one_fault(tmp_path: Path) -> None:
    rows = read(tmp_path / "a", '[{"q": 1},\n {"q": 2},\n {"q": }, {"q": 4}]')
    assert rows[:2] == [{"q": 1}, {"q": 2}]
    assert len(rows) == 3
    assert (rows[2].place, rows[2].ends) == ("line 3, column 8", True)
    assert rows[2].said == "not JSON (Expecting value); the rest of the file is not read"


def test_rows_that_are_none(tmp_path: Path) -> None:
    text = '[1, {"q": 1, "q": 2}, {"q": ' + "1" * 5000 + '}, null, {"q": 3}]'
    rows = read(tmp_path / "a", text)
    assert rows.pop() == {"q": 3}
    assert [row.reason for row in rows if isinstance(row, Fault)] == [
        "is not an object",
        "gives a key twice",
        "holds a number that is too long",
        "is not an object",
    ]
    assert [row.reason for row in read(tmp_path / "a", "7 \n\n 8")] == ["is not an object"] * 2
    (twice,) = read(tmp_path / "a", '{"q": 1, "q": 2}')
    assert twice.reason == "gives a key twice"


def test_nested_questions(tmp_path: Path) -> None:
    question = {"id": "1", "question": "수도?", "answers": [{"text": "서울", "answer_start": 0}]}
    paragraph = {"context": "서울은 수도이다.", "qas": [question, {**question, "id": "2"}]}
    text = {"version": "KorQuAD_v1.0", "data": [{"title": "서울", "paragraphs": [paragraph]}]}
    row = {
        "id": "1",
        "title": "서울",
        "context": "서울은 수도이다.",
        "question": "수도?",
        "answers": {"text": ["서울"], "answer_start": [0]},
    }
    assert read(tmp_path / "a", text) == [row, {**row, "id": "2"}]
    assert read(tmp_path / "a", text["data"]) == [row, {**row, "id": "2"}]
