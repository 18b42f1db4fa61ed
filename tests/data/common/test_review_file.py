import csv
import json
from pathlib import Path
from typing import Any

import pytest

from bitsft.data.common.review_file import check_review_path, write_review

ROW = {
    "cluster": 0,
    "similarity": 0.8,
    "cosine": None,
    "kept": True,
    "source": "a.csv",
    "row_number": 3,
    "text": '가 "나"\n다\ud800',
}


def test_jsonl(tmp_path: Path) -> None:
    path = check_review_path(tmp_path / "new" / "review.jsonl")
    write_review(path, [ROW, {**ROW, "text": "가"}])
    lines = path.read_bytes().decode("utf-8").split("\n")
    assert json.loads(lines[0]) == ROW
    assert lines[1].endswith('"text": "가"}')
    assert lines[2:] == [""]


def test_csv(tmp_path: Path) -> None:
    path = check_review_path(str(tmp_path / "review.CSV"))
    write_review(path, [ROW])
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    assert rows == [
        {
            "cluster": "0",
            "similarity": "0.8",
            "cosine": "",
            "kept": "True",
            "source": "a.csv",
            "row_number": "3",
            "text": '가 "나"\n다\\ud800',
        }
    ]


def test_other_names_are_refused() -> None:
    with pytest.raises(ValueError, match=r"review.txt' must end in .jsonl or .csv"):
        check_review_path("review.txt")
