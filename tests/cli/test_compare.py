"""`bitsft compare`: models or finished evaluations, the files, what is refused before the work."""

import json
from pathlib import Path

import pytest
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from bitsft.cli import main
from bitsft.evaluation.answers import Answer
from bitsft.evaluation.evaluation import Evaluation
from bitsft.evaluation.scoring import score_answers
from bitsft.runs import read_run
from bitsft.scratch import new_llama

ROWS = [
    {
        "prompt": f"### 질문: {place}은 어디에 있나요?\n\n### 답변:",
        "completion": f" {where}에 있습니다.",
    }
    for place, where in [("한라산", "제주도"), ("서울", "한국"), ("부산", "남쪽"), ("학교", "마을")]
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


@pytest.fixture
def models(
    tmp_path: Path, tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast
) -> list[str]:
    """Two models that answer differently."""
    # with weights near 0 and tied embeddings a model repeats its last token, whatever the seed
    other = new_llama(
        tiny_tokenizer, hidden_size=32, heads=4, max_length=256, initializer_range=1.0
    )
    for name, model in (("base", tiny_llama), ("tuned", other)):
        model.save_pretrained(tmp_path / name)
        tiny_tokenizer.save_pretrained(tmp_path / name)
    return [str(tmp_path / "base"), str(tmp_path / "tuned")]


def _evaluation(folder: Path, predictions: list[str], **values: str) -> str:
    """A finished evaluation of four rows."""
    answers = tuple(
        Answer(
            row,
            values.get("prompt", ROWS[row]["prompt"]),
            ROWS[row]["completion"].strip(),
            text,
            3,
            True,
        )
        for row, text in enumerate(predictions)
    )
    scores = score_answers(answers, tokenizer="char")
    settings = {"metric_tokenizer": "char", "embedder": None, "max_new_tokens": 8}
    described = {"name": "rows.jsonl", "sha256": "ab" * 32, "rows": len(answers)}
    decoding = values.get("decoding", "greedy")
    Evaluation(folder.name, answers, scores, decoding, described, settings).save(folder)
    return str(folder)


@pytest.fixture
def evaluations(tmp_path: Path) -> list[str]:
    """Of the four rows the first two get better, the third stays right, the last gets worse."""
    right = [row["completion"].strip() for row in ROWS]
    return [
        _evaluation(tmp_path / "before", ["모름", "모름", right[2], right[3]]),
        _evaluation(tmp_path / "after", [right[0], right[1], right[2], "모름"]),
    ]


def test_two_models_are_evaluated_and_compared(
    tmp_path: Path,
    models: list[str],
    data: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    out = tmp_path / "out"
    arguments = ["compare", *models, str(data), "--out", str(out), "--max-new-tokens", "4"]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert said.startswith("All (4 rows)\nmetric ")
    assert "Note: Fewer than 30 rows (4)" in said
    names = {path.name for path in out.iterdir()}
    assert names == {"base", "tuned", "comparison.md", "comparison.json", "report.html", "run.json"}
    document = json.loads((out / "comparison.json").read_text(encoding="utf-8"))
    assert [pair["prompt"] for pair in document["pairs"]] == [row["prompt"] for row in ROWS]
    assert any(pair["base"] != pair["tuned"] for pair in document["pairs"])
    assert (document["base"]["model"], document["tuned"]["model"]) == tuple(models)

    # again: nothing is generated, the same comes out
    text = (out / "comparison.md").read_bytes()
    (out / "comparison.md").unlink()
    with caplog.at_level("WARNING"):
        assert main([*arguments, "--no-report"]) == 0
    assert caplog.text.count("all rows are answered already, so nothing is generated") == 2
    assert (out / "comparison.md").read_bytes() == text

    # a finished evaluation in the place of the first model
    mixed = ["compare", str(out / "base"), models[1], *arguments[3:], "--no-report"]
    assert main(mixed) == 0
    assert (out / "comparison.md").read_bytes() == text


def test_two_finished_evaluations_need_no_data(
    tmp_path: Path, evaluations: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["compare", *evaluations, "--out", str(out), "--by", "exact_match"]) == 0
    said = capsys.readouterr().out
    assert "Exact match             0.500  0.750  +0.250" in said
    assert (
        "Exact match by rows: 2 better, 1 worse, 1 the same; 1 regressions (right before (1), wrong now (0))"
        in said
    )
    assert not (out / "base").exists()
    markdown = (out / "comparison.md").read_text(encoding="utf-8")
    assert "<summary>Regressions (Exact match)</summary>" in markdown
    assert "<!doctype html>" in (out / "report.html").read_text(encoding="utf-8").lower()


def test_the_record_holds_the_scores_before_and_after(
    tmp_path: Path, evaluations: list[str]
) -> None:
    assert main(["compare", *evaluations, "--out", str(tmp_path / "out"), "--no-report"]) == 0
    run = read_run(tmp_path / "out")
    assert (run.kind, run.status) == ("compare", "finished")
    exact = run.scores["all"]["exact_match"]
    assert (exact["before"], exact["value"], exact["rows"]) == (0.5, 0.75, 4)
    assert run.data[0]["name"] == "rows.jsonl"


def test_a_model_card_gets_its_section_once(tmp_path: Path, evaluations: list[str]) -> None:
    card = tmp_path / "README.md"
    card.write_text("---\nlicense: mit\n---\n\n# Mine\n")
    arguments = ["compare", *evaluations, "--out", str(tmp_path / "out"), "--no-report"]
    arguments += ["--model-card", str(card), "--model-index"]
    assert main(arguments) == 0
    first = card.read_text()
    assert main(arguments) == 0
    assert card.read_text() == first
    assert first.count("## Before and after fine-tuning") == 1
    assert "model-index:" in first
    assert "# Mine\n" in first


def test_other_rows_and_other_prompts_are_refused(
    tmp_path: Path, evaluations: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    fewer = _evaluation(tmp_path / "fewer", ["a", "b", "c"])
    other = _evaluation(tmp_path / "other", ["a", "b", "c", "d"], prompt="다른 질문")
    out = ["--out", str(tmp_path / "out"), "--no-report"]
    assert main(["compare", evaluations[0], fewer, *out]) == 1
    assert "row 3 was not answered by tuned: base has 4 rows, tuned 3" in capsys.readouterr().err
    assert main(["compare", evaluations[0], other, *out]) == 1
    assert "row 0 has another prompt" in capsys.readouterr().err
    assert read_run(tmp_path / "out").status == "failed"


@pytest.mark.parametrize("side", ["base", "tuned"])
def test_a_finished_evaluation_of_other_rows_is_refused_before_the_model_is_loaded(
    tmp_path: Path,
    models: list[str],
    data: Path,
    side: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def loaded(*_: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("bitsft.cli.compare.load_from", loaded)
    out = ["--out", str(tmp_path / "out"), "--no-report"]
    fewer = _evaluation(tmp_path / "fewer", ["a", "b", "c"])
    reworded = _evaluation(tmp_path / "reworded", ["a", "b", "c", "d"], prompt="다른 질문")
    other = "tuned" if side == "base" else "base"
    for finished, said in (
        (fewer, f"row 3 was not answered by {side}"),
        (reworded, "row 0 has another prompt"),
    ):
        both = [finished, models[0]] if side == "base" else [models[0], finished]
        assert main(["compare", *both, str(data), *out]) == 1
        assert said in capsys.readouterr().err
    assert not (tmp_path / "out" / other).exists()


def test_other_decoding_is_said(
    tmp_path: Path, evaluations: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    sampled = _evaluation(tmp_path / "sampled", ["a", "b", "c", "d"], decoding="sampled")
    assert (
        main(["compare", evaluations[0], sampled, "--out", str(tmp_path / "o"), "--no-report"]) == 0
    )
    assert "The two models decoded differently" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--model-card", "none.md"], "none.md: there is no such model card"),
        (["--by", "bleu9", "--no-report"], "--by bleu9 ranks no rows"),
        (["--by", "answer_chars", "--no-report"], "--by answer_chars ranks no rows"),
    ],
)
def test_what_makes_no_sense_is_refused(
    tmp_path: Path,
    evaluations: list[str],
    options: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["compare", *evaluations, *options]) == 1
    assert said in capsys.readouterr().err
    assert not list(tmp_path.rglob("comparison.*"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["rows.jsonl"], "leave out rows.jsonl"),
        (["--max-new-tokens", "9"], "--max-new-tokens is about evaluating"),
        (["--labels", "a,b"], "--labels is about evaluating"),
        (["--model-index"], "--model-index needs --model-card"),
    ],
)
def test_options_that_do_not_fit_are_wrong_use(
    evaluations: list[str], options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *evaluations, *options]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--regression", "-1"], "argument --regression: -1 must be 0 or more, and finite"),
        (["--regression", "nan"], "argument --regression: nan must be 0 or more, and finite"),
        (["--trials", "0"], "argument --trials: 0 is too small; give 1 or more"),
    ],
)
def test_numbers_out_of_range_are_refused_before_anything_is_read(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["compare", "base", "tuned", *options])
    assert exit_info.value.code == 2
    assert said in capsys.readouterr().err


def test_models_need_data_and_paths_must_lead_somewhere(
    tmp_path: Path, models: list[str], data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *models]) == 2
    assert "is a model, so name what to ask it" in capsys.readouterr().err
    out = tmp_path / "out"
    assert main(["compare", models[0], str(tmp_path / "none"), str(data), "--out", str(out)]) == 1
    assert "none" in capsys.readouterr().err
    assert not out.exists()  # seen before the first model was asked anything


