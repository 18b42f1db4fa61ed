"""`bitsft data raft | augment | mix | balance`, as a user types them."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest

from bitsft.scratch import train_tokenizer

Run = Callable[..., tuple[int, str, str]]
PLACES = ["부산", "대구", "광주", "대전", "울산", "수원", "청주", "전주", "포항", "여수"]


def write(path: Path, rows: Iterable[Mapping[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def read(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def document(place: str) -> str:
    return f"{place} 이야기. {place}에는 {len(place) * ord(place[0]) % 97}년에 세운 도서관과 오래된 시장이 있다."


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    rows = [
        {
            "question": f"{place}에는 무엇이 있나요?",
            "context": document(place),
            "answers": [f"{place}에는"],
        }
        for place in PLACES
    ]
    return write(tmp_path / "qa.jsonl", rows)


def test_raft(questions: Path, tmp_path: Path, bitsft: Run) -> None:
    out = tmp_path / "raft.jsonl"
    status, printed, _ = bitsft(
        "raft",
        questions,
        "--task",
        "qa",
        "--distractors",
        2,
        "--p",
        1,
        "--near-copy",
        1,
        "--out",
        out,
    )
    assert status == 0
    rows = read(out)
    assert len(rows) == 10
    for row in rows:
        context = row["context"]
        assert isinstance(context, list) and len(set(context)) == 3
        assert context.count(row["oracle_context"]) == 1
    assert "10 RAFT rows, 10 (100.0%) with their oracle" in printed


def test_raft_with_documents_named_by_id(tmp_path: Path, bitsft: Run) -> None:
    documents = write(
        tmp_path / "documents.jsonl",
        [{"id": str(n), "text": document(place)} for n, place in enumerate(PLACES)],
    )
    rows = [
        {"question": f"{place}에는 무엇이 있나요?", "answer": f"{place}에는", "doc": str(n)}
        for n, place in enumerate(PLACES[:4])
    ]
    out = tmp_path / "raft.jsonl"
    arguments = ("--documents", documents, "--document-id", "doc", "--near-copy", 1, "--out", out)
    assert bitsft("raft", write(tmp_path / "q.jsonl", rows), *arguments)[0] == 0
    assert [row["oracle_context"] for row in read(out)] == [document(place) for place in PLACES[:4]]


def test_raft_rows_fit_a_number_of_tokens(questions: Path, tmp_path: Path, bitsft: Run) -> None:
    tokenizer = train_tokenizer([document(place) for place in PLACES], vocab_size=400)
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    out = tmp_path / "raft.jsonl"
    arguments = ("--task", "qa", "--distractors", 3, "--near-copy", 1, "--out", out)
    status, _, errors = bitsft("raft", questions, *arguments, "--max-tokens", 220)
    assert status == 2 and "--max-tokens and --tokenizer need each other" in errors
    assert bitsft("raft", questions, *arguments)[0] == 0
    whole = sum(len(str(row["context"])) for row in read(out))
    fit = ("--max-tokens", 220, "--tokenizer", tmp_path / "tokenizer")
    status, printed, errors = bitsft("raft", questions, *arguments, *fit)
    assert (status, errors) == (0, "")
    assert 0 < sum(len(str(row["context"])) for row in read(out)) < whole
    assert " in, " in printed


def test_augment(questions: Path, tmp_path: Path, bitsft: Run) -> None:
    raft, out = tmp_path / "raft.jsonl", tmp_path / "more.jsonl"
    bitsft("raft", questions, "--task", "qa", "--near-copy", 1, "--out", raft)
    status, printed, _ = bitsft(
        "augment", raft, "--kinds", "order,instruction", "--factor", 2, "--out", out
    )
    assert status == 0
    assert "10 rows in, 20 added, 30 out, 0 rejected" in printed
    assert printed.endswith("  order: 10 rows\n  instruction: 10 rows\n")
    assert len(read(out)) == 30
    status, printed, _ = bitsft("augment", questions, "--task", "qa", "--out", out)
    assert status == 0
    assert printed.endswith("  order: 0 rows, 10 not possible\n")


def test_document_ids_need_documents(questions: Path, tmp_path: Path, bitsft: Run) -> None:
    out = tmp_path / "raft.jsonl"
    status, _, errors = bitsft(
        "raft", questions, "--task", "qa", "--document-id", "x", "--out", out
    )
    assert status == 2
    assert "--document-id needs --documents" in errors


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    rows = [{"text": f"{n}번째 글이다", "label": "긍정" if n < 12 else "부정"} for n in range(16)]
    return write(tmp_path / "labelled.jsonl", rows)


def test_balance(labelled: Path, tmp_path: Path, bitsft: Run) -> None:
    out = tmp_path / "balanced.jsonl"
    arguments = (labelled, "--task", "classification", "--out", out)
    assert bitsft("balance", *arguments)[0] == 0
    assert sorted(str(row["label"]) for row in read(out)) == ["긍정"] * 4 + ["부정"] * 4
    status, _, errors = bitsft("balance", *arguments, "--how", "oversample")
    assert status == 1 and "train" in errors, "repeated rows must not reach two parts"
    status, printed, _ = bitsft("balance", *arguments, "--how", "oversample", "--part", "train")
    assert status == 0
    assert "16 rows in, 8 added, 24 out" in printed


def test_mix(labelled: Path, questions: Path, tmp_path: Path, bitsft: Run) -> None:
    texts, qa, out = tmp_path / "a.jsonl", tmp_path / "b.jsonl", tmp_path / "mixed.jsonl"
    bitsft("check", labelled, "--task", "classification", "--out", texts)
    bitsft("check", questions, "--task", "qa", "--out", qa)
    status, printed, _ = bitsft("mix", texts, qa, "--weights", "a=1,b=1", "--out", out)
    assert status == 0
    tasks = [row["task"] for row in read(out)]
    assert tasks.count("qa") == 10
    assert tasks.count("classification") in (10, 11)
    assert "rejected" in printed
    status, _, errors = bitsft("mix", texts, qa, "--weights", "a=1,c=1", "--out", out)
    assert status == 1 and "weights are given for a, c, but the sources are a, b" in errors
