"""Each example runs from the command line with a tiny model, and its --help works; so does the notebook."""

import json
import lzma
import os
import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from datasets import Dataset

from bitsft.data.demo import load_demo_rows
from bitsft.scratch import new_llama, train_tokenizer

Run = Callable[..., str]

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
QUICK = ["--max_steps", "2", "--report_to", "none", "--per_device_train_batch_size", "2"]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run an example as its own program, in this process, and return what it prints."""

    def run_example(script: str, *arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        try:
            runpy.run_path(str(EXAMPLES / script), run_name="__main__")
        except SystemExit as ended:
            assert not ended.code, capsys.readouterr().err
        return capsys.readouterr().out

    return run_example


def write_jsonl(path: Path, rows: list[dict]) -> Path:  # type: ignore[type-arg]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def is_packed(folder: Path) -> bool:
    return "quantization_config" in json.loads((folder / "config.json").read_text())


@pytest.mark.parametrize("script", sorted(p.name for p in EXAMPLES.glob("*.py")))
def test_help_and_length(run: Run, script: str) -> None:
    assert "usage:" in run(script, "--help")
    assert len((EXAMPLES / script).read_text("utf-8").splitlines()) < 130


def test_koalpaca_from_a_csv_with_a_broken_row(run: Run, tmp_path: Path) -> None:
    rows = load_demo_rows("train_koalpaca")[:40]
    lines = ["Q,A", *(f'"{r["instruction"]}","{r["output"]}"' for r in rows), '"빈 답",""']
    (tmp_path / "rows.csv").write_text("\n".join(lines), "utf-8")
    out = tmp_path / "out"
    printed = run(
        "koalpaca_sft.py",
        *("--data", tmp_path / "rows.csv", "--columns", "instruction=Q,output=A"),
        *("--output_dir", out, "--hidden_size", 32),
        *("--eval_percent", 20, "--max_new_tokens", 4, *QUICK),
    )
    assert "before" in printed and "rougeL" in printed and "1 rejected" in printed
    (rejected,) = [
        json.loads(line) for line in (out / "rejected.jsonl").read_text("utf-8").splitlines()
    ]
    assert rejected["row_number"] == 40 and rejected["field"] == "output"
    assert is_packed(out) and (out / "trainer_state.json").exists()


def test_raw_rows_of_two_tasks_are_prepared_and_trained_on(run: Run, tmp_path: Path) -> None:
    rows = [{**row, "task": "koalpaca"} for row in load_demo_rows("train_koalpaca")[:30]]
    rows += [
        {
            "text": f"{n}번째 영화는 좋았다",
            "label": "긍정" if n % 2 else "부정",
            "task": "classification",
        }
        for n in range(20)
    ]
    rows.append({"instruction": "답이 없다", "output": "", "task": "koalpaca"})
    source, data, out = (
        write_jsonl(tmp_path / "raw.jsonl", rows),
        tmp_path / "data",
        tmp_path / "out",
    )
    printed = run(
        "prepared_sft.py",
        *("--source", source, "--data", data, "--output_dir", out, "--hidden_size", 32),
        *("--eval_rows", 2, *QUICK),
    )
    assert "51 rows in, 50 out, 1 rejected" in printed
    assert "before" in printed and "rougeL" in printed
    assert is_packed(out) and (data / "report.html").exists()
    run("prepared_sft.py", "--data", data, "--output_dir", tmp_path / "again", "--hidden_size", 32, "--eval_rows", 2, *QUICK)  # fmt: skip
    assert is_packed(tmp_path / "again")


def test_raft_says_what_max_length_costs(run: Run, tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "train.jsonl", load_demo_rows("train_raft")[:20])
    held_out = write_jsonl(tmp_path / "eval.jsonl", load_demo_rows("other_documents_raft")[:3])
    out = tmp_path / "out"
    printed = run(
        "raft_sft.py",
        *("--data", data, "--eval_data", held_out, "--output_dir", out),
        *("--max_length", 130, "--max_new_tokens", 4, *QUICK),
    )
    assert "max_length=130 truncates" in printed and "eval_rouge1" in printed
    assert is_packed(out)


def test_converting_a_dense_model(run: Run, tmp_path: Path) -> None:
    rows = load_demo_rows("train_koalpaca")[:40]
    tokenizer = train_tokenizer((r["instruction"] + r["output"] for r in rows), 400)
    new_llama(tokenizer, hidden_size=32, layers=1).save_pretrained(tmp_path / "dense")
    tokenizer.save_pretrained(tmp_path / "dense")
    out = tmp_path / "out"
    printed = run(
        "convert_full_precision.py",
        *("--model", tmp_path / "dense", "--data", write_jsonl(tmp_path / "rows.jsonl", rows)),
        *("--output_dir", out, "--eval_share", 0.2, *QUICK),
    )
    assert "dense" in printed and "rounded" in printed and "MB packed" in printed
    assert is_packed(out)


def test_a_base_from_nothing_and_the_same_ternary(run: Run, tmp_path: Path) -> None:
    texts = [" ".join(row["context"]) for row in load_demo_rows("train_raft")]
    Dataset.from_dict({"document": texts[:400]}).to_parquet(tmp_path / "reviews.parquet")
    with lzma.open(tmp_path / "docs.txt.xz", "wt", encoding="utf-8") as file:
        file.write("\n\n".join(texts[400:]))
    base, ternary = tmp_path / "base", tmp_path / "ternary"
    small = ("--max_length", 64, "--max_steps", 3, "--save_strategy", "no", "--disable_tqdm", True)
    printed = run(
        "pretrain_base.py",
        *("--reviews", tmp_path / "reviews.parquet", "--docs", tmp_path / "docs.txt.xz"),
        *("--output_dir", base, "--vocab_size", 400, "--hidden_size", 32, "--layers", 1),
        *("--held_out_every", 3, *small),
    )
    assert "bits_per_byte|max_length:64" in printed
    # 400 and 149 lines are 4 and 2 blocks of a hundred; the first and the fourth are held out
    for name, expected in {
        "train": {texts[100], texts[200], texts[400], texts[500]},
        "held_out": {texts[0], texts[300]},
    }.items():
        lines = (base / f"{name}.jsonl").read_text("utf-8").splitlines()
        assert {json.loads(line)["text"].split("\n")[0] for line in lines} == expected
    card = (base / "README.md").read_text("utf-8")
    assert "# base\n" in card and "CC BY 4.0" in card and "2 blocks in all" in card
    assert "on\n0.0 million tokens" in card and not is_packed(base)

    printed = run("ternary_base.py", "--base", base, "--output_dir", ternary, *small)
    bits = re.search(r"([\d.]+) dense, ([\d.]+) rounded, ([\d.]+) ternary", printed)
    assert bits is not None and is_packed(ternary)
    card = (ternary / "README.md").read_text("utf-8")
    assert card.startswith("---\nlanguage: ko\nlicense: cc-by-4.0\n") and "# ternary\n" in card
    assert f"| **ternary: this model** | **{bits[3]}** |" in card
    assert f"**{bits[1]} bits per byte**" in card, (
        "the dense model is the one that base's card describes"
    )


def test_a_run_can_be_drawn(run: Run, tmp_path: Path) -> None:
    log = [
        {"step": 1, "loss": 2.0, "flip_rate": 0.1},
        {"step": 2, "loss": 1.0, "flip_rate": 0.05, "eval_loss": 1.5, "eval_rougeL": 0.2},
        {"step": 2, "eval_loss": 1.5, "eval_rougeL": 0.2},
    ]
    (tmp_path / "trainer_state.json").write_text(json.dumps({"log_history": log}))
    run("plot_run.py", tmp_path / "trainer_state.json", tmp_path / "run.png")
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")


DATA_RECIPES = sorted(
    path
    for path in (ROOT / "recipes").glob("*.yaml")
    if path.name != "qlora.yaml"  # of another example: tests/test_qlora_baseline.py
)


@pytest.mark.parametrize("recipe", DATA_RECIPES, ids=lambda p: p.name)
def test_recipes_are_understood(run: Run, recipe: Path, tmp_path: Path) -> None:
    """The recipe's own settings, on ten rows in the shape that it names."""
    text = recipe.read_text("utf-8")
    rows = load_demo_rows("train_koalpaca")[:40]
    table = [f"{r['instruction']}\t{r['output']}\t0" for r in rows]
    if "header:" in text:
        data = tmp_path / "rows.tsv"
        data.write_text("\n".join(table), "utf-8")
    else:
        data = tmp_path / "rows.csv"
        data.write_text(
            "Q,A\n" + "\n".join(line.replace("\t", ",", 1).rsplit("\t", 1)[0] for line in table),
            "utf-8",
        )
    out = tmp_path / "out"
    run(
        "koalpaca_sft.py",
        *("--config", recipe, "--data", data, "--output_dir", out),
        *("--num_train_epochs", 1, "--eval_percent", 20, "--max_new_tokens", 2, *QUICK),
        *("--hidden_size", 32, "--eval_steps", 2),
    )
    assert is_packed(out)


def test_the_notebook_runs(tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(EXAMPLES / "quickstart.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "committed without outputs"
    client = NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}})
    client.execute(env={**os.environ, "PYTHONPATH": str(ROOT)})
    printed = "".join(o.get("text", "") for c in notebook.cells for o in c.get("outputs", []))
    assert "ternary weights in" in printed
