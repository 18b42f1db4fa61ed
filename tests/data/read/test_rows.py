import json
import logging
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsft.data.read import read_rows

ROWS = [{"Q": "수도는?", "A": "서울"}, {"Q": "항구는?", "A": "부산"}]
CSV = "Q,A\n수도는?,서울\n항구는?,부산\n"


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", CSV),
        ("a.csv", CSV.replace("\n", "\r\n")),
        ("a.CSV", CSV.replace(",", " , ", 1).replace("수도는?", '"수도는?"')),
        ("a.tsv", CSV.replace(",", "\t")),
        ("a.json", json.dumps(ROWS, ensure_ascii=False, indent=1)),
        ("a.json", "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS)),
        ("a.jsonl", "\r\n\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS) + "\n"),
    ],
)
def test_formats_and_charsets(tmp_path: Path, name: str, text: str, encoding: str) -> None:
    assert read_rows(write(tmp_path / name, text, encoding)) == ROWS
    assert read_rows(str(tmp_path / name)) == ROWS


def test_parquet(tmp_path: Path) -> None:
    rows = [{"q": "수도는?", "context": ["가", "나"]}, {"q": None, "context": []}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert read_rows(tmp_path / "a.parquet") == rows


def test_quoted_csv_fields(tmp_path: Path) -> None:
    text = 'q,a\n"쉼표, 따옴표 ""네""\n둘째 줄",답\n'
    assert read_rows(write(tmp_path / "a.csv", text)) == [
        {"q": '쉼표, 따옴표 "네"\n둘째 줄', "a": "답"}
    ]


def test_quotes_in_tsv_are_plain_characters(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", 'q\ta\n"좋아" 라고 했다\t"네\n끝\t응\n')
    assert read_rows(path) == [{"q": '"좋아" 라고 했다', "a": '"네'}, {"q": "끝", "a": "응"}]


def test_quotes_in_tsv_on_request(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", 'q\ta\n"둘\n줄"\t"네"\n')
    assert read_rows(path, quoted=True) == [{"q": "둘\n줄", "a": "네"}]
    assert read_rows(path) == [
        {"q": "둘\n줄", "a": "네"}
    ]  # certain: the lines do not fit otherwise
    with pytest.raises(ValueError, match=r"a.tsv, line 2: 1 fields .* Pass quoted=True"):
        read_rows(path, quoted=False)


def test_header_given(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "\ufeff확인해줘\t확인\t0\n알려줘\t안내\t1\n")
    assert read_rows(path, header=["instruction", "output", "label"]) == [
        {"instruction": "확인해줘", "output": "확인", "label": "0"},
        {"instruction": "알려줘", "output": "안내", "label": "1"},
    ]


def test_columns_renamed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "Q,A,label\n수도는?,서울,0\n")
    assert read_rows(path, columns={"instruction": "Q", "output": "A"}) == [
        {"label": "0", "instruction": "수도는?", "output": "서울"}
    ]


def test_columns_swapped(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", CSV)
    assert read_rows(path, columns={"Q": "A", "A": "Q"})[0] == {"Q": "서울", "A": "수도는?"}


def test_a_column_that_some_json_rows_lack_stays_missing_there(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"q": "하나", "c": "글"}\n{"q": "둘"}\n')
    assert read_rows(path, columns={"input": "c"}) == [{"q": "하나", "input": "글"}, {"q": "둘"}]


def test_json_lines_are_split_at_newlines_only(tmp_path: Path) -> None:
    row = {"q": "줄\u2028과\u0085과\u000b"}
    path = write(tmp_path / "a.jsonl", json.dumps(row, ensure_ascii=False) + "\n")
    assert read_rows(path) == [row]


def test_cp949_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        read_rows(write(tmp_path / "a.csv", CSV, "cp949"))
    assert "a.csv is not UTF-8 (byte 4 (0xbc, line 2)): read as CP949" in caplog.text


def test_utf16_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", CSV, "utf-16")
    with pytest.raises(ValueError, match=r"a.csv: not UTF-8, at byte 0 \(0xff, line 1\)"):
        read_rows(path)
    assert read_rows(path, encoding="utf-16") == ROWS


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"q,a\nok,\xff\n", r"byte 7 \(0xff, line 2\), nor CP949, at byte 7 \(0xff\)"),
        (b"\xef\xbb\xbfq,a\n\xbc\xf6,b\n", r"not UTF-8, at byte 7 \(0xbc, line 2\)\. Save it as"),
    ],
)
def test_unknown_charset_names_the_byte(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "a.csv").write_bytes(data)
    with pytest.raises(ValueError, match=message):
        read_rows(tmp_path / "a.csv")


