import json
import re
from pathlib import Path
from typing import Any

import pytest

from bitsft.data.ledger import Ledger
from bitsft.data.records import Record
from bitsft.data.report import report_from_folder
from bitsft.data.split import split_records, write_split
from tests.data.report.rows import asked


def write_lines(path: Path, rows: list[Any]) -> None:
    path.write_text(
        "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8"
    )


def body(html: str) -> str:
    return html[html.index("<main>") : html.index("</main>")]


def test_the_folder_that_the_split_writes(tmp_path: Path) -> None:
    rows = [asked(f"{n}의 두 배는?", f"{2 * n}입니다.") for n in range(60)]
    with Ledger(tmp_path / "out" / "rejected.jsonl") as ledger:
        ledger.reject(
            Record({}, "a.csv", 61),
            stage="check",
            field="output",
            value="",
            reason="is empty",
            detail="it is",
        )
        ledger.count_in()
        split = split_records(rows, ledger=ledger)
        write_split(split, tmp_path / "out", ledger=ledger, name="두 배", overwrite=True)
    page = body(report_from_folder(tmp_path / "out"))
    assert "✓" not in page  # drawn by the style sheet
    assert "Every row is accounted for" in page
    assert "<dd>61</dd>" in page
    assert "is empty (it is)" in page
    assert "No leaks" in page
    assert {"train", "validation", "test"} <= set(re.findall(r'<td class="short">(\w+)</td>', page))


def test_jsonl_alone_is_enough(tmp_path: Path) -> None:
    write_lines(tmp_path / "train.jsonl", [asked("가?", "나")])
    html = report_from_folder(tmp_path, title="제목", language="ko", samples=1)
    assert "<h1>제목</h1>" in html
    assert "### 질문: 가?" in body(html)
    assert 'id="rejected"' not in html
    assert 'id="leaks"' not in html


def test_the_folders_name_is_the_title(tmp_path: Path) -> None:
    folder = tmp_path / "내 데이터"
    folder.mkdir()
    write_lines(folder / "test.jsonl", [asked("가?", "나")])
    assert "<h1>내 데이터</h1>" in report_from_folder(folder)


def test_splits_that_the_manifest_names(tmp_path: Path) -> None:
    write_lines(tmp_path / "train.jsonl", [asked("가?", "나")])
    write_lines(tmp_path / "held_out.jsonl", [asked("가?", "나")] * 2)
    write_lines(tmp_path.parent / "outside.jsonl", [asked("가?", "나")] * 2)
    manifest = {"splits": {"held_out": {}, "../outside": {}, "train": {}}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    page = body(report_from_folder(tmp_path))
    assert "held_out" in page
    assert "outside" not in page


def test_no_folder_and_no_rows(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere is no folder"):
        report_from_folder(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"holds none of train\.parquet"):
        report_from_folder(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "train.jsonl",
            '{"prompt": "a", "completion": "b"}\n{"a": ',
            "train.jsonl, line 2 is no JSON",
        ),
        ("train.jsonl", "[" * 100_000, "train.jsonl, line 1 is no JSON"),
        ("train.jsonl", "[1]", "train, row 0 is of type list"),
        ("train.parquet", "no parquet", "train.parquet cannot be read as Parquet"),
        ("manifest.json", "{", "manifest.json is no JSON"),
        ("manifest.json", "[1]", "manifest.json is [1]; give a mapping"),
        ("manifest.json", '{"counts": 3}', "['counts'] is 3; give a mapping"),
        ("manifest.json", '{"leaks": {"a": []}}', "which counts nothing"),
        ("rejected.jsonl", "x", "rejected.jsonl, line 1 is no JSON"),
        ("rejected.jsonl", "\n3", "rejected.jsonl, line 2 is 3; give a mapping"),
        ("rejected.jsonl", '{"reason": "x"}', "line 1 has no 'row_number' and 'reason'"),
    ],
)
def test_broken_files(tmp_path: Path, name: str, content: str, message: str) -> None:
    write_lines(tmp_path / "train.jsonl", [asked("가?", "나")])
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(ValueError) as caught:
        report_from_folder(tmp_path)
    assert message in str(caught.value)