def test_rows_are_read_before_a_model_is_loaded(
    models: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *models, str(tmp_path / "none.jsonl")]) == 1
    said = capsys.readouterr().err
    assert "none.jsonl: there is no such file or folder" in said
    assert f"{models[0]}:" not in said  # which is printed when its turn comes


def test_an_evaluation_that_is_not_finished_is_refused(
    tmp_path: Path, evaluations: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    from bitsft.evaluation.unfinished import PART

    (tmp_path / "half").mkdir()
    (tmp_path / "half" / PART).write_text("{}\n")
    assert main(["compare", evaluations[0], str(tmp_path / "half")]) == 1
    assert "holds an evaluation that is not finished" in capsys.readouterr().err


def test_without_the_extra_it_says_so_before_the_work(
    tmp_path: Path,
    evaluations: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "plotly", None)
    assert main(["compare", *evaluations, "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert "bitsft[report]" in said
    assert "--no-report" in said
    assert main(["compare", *evaluations, "--out", str(tmp_path / "out"), "--no-report"]) == 0


def test_stopped_by_hand_it_says_that_it_goes_on(
    models: list[str],
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import bitsft.cli.compare

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bitsft.cli.compare, "evaluate_from", stop)
    assert main(["compare", *models, str(data), "--out", str(tmp_path / "out")]) == 130
    assert "the same command goes on from there" in capsys.readouterr().err


def test_a_blind_comparison_takes_the_place_of_the_other_output(
    tmp_path: Path, evaluations: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    sheet, kept = tmp_path / "sheet.csv", tmp_path / "blind"
    arguments = ["compare", *evaluations, "--out", str(tmp_path / "out")]
    arguments += ["--blind-sheet", str(sheet), "--blind-rater", "민지", "--blind-folder", str(kept)]
    assert main(arguments) == 0
    assert "4 rows for 민지" in capsys.readouterr().out
    assert sheet.is_file()
    assert not (tmp_path / "out").exists()
