from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from bitsft.data.report.stored_rows import JsonLinesRows, ParquetRows


def test_rows_of_a_jsonl_file(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes('\ufeff{"a": "줄\u2028바꿈"}\r\n\n{"a": 2}'.encode())
    rows = JsonLinesRows(path)
    assert list(rows) == [{"a": "줄\u2028바꿈"}, {"a": 2}]
    assert (len(rows), rows[-1], rows[0:1]) == (2, {"a": 2}, [{"a": "줄\u2028바꿈"}])


def test_rows_of_a_parquet_file(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    values = [{"a": n, "b": ["글"] * (n % 3)} for n in range(2500)]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(values), path)
    rows = ParquetRows(path)
    assert list(rows) == values
    assert (len(rows), rows[2001], rows[-1], rows[3:5]) == (
        2500,
        values[2001],
        values[-1],
        values[3:5],
    )
    with pytest.raises(IndexError, match="row 2500 of 2500"):
        rows[2500]
