"""read_data: rows of every shape, their numbers, their samples, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from bitsft.data import prepare
from bitsft.evaluation.rows import read_data


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def test_rows_of_tasks_are_formatted_and_keep_their_columns(rows: list[dict[str, Any]]) -> None:
    data = read_data(rows)
    first, last = data.questions[0], data.questions[-1]
    assert first.row.prompt == "### 질문: 한라산은 어디에 있나요?\n\n### 답변:"
    assert first.row.reference == "제주도에 있습니다."
    assert first.source == {
        "instruction": "한라산은 어디에 있나요?",
        "output": "제주도에 있습니다.",
    }
    assert (last.number, last.task, last.source["label"]) == (7, "classification", "긍정")
    assert data.labels == ("긍정", "부정")


def test_prompt_and_completion_and_messages_as_they_are() -> None:
    turns = [{"role": "user", "content": "수도는?"}, {"role": "assistant", "content": "서울"}]
    data = read_data([{"prompt": "수도는?", "completion": " 서울", "id": 7}])
    assert (data.questions[0].row.reference, data.questions[0].id) == ("서울", "7")
    assert read_data([{"messages": turns}]).questions[0].row.prompt == turns[:1]


def test_rows_with_text_only_are_held_out(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("서울은 수도이다.\n\n부산은 항구이다.\n", "utf-8")
    data = read_data(tmp_path / "texts.txt")
    assert data.texts == ("서울은 수도이다.", "부산은 항구이다.")
    assert data.as_dict()["rows"] == 2


def test_rejected_rows_are_counted_and_numbers_are_those_of_the_file(tmp_path: Path) -> None:
    rows = [
        {"instruction": "하나", "output": "1"},
        {"instruction": "둘", "output": ""},
        {"instruction": "셋", "output": "3"},
    ]
    data = read_data(write(tmp_path / "rows.jsonl", rows), task="koalpaca")
    assert [question.number for question in data.questions] == [0, 2]
    assert data.as_dict()["rows_rejected"] == 1
    assert data.ledger.rejected_rows[0].row_number == 1
    data.ledger.check_balance()


def test_a_prepared_folder_gives_its_test_split(tmp_path: Path) -> None:
    rows = [{"instruction": f"질문 {i}", "output": f"답 {i}"} for i in range(40)]
    write(tmp_path / "raw.jsonl", rows)
    prepare(tmp_path / "raw.jsonl", tmp_path / "ready", task="koalpaca", report=False)
    data = read_data(tmp_path / "ready")
    manifest = json.loads((tmp_path / "ready" / "manifest.json").read_text("utf-8"))
    assert data.split == "test"
    assert len(data.questions) == manifest["splits"]["test"]["rows"]
    assert data.files[0]["sha256"] in {entry["sha256"] for entry in manifest["outputs"]}
    with pytest.raises(ValueError, match="no split 'dev'.*train, validation, test"):
        read_data(tmp_path / "ready", split="dev")


def test_a_prepared_folder_that_was_changed_is_refused(tmp_path: Path) -> None:
    rows = [{"instruction": f"질문 {i}", "output": f"답 {i}"} for i in range(40)]
    write(tmp_path / "raw.jsonl", rows)
    prepare(tmp_path / "raw.jsonl", tmp_path / "ready", task="koalpaca", report=False)
    with (tmp_path / "ready" / "test.parquet").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ValueError, match="Prepare it anew"):
        read_data(tmp_path / "ready")


def test_a_sample_keeps_order_and_numbers() -> None:
    rows = [{"prompt": f"{i}?", "completion": f"{i}"} for i in range(100)]
    first = read_data(rows, rows=3, draw="first")
    drawn = read_data(rows, rows=10)
    assert [q.number for q in first.questions] == [0, 1, 2]
    numbers = [q.number for q in drawn.questions]
    assert numbers == sorted(numbers) == [q.number for q in read_data(rows, rows=10).questions]
    assert numbers != list(range(10))
    assert numbers != [q.number for q in read_data(rows, rows=10, seed=1).questions]
    assert [q.row.prompt for q in drawn.questions] == [f"{number}?" for number in numbers]
    assert drawn.as_dict()["sampled_from"] == 100


def test_the_hash_follows_what_is_asked_not_the_file(tmp_path: Path) -> None:
    rows = [{"prompt": "가?", "completion": "나"}, {"prompt": "다?", "completion": "라"}]
    stored = write(tmp_path / "a.jsonl", rows)
    assert read_data(rows).as_dict()["sha256"] == read_data(stored).as_dict()["sha256"]
    assert read_data(rows).as_dict()["sha256"] != read_data(rows[::-1]).as_dict()["sha256"]


def test_the_hash_follows_the_columns_that_scores_are_computed_from() -> None:
    row = {"task": "qa", "question": "수도는?", "context": "서울은 수도다.", "answers": ["서울"]}
    other = {**row, "answers": ["서울", "서울시"]}  # asked alike, but two answers are right
    one, two = read_data([row]), read_data([other])
    assert one.questions[0].row == two.questions[0].row
    assert one.as_dict()["sha256"] != two.as_dict()["sha256"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"q": "가", "a": "나"}], "Name the task of the rows with --task"),
        ([{"prompt": "가?", "completion": " "}], "there is no row to evaluate on"),
        ([{"task": "koalpaca", "instruction": "가"}], "output.*is missing"),
    ],
)
def test_rows_that_cannot_be_asked(rows: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_data(rows)


def test_no_such_file_and_wrong_numbers() -> None:
    with pytest.raises(FileNotFoundError, match="there is no such file or folder"):
        read_data("nowhere.jsonl")
    with pytest.raises(ValueError, match="rows=0"):
        read_data([{"prompt": "가", "completion": "나"}], rows=0)
    with pytest.raises(ValueError, match="split='dev' is for folders"):
        read_data([{"prompt": "가", "completion": "나"}], split="dev")
