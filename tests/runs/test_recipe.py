"""The recipe of a record, and that it repeats the training."""

import runpy
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from bitsft.data.demo import load_demo_rows
from bitsft.runs import compare_runs, read_run
from bitsft.runs.recipe import recipe_yaml, script_values

from .conftest import MakeRun

ROOT = Path(__file__).parents[2]


def test_repeated_from_its_recipe_the_weights_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*arguments: object) -> None:
        script = str(ROOT / "examples" / "koalpaca_sft.py")
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        runpy.run_path(script, run_name="__main__")

    rows = load_demo_rows("train_koalpaca")[:40]
    lines = ["Q,A", *(f'"{r["instruction"]}","{r["output"]}"' for r in rows)]
    (tmp_path / "rows.csv").write_text("\n".join(lines), "utf-8")
    (tmp_path / "first.yaml").write_text(
        "columns: instruction=Q,output=A\nhidden_size: 64\nmax_new_tokens: 2\neval_percent: 20\n"
        "max_steps: 3\nlearning_rate: 3.0e-3\nreport_to: none\nsave_strategy: 'no'\n"
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        run(
            *("--config", tmp_path / "first.yaml", "--data", tmp_path / "rows.csv"),
            *("--hidden_size", 32, "--output_dir", tmp_path / "a", "--seed", 3),
        )
        first = read_run(tmp_path / "a")
        (tmp_path / "again.yaml").write_text(recipe_yaml(first), "utf-8")
        (tmp_path / "first.yaml").unlink()
        run("--config", tmp_path / "again.yaml", "--output_dir", tmp_path / "b")
    finally:
        torch.set_num_threads(threads)
    again = read_run(tmp_path / "b")
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("a", "b"))
    assert one.keys() == two.keys() and all(torch.equal(t, two[name]) for name, t in one.items())
    scores = {m: (s["before"], s["value"]) for m, s in first.scores["all"].items()}
    assert {m: (s["before"], s["value"]) for m, s in again.scores["all"].items()} == scores
    differs = compare_runs([first, again]).settings
    assert {name for name in differs if not name.startswith(f"data.{tmp_path}")} == set()


def test_what_a_recipe_holds(make_run: MakeRun) -> None:
    run = make_run(
        name="첫\n실험",
        command=["t.py", "--data", "d.csv", "--flag", "--n=3", "--names", "a", "b", "--learning_rate", "9", "--token", "(hidden)"],
        data=[{"role": "file", "name": "r.yaml", "values": {"columns": "가=나", "n": 1, "config": "x"}}],
    )  # fmt: skip
    assert script_values(run)["n"] == 3, "options win over the file"
    text = recipe_yaml(run)
    assert text.startswith(f"# Experiment {run.id}: 첫 실험\n")
    assert "python t.py --config THIS_FILE" in text
    assert yaml.safe_load(text) == {
        "columns": "가=나",
        "n": 3,
        "data": "d.csv",
        "flag": True,
        "names": ["a", "b"],
        "learning_rate": 2e-3,
        "seed": 0,
    }


def test_only_trainings_have_one(make_run: MakeRun) -> None:
    with pytest.raises(ValueError, match="of kind 'eval': only a training"):
        recipe_yaml(make_run(kind="eval"))
