"""`bitsft data quality | budget | leaks`, as a user types them."""

import json
from collections.abc import Callable
from pathlib import Path

from bitsft.scratch import train_tokenizer

Run = Callable[..., tuple[int, str, str]]


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def qa(question: str, context: str, answer: str) -> dict[str, object]:
    return {"task": "qa", "question": question, "context": context, "answers": [answer]}


ROWS = [
    qa("세종대왕은 무엇을 만들었나요?", "세종대왕은 훈민정음을 만들었다.", "훈민정음"),
    qa("한라산은 어디에 있나요?", "한라산은 제주도에 있는 산이다.", "경상북도 포항시"),
]


def test_quality_lists_the_worst_rows_first(tmp_path: Path, bitsft: Run) -> None:
    review = tmp_path / "review.jsonl"
    status, printed, _ = bitsft("quality", write(tmp_path / "qa.jsonl", ROWS), "--review", review)
    assert status == 0
    assert "groundedness: mean 0.500 of 2 rows" in printed
    worst = json.loads(review.read_text("utf-8").splitlines()[0])
    assert worst["row_number"] == 1


def test_quality_rejects_below_a_threshold(tmp_path: Path, bitsft: Run) -> None:
    out = tmp_path / "good.jsonl"
    source = write(tmp_path / "qa.jsonl", ROWS)
    assert bitsft("quality", source, "--min-groundedness", 0.5, "--out", out)[0] == 0
    (row,) = out.read_text("utf-8").splitlines()
    assert json.loads(row)["answers"] == ["훈민정음"]


def test_budget(tmp_path: Path, bitsft: Run) -> None:
    tokenizer = train_tokenizer([str(row) for row in ROWS], vocab_size=300)
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    counts = tmp_path / "budget.json"
    status, printed, _ = bitsft(
        "budget", write(tmp_path / "qa.jsonl", ROWS), "--tokenizer", tmp_path / "tokenizer",
        "--max-length", 20, "--json", counts,
    )  # fmt: skip
    assert status == 0
    assert "max_length=20 truncates 2 (100.0%)" in printed
    budget = json.loads(counts.read_text("utf-8"))
    assert (budget["rows"], budget["truncated"], budget["completion_lost"]) == (2, 2, 2)
    assert budget["parts"]


def test_leaks_have_an_exit_status_of_their_own(tmp_path: Path, bitsft: Run) -> None:
    train = write(tmp_path / "train.jsonl", ROWS)
    test = write(tmp_path / "test.jsonl", [qa("다른 질문?", ROWS[0]["context"], "훈민정음")])  # type: ignore[arg-type]
    status, printed, _ = bitsft("leaks", train, test)
    assert status == 3
    assert "document: 1 of 1 rows" in printed
    other = write(tmp_path / "other.jsonl", [qa("다른 질문?", "다른 문서다.", "문서")])
    status, printed, _ = bitsft("leaks", train, other)
    assert (status, printed) == (0, "nothing leaks\n")
    assert bitsft("leaks", train)[0] == 2
    status, _, errors = bitsft("leaks", train, train)
    assert status == 2
    assert errors == f"bitsft: {train} is given twice; give two different files, training first\n"
