import json
import logging
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from bitsft.data.ledger import Ledger
from bitsft.data.read import read_records, read_rows
from bitsft.data.records import Record


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def test_rows_and_rejects_are_numbered_by_their_place(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"q": 1}\n\n{"q": \n{"q": 3}\n[]\n')
    with Ledger(tmp_path / "rejected.jsonl") as ledger:
        records = list(read_records(path, ledger=ledger))
    assert records == [Record({"q": 1}, str(path), 0), Record({"q": 3}, str(path), 2)]
    ledger.count_out(2)
    ledger.check_balance()
    assert str(ledger) == (
        "4 rows in, 2 out, 2 rejected (read: not JSON: 1, read: is not an object: 1)"
    )
    first, second = map(json.loads, (tmp_path / "rejected.jsonl").read_text().splitlines())
    assert first == {
        "source": str(path),
        "row_number": 1,
        "stage": "read",
        "field": None,
        "value": '{"q": ',
        "reason": "not JSON",
        "detail": "line 3, column 7: Expecting value",
        "remedy": "Each line must hold one whole object",
    }
    assert (second["row_number"], second["detail"]) == (3, "line 5")


def test_one_broken_file_among_ten(tmp_path: Path) -> None:
    for number in range(10):
        write(tmp_path / f"{number}.jsonl", f'{{"q": {number}}}\n')
    (tmp_path / "5.jsonl").write_bytes(b'{"q": "\xff"}')
    ledger = Ledger()
    rows = [record.values["q"] for record in read_records(tmp_path, ledger=ledger)]
    assert rows == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert (ledger.rows_in, ledger.rows_rejected) == (10, 1)
    (rejected,) = ledger.rejected_rows
    assert (rejected.source, rejected.row_number) == (str(tmp_path / "5.jsonl"), 0)
    assert (rejected.field, rejected.value, rejected.reason) == (None, None, "not UTF-8")
    assert rejected.detail == "at byte 7 (0xff, line 1), nor CP949, at byte 7 (0xff)"
    with pytest.raises(ValueError, match=r"5.jsonl: not UTF-8, at byte 7"):
        list(read_records(tmp_path, ledger=Ledger(strict=True)))
    with pytest.raises(ValueError, match=r"5.jsonl: not UTF-8, at byte 7"):
        read_rows(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("b.csv", "", "holds no rows"),
        ("b.csv", "q,a\n", "holds no rows"),
        ("b.jsonl", "\n", "holds no rows"),
        ("b.json", "[]", "holds no rows"),
        ("b.json", '{"train": [{"q": 1}], "test": [{"q": 2}]}', "holds several lists of objects"),
        ("b.parquet", "PAR1", "not a Parquet file, or a broken one"),
        ("b.csv.gz", "no", "cannot be decompressed"),
    ],
)
def test_files_of_which_nothing_can_be_read(
    tmp_path: Path, name: str, text: str, reason: str
) -> None:
    broken = write(tmp_path / name, text)
    with pytest.raises(ValueError, match=f"{name}: {reason}"):
        list(read_records(broken, ledger=Ledger()))
    good = write(tmp_path / "c.txt", "한 줄\n")
    ledger = Ledger()
    rows = [record.values for record in read_records([broken, good], ledger=ledger)]
    assert rows[-1] == {"text": "한 줄"}
    assert ledger.rows_in == len(rows) + 1
    assert ledger.rejections == {("read", "", reason): 1}


def test_nothing_at_all_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", "[]\n[]\n")
    with pytest.raises(
        ValueError, match=r"a.jsonl: no row could be read, 2 rejected; the first: .*line 1"
    ):
        list(read_records(tmp_path / "a.jsonl", ledger=Ledger()))
    write(tmp_path / "b.csv", "")
    with pytest.raises(
        ValueError, match=r"no row could be read, 3 rejected; the first: .*a.jsonl, line 1"
    ):
        list(read_records(tmp_path, ledger=Ledger()))