@pytest.mark.parametrize("encoding", ["ascii", "no-such-charset"])
def test_wrong_encoding_names_the_file(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(ValueError, match=f"a.csv: cannot be read with encoding='{encoding}'"):
        read_rows(write(tmp_path / "a.csv", CSV), encoding=encoding)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a.jsonl",
            '{"q": "a"}\n{"q": }\n',
            r"a.jsonl, line 2, column 7: not JSON \(Expecting value",
        ),
        ("a.jsonl", '{"q": "a"}\n["b"]\n', r"a.jsonl, line 2: \['b'\] is not an object"),
        ("a.json", '[{"q": "a"},\n {"q": }]', "a.json, line 2, column 8: not JSON"),
        ("a.json", '[{"q": "a"}, "b"]', "a.json, row 1: 'b' is not an object"),
        ("a.json", '{\n "data": []\n}', "a.json: holds no rows"),
        ("a.csv", "q,a\n하나,둘,셋\n", r"line 2: 3 fields where the header has 2, in \['하나'"),
        ("a.csv", "q,a\n하나\n", "line 2: 1 fields where the header has 2"),
        ("a.csv", "q,q\n하나,둘\n", r"the header line names \['q'\] more than once"),
        ("a.csv", 'q,a\n"하나" 둘,셋\n', "line 2: ',' expected after '\"'. Pass quoted=False"),
        ("a.csv", 'q,a\n"하나,둘\n', "unexpected end of data. Pass quoted=False"),
        ("a.csv", "q,a\n", "a.csv: holds no rows"),
        ("a.jsonl", "\n\n", "a.jsonl: holds no rows"),
        ("a.json", "[]", "a.json: holds no rows"),
        ("a.csv", "", "a.csv: holds no rows"),
        ("a.docx", "글", "the name must end in one of .csv, .tsv, .json, .jsonl, .parquet"),
    ],
)
def test_broken_files(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_rows(write(tmp_path / name, text))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"output": "B"}, r"columns names 'B', but the file has \['Q', 'A'\]"),
        ({"A": "Q"}, "'Q' cannot be renamed to 'A', which is a column already"),
    ],
)
def test_wrong_columns(tmp_path: Path, columns: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_rows(write(tmp_path / "a.csv", CSV), columns=columns)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("a.jsonl", {"header": ["q"]}, "header= does not apply to the JSON file"),
        ("a.json", {"quoted": True}, "quoted= does not apply to the JSON file"),
        ("a.parquet", {"encoding": "cp949"}, "encoding= does not apply to the Parquet file"),
        ("a.csv", {"split": "test", "config": "x"}, "split=, config= does not apply to the local"),
        ("owner/name", {"header": ["q"]}, "header= does not apply to the Hub data set"),
    ],
)
def test_options_without_use(
    tmp_path: Path, name: str, options: dict[str, Any], message: str, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    if "/" not in name:
        write(tmp_path / name, '{"q": 1}')
    with pytest.raises(ValueError, match=message):
        read_rows(name, **options)


@pytest.mark.parametrize(
    "name", ["missing.csv", "owner/missing.jsonl", "here/name", "name", "a/b/c", "../a/b", ""]
)
def test_missing_files_are_not_looked_for_on_the_hub(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.load_dataset", None)
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_rows(name)
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_rows(Path("owner/name"))


def test_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Any, ...]] = []

    def load_dataset(name: str, config: str | None, split: str) -> list[dict[str, str]]:
        calls.append((name, config, split))
        return ROWS

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    assert read_rows("beomi/KoAlpaca-v1.1a", columns={"output": "A"})[0]["output"] == "서울"
    assert read_rows("skt/kobest_v1", config="boolq", split="test") == ROWS
    assert calls == [("beomi/KoAlpaca-v1.1a", None, "train"), ("skt/kobest_v1", "boolq", "test")]


FIELD = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"))


@settings(max_examples=40, derandomize=True)
@given(rows=st.lists(st.fixed_dictionaries({"q": FIELD, "a": FIELD}), min_size=1, max_size=4))
def test_what_is_written_is_read(rows: list[dict[str, str]], tmp_path_factory: Any) -> None:
    import csv

    folder = tmp_path_factory.mktemp("round_trip")
    with (folder / "a.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["q", "a"])
        writer.writeheader()
        writer.writerows(rows)
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    write(folder / "a.jsonl", "\n".join(lines))
    assert read_rows(folder / "a.csv") == rows
    assert read_rows(folder / "a.jsonl") == rows
