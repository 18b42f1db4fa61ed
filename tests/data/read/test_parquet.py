import datetime
import decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bitsft.data.read.faults import Fault, UnreadableFileError
from bitsft.data.read.parquet import read_parquet


def read(path: Path) -> list[Any]:
    return list(read_parquet(str(path), "a.parquet"))


def test_values_that_json_has_no_form_for(tmp_path: Path) -> None:
    table = pa.table(
        {
            "when": pa.array([datetime.datetime(2024, 3, 1, 9), None], pa.timestamp("us")),
            "price": pa.array([decimal.Decimal("12.50"), None], pa.decimal128(6, 2)),
            "text": pa.array(["가".encode(), None]),
            "more": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())),
            "answers": [{"text": ["서울"]}, None],
        }
    )
    pq.write_table(table, tmp_path / "a")
    assert read(tmp_path / "a") == [
        {
            "when": "2024-03-01T09:00:00",
            "price": "12.50",
            "text": "가",
            "more": {"a": 1},
            "answers": {"text": ["서울"]},
        },
        {"when": None, "price": None, "text": None, "more": None, "answers": None},
    ]


def test_a_row_whose_bytes_are_no_text(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": [b"\xff\xd8", b"ok"]}), tmp_path / "a")
    fault, row = read(tmp_path / "a")
    assert row == {"image": "ok"}
    assert (fault.reason, fault.place) == ("holds a value that is neither text nor number", "row 0")


def test_a_row_whose_text_is_not_utf8(tmp_path: Path) -> None:
    offsets = pa.array([0, 3, 5, 8], pa.int32()).buffers()[1]
    broken = pa.Array.from_buffers(
        pa.string(), 3, [None, offsets, pa.py_buffer("가".encode() + b"\xff\xfe" + "나".encode())]
    )
    pq.write_table(pa.table({"q": broken}), tmp_path / "a")
    rows = read(tmp_path / "a")
    assert [rows[0], rows[2]] == [{"q": "가"}, {"q": "나"}]
    assert isinstance(rows[1], Fault)
    assert rows[1].place == "row 1"


def test_a_file_broken_in_the_middle(tmp_path: Path) -> None:
    table = pa.table({"q": [f"{number}번째 질문" for number in range(3000)]})
    pq.write_table(
        table, tmp_path / "a", row_group_size=1000, use_dictionary=False, compression="gzip"
    )
    data = bytearray((tmp_path / "a").read_bytes())
    second = pq.ParquetFile(tmp_path / "a").metadata.row_group(1).column(0).data_page_offset
    data[second + 60 : second + 160] = bytes(100)
    (tmp_path / "a").write_bytes(data)
    rows = read(tmp_path / "a")
    assert rows[:-1] == [{"q": f"{number}번째 질문"} for number in range(1000)]
    assert (rows[-1].reason, rows[-1].place, rows[-1].ends) == (
        "broken Parquet file; the rest of the file is not read",
        "row 1000",
        True,
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"a.parquet: holds no rows, the file is empty \(0 bytes\)"),
        (b"PAR1", "a.parquet: not a Parquet file, or a broken one, "),
        (b"q,a\n1,2\n" * 10, "a.parquet: not a Parquet file, or a broken one, "),
    ],
)
def test_no_parquet_file(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(UnreadableFileError, match=message):
        read(tmp_path / "a")


def test_columns_of_one_name(tmp_path: Path) -> None:
    pq.write_table(pa.table([[1], [2]], names=["q", "q"]), tmp_path / "a")
    with pytest.raises(UnreadableFileError, match=r"names \['q'\] more than once"):
        read(tmp_path / "a")


def test_no_rows(tmp_path: Path) -> None:
    pq.write_table(pa.table({"q": pa.array([], pa.string())}), tmp_path / "a")
    assert read(tmp_path / "a") == []
