"""`bitsft eval`: options, the table, the folder, the exit status, what is said when it is stopped."""

import json
from pathlib import Path
from typing import Any

import pytest

from bitsft.cli import main
from bitsft.cli.eval import default_folder
from bitsft.evaluation.unfinished import UnfinishedAnswers
from bitsft.runs import read_run
from bitsft.scratch import new_llama, train_tokenizer

TEXTS = ["한라산은 제주도에 있습니다.", "영화가 재미있다", "### 질문: ### 답변: 긍정 부정"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tokenizer = train_tokenizer(TEXTS, vocab_size=320)
    new_llama(tokenizer, hidden_size=32, layers=1, max_length=128).save_pretrained(
        tmp_path / "model"
    )
    tokenizer.save_pretrained(tmp_path / "model")
    (tmp_path / "movies.csv").write_text("text,label\n재미있다,1\n지루하다,0\n최고다,1\n", "utf-8")
    (tmp_path / "texts.txt").write_text("한라산은 제주도에 있습니다.\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: object) -> int:
    return main(["eval", *map(str, arguments)])


def test_classification_from_a_csv(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--task", "classification", "--labels", "0=부정,1=긍정", "--max-new-tokens", 3]
    options += ["--metrics", "classification,likelihood,chrf", "--device", "cpu"]
    assert run("model", "movies.csv", *options) == 0
    out = capsys.readouterr().out
    assert out.startswith("model: dense, float32, cpu\nmovies.csv: 3 rows\n")
    assert "classification (3 rows)" in out and "likelihood_accuracy" in out
    assert "f1[긍정]" not in out
    assert out.endswith("written to evaluations/model--movies\n")
    stored = json.loads((folder / "evaluations/model--movies/scores.json").read_text("utf-8"))
    assert stored["settings"]["labels"] == ["부정", "긍정"]
    assert "f1[긍정]" in stored["scores"]["classification"]
    record = json.loads((folder / "evaluations/model--movies/run.json").read_text("utf-8"))
    assert (record["kind"], record["status"]) == ("eval", "finished")
    assert (
        record["result"]["scores"]["all"]["chrf"]["value"]
        == stored["scores"]["all"]["chrf"]["value"]
    )

    assert run("model", "movies.csv", *options, "--details") == 0
    assert "f1[긍정]" in capsys.readouterr().out


def test_held_out_texts_need_no_data(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("model", "--held-out", "texts.txt", "--output", "out") == 0
    out = capsys.readouterr().out
    assert "held_out (1 texts)" in out and "bits_per_byte" in out


def test_ctrl_c_says_how_to_go_on(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    add = UnfinishedAnswers.add

    def stopped(self: UnfinishedAnswers, batch: Any) -> None:
        add(self, batch)
        raise KeyboardInterrupt

    options = [
        "--task",
        "classification",
        "--max-new-tokens",
        2,
        "--batch-size",
        1,
        "--output",
        "out",
    ]
    options += ["--metrics", "chrf"]
    monkeypatch.setattr(UnfinishedAnswers, "add", stopped)
    assert run("model", "movies.csv", *options) == 130
    said = capsys.readouterr().err
    assert "Stopped. 1 rows are answered in out/predictions.part.jsonl; the same command" in said
    monkeypatch.setattr(UnfinishedAnswers, "add", add)
    assert run("model", "movies.csv", *options) == 0
    assert len((folder / "out/predictions.jsonl").read_text("utf-8").splitlines()) == 3


def test_a_full_disk_says_what_to_do(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: UnfinishedAnswers, batch: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(UnfinishedAnswers, "add", full)
    assert run("model", "movies.csv", "--task", "classification", "--max-new-tokens", 2) == 1
    said = capsys.readouterr().err
    assert "the disk is full" in said and "the same command goes on from there" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model", "nothing.csv"], "there is no such file or folder"),
        (["model", "movies.csv"], "Name the task of the rows with --task"),
        (["nowhere", "movies.csv", "--task", "classification"], "nowhere: there is no such folder"),
        (["model", "movies.csv", "--task", "classification", "--labels", "0,2"], "Name it, too"),
        (
            ["model", "movies.csv", "--task", "classification", "--metrics", "rogue"],
            "use any of rouge",
        ),
        (["model", "texts.txt", "--labels", "가,나"], "has no classification rows"),
    ],
)
def test_errors_are_one_line_with_a_remedy(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run(*arguments) == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert said[-1].startswith("bitsft: ") and message in said[-1]
    assert not (folder / "evaluations").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model"], "name what to evaluate on"),
        (["model", "texts.txt", "--top-p", "0.9"], "give --temperature with it"),
        (["model", "texts.txt", "--system", "너는"], "--system needs --messages"),
    ],
)
def test_options_that_do_not_fit_are_wrong_use(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run(*arguments) == 2
    assert message in capsys.readouterr().err


def test_standard_tasks_need_no_data(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    class Results:
        def write(self, path: Path) -> None:
            path.write_text("{}")

        def as_scores(self) -> dict[str, dict[str, float]]:
            return {"kobest_boolq": {"acc": 0.5}}

        def __str__(self) -> str:
            return "the table of the tasks"

    def run_tasks(model: Any, tokenizer: Any, tasks: list[str], **options: Any) -> Results:
        asked.update(options, tasks=tasks, model=type(model).__name__)
        return Results()

    monkeypatch.setattr("bitsft.evaluation.standard_tasks.run_standard_tasks", run_tasks)
    monkeypatch.setattr("bitsft._extras.require", lambda module, extra: None)
    options = ["--rows", 7, "--shots", 2, "--task-folder", "mine", "--output", "out"]
    assert run("model", "--tasks", "kobest,local:ready", *options) == 0
    assert asked["tasks"] == ["kobest", "local:ready"] and asked["model"] == "LlamaForCausalLM"
    assert (asked["limit"], asked["num_fewshot"], asked["task_folders"]) == (7, 2, ["mine"])
    assert "the table of the tasks" in capsys.readouterr().out
    assert (folder / "out" / "standard_tasks.json").read_text() == "{}"
    record = read_run(folder / "out")
    assert (record.kind, record.status) == ("eval", "finished")
    assert record.base_model["name"] == "model"
    assert record.settings["standard_tasks"]["tasks"] == ["kobest", "local:ready"]
    assert record.scores["kobest_boolq"]["acc"]["value"] == 0.5


def test_default_folder(folder: Path) -> None:
    assert default_folder("owner/name", "raw/movies.csv") == Path(
        "evaluations/owner-name--raw-movies"
    )
    assert default_folder("model", "movies.csv") == Path("evaluations/model--movies")
    assert default_folder(".", None) == Path("evaluations") / folder.name
