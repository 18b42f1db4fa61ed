"""Random and randomly damaged files: never a library's exception, never a row that is not accounted for."""

import io
import json
import lzma
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitsft.data.ledger import Ledger
from bitsft.data.read import read_records
from bitsft.data.read.faults import UnreadableFileError

GOOD = [{"q": "수도는?", "a": "서울"}]
TEXT_SUFFIXES = [".csv", ".tsv", ".json", ".jsonl", ".txt"]

TABLE = (
    'q,a,b\n수도는?,"서울, 입니다",0\n"둘째\n줄","그는 ""응""",1\n,,\n하나;둘,3,4\r\n가,나,다\n' * 2
)
ROWS = [
    {"q": "수도는?", "a": ["서울", None, 1.5e3], "n": {"x": True}},
    {"q": '"\\ㅋㅋ\U0001f600\u2028', "a": [], "n": -12},
]
SQUAD = {
    "version": "1",
    "data": [
        {
            "title": "서울",
            "paragraphs": [
                {
                    "context": "서울은 수도이다.",
                    "qas": [
                        {
                            "id": "1",
                            "question": "수도?",
                            "answers": [{"text": "서울", "answer_start": 0}],
                        }
                    ],
                }
            ],
        }
    ],
}
# What a damage puts in: the characters that the formats are made of, and what breaks charsets.
SYNTAX = [
    *(b'"', b'""', b",", b"\t", b"\n", b"\r", b"\r\n", b"{", b"}", b"[", b"]", b":", b"\\", b"\0"),
    *(b"\\ud800", b"NaN", b"-", b"1e999", b"1" * 5000, b"[" * 300, b'{"q":' * 2000, b'"q": 1, '),
    *("가".encode(), "\u2028".encode(), b";", b"|", b" ", b'{"q": 1}', b'{"a": {}}, ', b'"b"\n'),
]
PIECES = SYNTAX * 3 + [b"\xff", b"\xbc\xf6", b"\xef\xbb\xbf", b"\xec"]
STARTS = [b"", b"q,a\n", b"q\ta\n1\t2\n", b'{"q": "a"}\n', b'[{"q": "a"}, ', b'{"data": [{"q": 1},']


@cache
def valid(name: str) -> bytes:
    """A valid file of each kind."""
    if name == "parquet":
        table = pa.table(
            {
                "q": ["수도는?", None, "항구는?"] * 20,
                "a": [["서울"], [], None] * 20,
                "d": pa.array([0, 1, None] * 20, pa.timestamp("s")),
                "b": pa.array([b"\xea\xb0\x80", b"", None] * 20),
            }
        )
        file = io.BytesIO()
        pq.write_table(table, file, row_group_size=20)
        return file.getvalue()
    text = {
        "csv": TABLE,
        "tsv": TABLE.replace(",", "\t"),
        "json": json.dumps(ROWS * 3, ensure_ascii=False),
        "wrapped": json.dumps({"v": 1, "data": ROWS, "x": [1, 2]}, ensure_ascii=False, indent=1),
        "squad": json.dumps(SQUAD, ensure_ascii=False),
        "jsonl": "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS * 3),
        "txt": "한 줄\n\n두 줄\n",
    }[name]
    return text.encode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "good.jsonl").write_text(json.dumps(GOOD[0]), encoding="utf-8")
    return folder


def read(source: Any, ledger: Ledger, **options: Any) -> int:
    """Read all; return the number of rows that were delivered, in a refused file too."""
    delivered = 0
    try:
        for record in read_records(source, ledger=ledger, **options):
            assert isinstance(record.values, dict)
            delivered += 1
    except ValueError as error:
        path = source if isinstance(source, Path) else source[0]
        if type(error) not in (ValueError, UnreadableFileError):
            raise AssertionError(f"{type(error)} escaped") from error
        assert path.name in str(error)
    return delivered


def assert_accounted_for(folder: Path, suffix: str, data: bytes, **options: Any) -> None:
    """Read the bytes as a file of their own, strictly, and beside a good file."""
    path = folder / f"fuzzed{suffix}"
    path.write_bytes(data)
    alone = Ledger()
    delivered = read(path, alone, **options)
    assert alone.rows_in == delivered + alone.rows_rejected

    strict = Ledger(strict=True)
    assert read(path, strict, **options) <= delivered

    beside = Ledger()
    rows = [record.values for record in read_records([path, folder / "good.jsonl"], ledger=beside)]
    assert rows[-1:] == GOOD
    assert beside.rows_in == len(rows) + beside.rows_rejected
    assert all(row.reason and row.remedy and row.source for row in beside.rejected_rows)
    assert all(json.loads(row.as_json()) for row in beside.rejected_rows)


def fuzz(examples: int) -> Any:
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@fuzz(500)
@given(data=st.binary(max_size=200), suffix=st.sampled_from([*TEXT_SUFFIXES, ".parquet"]))
def test_random_bytes(folder: Path, data: bytes, suffix: str) -> None:
    assert_accounted_for(folder, suffix, data)


@fuzz(1500)
@given(
    start=st.sampled_from(STARTS),
    pieces=st.lists(st.sampled_from(PIECES), max_size=20),
    suffix=st.sampled_from(TEXT_SUFFIXES),
)
def test_random_syntax(folder: Path, start: bytes, pieces: list[bytes], suffix: str) -> None:
    assert_accounted_for(folder, suffix, start + b"".join(pieces))


DAMAGE = st.tuples(
    st.sampled_from(["put", "cut", "flip", "end"]),
    st.floats(0, 1, exclude_max=True),
    st.sampled_from(PIECES),
    st.integers(1, 12),
)


def damaged(data: bytes, damages: list[tuple[str, float, bytes, int]]) -> bytes:
    """Put bytes in, cut some out, flip bits of one, or cut the file off."""
    for what, where, piece, count in damages:
        at = int(where * len(data))
        if what == "put":
            data = data[:at] + piece + data[at:]
        elif what == "cut":
            data = data[:at] + data[at + count :]
        elif what == "flip" and data:
            data = data[:at] + bytes([data[at] ^ (count * 21 & 255)]) + data[at + 1 :]
        elif what == "end":
            data = data[:at]
    return data


@fuzz(1500)
@given(
    kind=st.sampled_from(["csv", "tsv", "json", "wrapped", "squad", "jsonl", "txt"]),
    encoding=st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "cp949"]),
    compressed=st.booleans(),
    damages=st.lists(DAMAGE, min_size=1, max_size=3),
)
def test_damaged_text(
    folder: Path, kind: str, encoding: str, compressed: bool, damages: list[Any]
) -> None:
    suffix = {"wrapped": ".json", "squad": ".json"}.get(kind, f".{kind}")
    data = valid(kind)
    if encoding != "utf-8":
        data = data.decode().encode(encoding, "ignore")
    if compressed and len(damages) == 1:
        assert_accounted_for(
            folder, f"{suffix}.xz", damaged(lzma.compress(data, preset=0), damages)
        )
    else:
        assert_accounted_for(folder, suffix, damaged(data, damages))


@fuzz(600)
@given(damages=st.lists(DAMAGE, min_size=1, max_size=3))
def test_damaged_parquet(folder: Path, damages: list[Any]) -> None:
    assert_accounted_for(folder, ".parquet", damaged(valid("parquet"), damages))