def test_the_rest_of_a_broken_file_is_one_reject(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", '[{"q": 1}, {"q": 2}, {"q')
    ledger = Ledger()
    assert len(list(read_records(path, ledger=ledger))) == 2
    (rejected,) = ledger.rejected_rows
    assert (rejected.row_number, rejected.detail) == (
        2,
        "line 1, column 23: Unterminated string starting at",
    )
    with pytest.raises(ValueError, match=r"a.json, line 1, column 23: not JSON \(Unterminated"):
        read_rows(path)


def test_columns_of_several_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    paths = [write(tmp_path / "a.csv", "q,a\n1,2\n"), write(tmp_path / "b.csv", "x,a\n3,4\n")]
    with caplog.at_level(logging.WARNING):
        rows = [r.values for r in read_records(paths, columns={"question": "q"}, ledger=Ledger())]
    assert rows == [{"a": "2", "question": "1"}, {"x": "3", "a": "4"}]
    assert f"{paths[1]} has no column 'q'" in caplog.text
    with pytest.raises(ValueError, match=r"columns names \['z'\], but none of the files has them"):
        list(read_records(paths, columns={"y": "z"}, ledger=Ledger()))


def test_a_column_that_a_table_lacks_is_known_with_its_first_row(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "q,a\n1,2\n3,4\n")
    with pytest.raises(
        ValueError, match=r"a.csv: columns names 'x', but the file has \['q', 'a'\]"
    ):
        next(read_records(path, columns={"y": "x"}, ledger=Ledger()))


def test_rows_from_memory() -> None:
    rows: list[Any] = [{"q": 1}, 7, Record({"q": 2}, "a.csv", 9)]
    ledger = Ledger()
    records = list(read_records(iter(rows), columns={"n": "q"}, ledger=ledger))
    assert records == [Record({"n": 1}, "", 0), Record({"n": 2}, "a.csv", 9)]
    assert (ledger.rows_in, ledger.rows_rejected) == (2, 1)
    assert rows[0] == {"q": 1}
    with pytest.raises(ValueError, match="the rows: columns names 'z'"):
        list(read_records([{"q": 1}], columns={"n": "z"}, ledger=Ledger()))
    with pytest.raises(ValueError, match="holds no rows"):
        list(read_records([], ledger=Ledger()))
    with pytest.raises(ValueError, match="header= does not apply to rows from memory"):
        read_records([{"q": 1}], header=["q"], ledger=Ledger())


@pytest.mark.parametrize("source", [7, None, {"q": ["a"]}])
def test_no_source(source: Any) -> None:
    with pytest.raises(TypeError, match="the source is"):
        read_records(source, ledger=Ledger())


def test_mistakes_are_found_at_the_call(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing.csv: no such file"):
        read_records([tmp_path / "missing.csv"], ledger=Ledger())
    with pytest.raises(ValueError, match="delimiter="):
        read_records(write(tmp_path / "a.csv", "q\n1\n"), delimiter="", ledger=Ledger())


def test_texts_stay_as_they_are(tmp_path: Path) -> None:
    text = unicodedata.normalize("NFD", "각설탕") + "ㅋㅋ \u200b\U0001f600\u2028\x0b"
    assert read_rows(write(tmp_path / "a.csv", f"q,a\n{text},x\n")) == [{"q": text, "a": "x"}]
    assert read_rows(write(tmp_path / "a.tsv", f"q\ta\n{text}\tx\n")) == [{"q": text, "a": "x"}]
    assert read_rows(write(tmp_path / "a.txt", f"{text}\r\n\n다음\n")) == [
        {"text": text},
        {"text": "다음"},
    ]


def test_reading_is_lazy(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"q": 1}\n' * 1000)
    ledger = Ledger()
    records = read_records(path, ledger=ledger)
    next(records)
    next(records)
    assert ledger.rows_in == 2
