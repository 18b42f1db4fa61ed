"""`bitsft data prepare | split | report | verify`, as a user types them."""

import json
from collections.abc import Callable
from pathlib import Path

from datasets import load_dataset

Run = Callable[..., tuple[int, str, str]]
MAP = ("--task", "koalpaca", "--map", "Q=instruction,A=output")
FILES = [
    "dataset_card.md",
    "manifest.json",
    "rejected.jsonl",
    "report.html",
    "test.parquet",
    "train.parquet",
    "validation.parquet",
]


def test_prepare(csv_cp949: Path, tmp_path: Path, bitsft: Run) -> None:
    out = tmp_path / "data"
    status, printed, _ = bitsft("prepare", csv_cp949, *MAP, "--method", "exact", "--out", out)
    assert status == 0
    assert sorted(path.name for path in out.iterdir()) == FILES
    assert "46 rows in, 44 out, 2 rejected" in printed
    assert f"look at {out / 'report.html'}" in printed
    rejected = [
        json.loads(line) for line in (out / "rejected.jsonl").read_text("utf-8").splitlines()
    ]
    assert {row["row_number"]: row["stage"] for row in rejected} == {4: "check", 3: "duplicates"}
    assert bitsft("verify", out) == (0, f"{out}: every file is as its manifest says\n", "")
    loaded = load_dataset(str(out))
    sizes = {name: len(part) for name, part in loaded.items()}
    assert sizes == {"train": 35, "validation": 5, "test": 4}


def test_the_same_rows_give_the_same_bytes(csv_cp949: Path, tmp_path: Path, bitsft: Run) -> None:
    for folder in ("a", "b"):
        arguments = ("--method", "exact", "--name", "set", "--out", tmp_path / folder)
        assert bitsft("prepare", csv_cp949, *MAP, *arguments)[0] == 0
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_verify_names_the_file_that_changed(csv_cp949: Path, tmp_path: Path, bitsft: Run) -> None:
    out = tmp_path / "data"
    bitsft("prepare", csv_cp949, *MAP, "--method", "exact", "--format", "jsonl", "--out", out)
    with (out / "test.jsonl").open("a") as file:
        file.write("{}\n")
    status, printed, _ = bitsft("verify", out)
    assert status == 3 and "test.jsonl" in printed


def test_a_folder_of_something_else_is_left_alone(
    csv_cp949: Path, tmp_path: Path, bitsft: Run
) -> None:
    out = tmp_path / "data"
    out.mkdir()
    (out / "train.parquet").write_text("mine")
    arguments = ("prepare", csv_cp949, *MAP, "--method", "exact", "--out", out)
    status, _, errors = bitsft(*arguments)
    assert status == 1 and "train.parquet" in errors
    assert (out / "train.parquet").read_text() == "mine"
    assert bitsft(*arguments, "--overwrite")[0] == 0
    assert (out / "train.parquet").read_bytes()[:4] == b"PAR1"


def test_one_broken_file_among_ten(tmp_path: Path, bitsft: Run) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for n in range(9):
        row = {"instruction": f"{n}번째 질문", "output": f"{n}번째 답"}
        (raw / f"{n}.jsonl").write_text(json.dumps(row, ensure_ascii=False) + "\n", "utf-8")
    (raw / "broken.jsonl").write_bytes(b'{"instruction": "\xff\xfe"}\n')
    out = tmp_path / "data"
    arguments = ("prepare", raw, "--task", "koalpaca", "--method", "exact", "--out", out)
    status, printed, _ = bitsft(*arguments)
    assert status == 0
    assert "10 rows in, 9 out, 1 rejected" in printed
    (rejected,) = (out / "rejected.jsonl").read_text("utf-8").splitlines()
    assert json.loads(rejected)["source"].endswith("broken.jsonl")
    status, _, errors = bitsft(*arguments, "--strict")
    assert status == 1 and "broken.jsonl" in errors
    assert bitsft("verify", out)[0] == 0, "a run that failed leaves the folder as it was"


def test_split_and_report(csv_cp949: Path, tmp_path: Path, bitsft: Run) -> None:
    checked, out = tmp_path / "checked.jsonl", tmp_path / "data"
    bitsft("check", csv_cp949, *MAP, "--out", checked)
    arguments = ("--ratios", "train=0.5,test=0.5", "--format", "jsonl", "--out", out)
    status, printed, _ = bitsft("split", checked, *arguments)
    assert status == 0
    assert "wanted 50.00%" in printed
    assert sorted(path.name for path in out.glob("*.jsonl")) == ["test.jsonl", "train.jsonl"]
    assert bitsft("leaks", out) == (0, "nothing leaks\n", "")
    status, printed, _ = bitsft("report", out, "--out", tmp_path / "page.html")
    assert (status, printed) == (0, f"look at {tmp_path / 'page.html'}\n")
    assert "번째 질문은 무엇인가요?" in (tmp_path / "page.html").read_text("utf-8")


def test_what_is_not_there_is_said(tmp_path: Path, bitsft: Run) -> None:
    for verb in ("report", "verify"):
        status, _, errors = bitsft(verb, tmp_path / "nowhere")
        assert status == 1 and "nowhere" in errors
    status, _, errors = bitsft("prepare", tmp_path / "no.csv", *MAP, "--out", tmp_path / "data")
    assert status == 1 and "no.csv: no such file" in errors
    assert not (tmp_path / "data").exists()
