"""`prepare` and `load_prepared`: rows in, a folder that trains out."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bitsft import TernarySFTConfig, TernarySFTTrainer
from bitsft.data import Ledger, format_record, load_prepared, prepare, read_records
from bitsft.scratch import new_llama, train_tokenizer

ROWS = [
    *(
        {"instruction": f"{n}번째 질문은?", "output": f"{n}번째 답이다ㅋㅋㅋㅋㅋ"}
        for n in range(30)
    ),
    {"instruction": "0번째 질문은?", "output": "0번째 답이다ㅋㅋㅋ"},
    {"instruction": "답이 없는 질문은?", "output": None},
    {"instruction": "29번째 질문은??", "output": "29번째 답이다ㅋㅋㅋㅋ!"},
]


def test_every_row_is_in_one_place(tmp_path: Path) -> None:
    done = prepare(ROWS, tmp_path / "data", task="koalpaca", near=0.7, method="exact", report=False)
    assert (done.ledger.rows_in, done.ledger.rows_out, done.ledger.rows_rejected) == (33, 30, 3)
    assert (done.duplicates.exact, done.duplicates.near) == (1, 1)
    assert dict(done.split.rows) == {"train": 24, "validation": 3, "test": 3}
    rejected = [
        json.loads(line) for line in (done.folder / "rejected.jsonl").open(encoding="utf-8")
    ]
    assert {row["row_number"]: row["stage"] for row in rejected} == {
        30: "duplicates",
        31: "check",
        32: "duplicates",
    }
    review = (done.folder / "near_duplicates.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["row_number"] for line in review] == [29, 32]
    assert str(done).startswith("33 rows in, 30 out, 3 rejected")
    rows = [
        record.values
        for name in ("train", "validation", "test")
        for record in read_records(done.folder / f"{name}.parquet", ledger=Ledger())
    ]
    assert sorted(row["output"] for row in rows)[0] == "0번째 답이다ㅋㅋㅋ", "cleaned"
    manifest = json.loads((done.folder / "manifest.json").read_text("utf-8"))
    assert manifest == done.manifest
    assert manifest["counts"]["rows_in"] == 33
    assert manifest["settings"]["duplicates"] == {"by": "row", "near": 0.7}


def test_the_folder_trains(tmp_path: Path) -> None:
    tokenizer = train_tokenizer([str(row) for row in ROWS], vocab_size=300)
    done = prepare(
        ROWS, tmp_path / "data", task="koalpaca", method="exact", tokenizer=tokenizer, max_length=64
    )
    assert done.manifest["budgets"]["train"]["max_length"] == 64
    splits = load_prepared(done.folder)
    assert {name: part.num_rows for name, part in splits.items()} == {"train": 25, "validation": 3, "test": 3}  # fmt: skip
    assert splits["train"].column_names == ["prompt", "completion", "task"]
    row = splits["train"][0]
    assert row["prompt"].startswith("### 질문: ") and row["completion"].startswith(" ")
    trainer = TernarySFTTrainer(
        new_llama(tokenizer, hidden_size=32, layers=1, heads=2, max_length=64),
        TernarySFTConfig(
            str(tmp_path / "out"),
            max_steps=1,
            report_to="none",
            use_cpu=True,
            bf16=False,
            max_length=64,
        ),
        train_dataset=splits["train"],
        eval_dataset=splits["validation"],
        processing_class=tokenizer,
    )
    assert trainer.train().global_step == 1


def test_rows_can_be_loaded_in_other_forms(tmp_path: Path) -> None:
    done = prepare(ROWS, tmp_path / "data", task="koalpaca", method="exact", report=False)
    chat = load_prepared(done.folder, partial(format_record, as_messages=True))
    assert chat["test"][0]["completion"][0]["role"] == "assistant"
    plain = load_prepared(done.folder, None)
    assert set(plain["test"].column_names) >= {"instruction", "output", "task"}


def test_a_folder_that_was_changed_is_not_loaded(tmp_path: Path) -> None:
    done = prepare(ROWS, tmp_path / "data", task="koalpaca", method="exact", report=False)
    (done.folder / "test.parquet").write_bytes(b"other")
    with pytest.raises(ValueError, match="test.parquet"):
        load_prepared(done.folder)
    with pytest.raises(FileNotFoundError, match="manifest.json"):
        load_prepared(tmp_path)


def test_labels_that_differ_in_spelling_only_are_told(tmp_path: Path) -> None:
    rows = [
        {"text": f"{n}번째 글", "label": label}
        for n, label in enumerate(["True", "TRUE", "False"] * 10)
    ]
    done = prepare(rows, tmp_path / "data", task="classification", method="exact", report=False)
    assert "nearly the same: 'TRUE', 'True'" in str(done.labels)
    names = {"checking": {"label_names": {"true": "예", "false": "아니오"}}}
    done = prepare(
        rows, tmp_path / "named", task="classification", method="exact", report=False, **names
    )  # type: ignore[arg-type]
    assert done.labels.counts == {"예": 20, "아니오": 10}


def test_settings_are_checked_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.parquet").write_text("mine")
    with pytest.raises(ValueError, match="train.parquet, which no earlier run wrote"):
        prepare(iter(()), tmp_path / "data", task="koalpaca")
    with pytest.raises(ValueError, match="task='qna' is not known"):
        prepare(ROWS, tmp_path / "new", task="qna")
    assert not (tmp_path / "new").exists()


def test_a_missing_extra_is_said_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ImportError, match="jinja2"):
        prepare(ROWS, tmp_path / "data", task="koalpaca")
    assert not (tmp_path / "data").exists()
    assert prepare(ROWS, tmp_path / "data", task="koalpaca", method="exact", report=False)


def test_a_killed_run_is_recognised_and_made_good(tmp_path: Path) -> None:
    source = tmp_path / "rows.jsonl"
    with source.open("w", encoding="utf-8") as file:
        for n in range(20_000):
            row = {"instruction": f"{n}번째 질문은 무엇인가요?", "output": f"{n}번째 답입니다."}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    out, whole = tmp_path / "data", tmp_path / "whole"
    command = [sys.executable, "-m", "bitsft", "data", "prepare", str(source), "--task", "koalpaca", "--name", "set"]  # fmt: skip
    run: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([*command, "--out", str(whole)], check=True, **run)
    process = subprocess.Popen([*command, "--out", str(out)], **run)
    while not (out / ".incomplete").exists() and process.poll() is None:
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    if (out / ".incomplete").exists():  # else it was through before the signal came
        with pytest.raises(ValueError, match="a run was stopped while it wrote here"):
            load_prepared(out)
    subprocess.run([*command, "--out", str(out)], check=True, **run)
    names = sorted(path.name for path in whole.iterdir())
    assert sorted(path.name for path in out.iterdir()) == names
    for name in names:
        assert (out / name).read_bytes() == (whole / name).read_bytes(), name
