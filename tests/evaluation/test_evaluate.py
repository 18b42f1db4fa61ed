"""evaluate_model: killed and resumed, finished, refused; what is wrong with rows and models is said."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from bitsft.evaluation import evaluate_model, load_evaluation, predict
from bitsft.metrics import generate_completions
from bitsft.runs import Recorder

OPTIONS: dict[str, Any] = {"max_new_tokens": 5, "batch_size": 3, "metrics": ["chrf", "likelihood"]}

# Writes the first batch whole and half of the second, then dies as `kill -9` lets a process die.
KILLED = """
import json, os, signal, sys
from bitsft.evaluation import evaluate_model
from bitsft.evaluation.unfinished import UnfinishedAnswers

add = UnfinishedAnswers.add
def dying_add(self, batch):
    if self.answers:
        data = "".join(answer.as_line() for answer in batch).encode()
        self._file.write(data[: len(data) * 2 // 3])
        os.kill(os.getpid(), signal.SIGKILL)
    add(self, batch)
UnfinishedAnswers.add = dying_add
model, folder, rows, options = json.loads(sys.argv[1])
evaluate_model(model, rows, folder, **options)
"""


@pytest.fixture
def generated(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many prompts each call of generate was given."""
    calls: list[int] = []
    guarded = predict._guarded

    def counting(write: Any, prompts: Any, model: Any) -> Any:
        calls.append(len(prompts))
        return guarded(write, prompts, model)

    monkeypatch.setattr(predict, "_guarded", counting)
    return calls


@pytest.mark.parametrize("sampling", [{}, {"do_sample": True, "temperature": 1.5}])
def test_killed_and_resumed_ends_with_the_same_bytes(
    model_folder: Path,
    tmp_path: Path,
    rows: list[dict[str, Any]],
    generated: list[int],
    sampling: dict[str, Any],
) -> None:
    options = {**OPTIONS, "generation_kwargs": sampling, "seed": 3}
    whole = evaluate_model(model_folder, rows, tmp_path / "whole", **options)
    assert generated == [3, 2, 2, 1]
    generated.clear()

    argument = json.dumps([str(model_folder), str(tmp_path / "killed"), rows, options])
    done = subprocess.run(
        [sys.executable, "-c", KILLED, argument], capture_output=True, check=False
    )
    assert done.returncode == -9, done.stderr.decode()
    part = (tmp_path / "killed" / "predictions.part.jsonl").read_bytes()
    assert not part.endswith(b"\n") and len(part.splitlines()) > 4
    assert not (tmp_path / "killed" / "scores.json").exists()
    record = json.loads((tmp_path / "killed" / "run.json").read_text("utf-8"))
    assert record["status"] == "running"

    resumed = evaluate_model(model_folder, rows, tmp_path / "killed", **options)
    assert generated == [2, 2, 1]
    assert resumed.answers == whole.answers
    both = [(tmp_path / name / "predictions.jsonl").read_bytes() for name in ("killed", "whole")]
    assert both[0] == both[1]
    assert not (tmp_path / "killed" / "predictions.part.jsonl").exists()
    record = json.loads((tmp_path / "killed" / "run.json").read_text("utf-8"))
    assert record["status"] == "finished" and len(record["sessions"]) == 2


def test_a_finished_folder_is_scored_anew_without_generating(
    model_folder: Path, tmp_path: Path, rows: list[dict[str, Any]], generated: list[int]
) -> None:
    first = evaluate_model(model_folder, rows, tmp_path / "out", **OPTIONS)
    generated.clear()
    again = evaluate_model(model_folder, rows, tmp_path / "out", **{**OPTIONS, "metrics": ["bleu"]})
    assert generated == []
    assert again.answers == first.answers
    assert list(again.scores["all"])[0] == "bleu"
    loaded = load_evaluation(tmp_path / "out")
    assert loaded.scores == again.scores and loaded.settings == again.settings
    record = json.loads((tmp_path / "out" / "run.json").read_text("utf-8"))
    stored = json.loads((tmp_path / "out" / "scores.json").read_text("utf-8"))
    assert record["result"]["scores"] == stored["scores"]
    assert record["settings"]["evaluation"]["metrics"] == ["bleu"]


def test_killed_between_the_scores_and_the_end_is_finished_by_the_next_call(
    model_folder: Path,
    tmp_path: Path,
    rows: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Recorder, "result", lambda *_, **__: None)
        patched.setattr(Recorder, "finish", lambda *_, **__: None)
        evaluate_model(model_folder, rows, tmp_path / "out", **OPTIONS)
    (tmp_path / "out" / "predictions.part.jsonl").write_text("left\n", "utf-8")
    record = json.loads((tmp_path / "out" / "run.json").read_text("utf-8"))
    assert record["status"] == "running" and "scores" not in record["result"]

    evaluate_model(model_folder, rows, tmp_path / "out", **OPTIONS)
    assert not (tmp_path / "out" / "predictions.part.jsonl").exists()
    ended = json.loads((tmp_path / "out" / "run.json").read_text("utf-8"))
    assert (ended["status"], ended["id"]) == ("finished", record["id"])
    assert list(ended["result"]["scores"]) == ["all", "koalpaca", "classification"]


def test_overwriting_deletes_nothing_before_the_prompts_were_checked(
    model_folder: Path, tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    out = tmp_path / "out"
    evaluate_model(model_folder, rows, out, **OPTIONS)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(ValueError, match="too long for the model"):
        evaluate_model(
            model_folder, rows, out, **{**OPTIONS, "max_new_tokens": 10**6}, overwrite=True
        )
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_another_evaluation_in_the_folder_is_refused(
    model_folder: Path, tmp_path: Path, rows: list[dict[str, Any]], generated: list[int]
) -> None:
    out = tmp_path / "out"
    evaluate_model(model_folder, rows, out, **OPTIONS)
    before = (out / "predictions.jsonl").read_bytes()
    with pytest.raises(ValueError, match="decoding was .*:5.* and is .*:6"):
        evaluate_model(model_folder, rows, out, **{**OPTIONS, "max_new_tokens": 6})
    with pytest.raises(ValueError, match="data was "):
        evaluate_model(model_folder, rows[:-1], out, **OPTIONS)
    other = LlamaForCausalLM.from_pretrained(model_folder)
    with torch.no_grad():
        other.lm_head.weight[0, 0] += 1
    other.save_pretrained(model_folder)
    with pytest.raises(ValueError, match="identity was "):
        evaluate_model(model_folder, rows, out, **OPTIONS)
    assert (out / "predictions.jsonl").read_bytes() == before
    generated.clear()
    evaluate_model(model_folder, rows, out, **OPTIONS, overwrite=True)
    assert generated == [3, 2, 2, 1]


def test_a_folder_that_was_moved_is_the_same_model(
    model_folder: Path, tmp_path: Path, rows: list[dict[str, Any]], generated: list[int]
) -> None:
    evaluate_model(model_folder, rows, tmp_path / "out", **OPTIONS)
    moved = model_folder.rename(tmp_path / "elsewhere")
    generated.clear()
    evaluate_model(moved, rows, tmp_path / "out", **OPTIONS)
    assert generated == []


def test_texts_are_those_of_plain_generation(
    tiny_llama: LlamaForCausalLM,
    tiny_tokenizer: PreTrainedTokenizerFast,
    rows: list[dict[str, Any]],
) -> None:
    options = {"tokenizer": tiny_tokenizer}
    evaluation = evaluate_model(tiny_llama, rows, model_options=options, **OPTIONS)
    prompts = [answer.prompt for answer in evaluation.answers]
    expected = generate_completions(tiny_llama, tiny_tokenizer, prompts, max_new_tokens=5)
    assert [answer.prediction for answer in evaluation.answers] == expected
    assert [answer.row for answer in evaluation.answers] == list(range(8))
    assert evaluation.generation["tokens"] == sum(answer.tokens for answer in evaluation.answers)
    assert evaluation.folder is None


def test_likelihoods_are_those_of_the_labels(
    tiny_llama: LlamaForCausalLM,
    tiny_tokenizer: PreTrainedTokenizerFast,
    rows: list[dict[str, Any]],
) -> None:
    evaluation = evaluate_model(
        tiny_llama, rows, model_options={"tokenizer": tiny_tokenizer}, **OPTIONS
    )
    assert [bool(answer.likelihoods) for answer in evaluation.answers] == [False] * 5 + [True] * 3
    answer = evaluation.answers[5]
    for label, found in answer.likelihoods.items():
        prompt = tiny_tokenizer(answer.prompt)["input_ids"]
        ids = tiny_tokenizer(f"{answer.prompt} {label}")["input_ids"]
        with torch.no_grad():
            logits = tiny_llama(torch.tensor([ids])).logits[0].log_softmax(-1)
        expected = sum(float(logits[at - 1, ids[at]]) for at in range(len(prompt), len(ids)))
        assert found == pytest.approx(expected, abs=1e-4)
    best = [max(a.likelihoods, key=a.likelihoods.__getitem__) for a in evaluation.answers[5:]]
    right = sum(a == b for a, b in zip(best, ["긍정", "부정", "긍정"], strict=True)) / 3
    assert evaluation.scores["classification"]["likelihood_accuracy"].value == pytest.approx(right)


def test_too_long_prompts_are_an_error_or_left_out_and_counted(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    rows = [
        {"prompt": "가", "completion": "나"},
        {"prompt": "가나다라 " * 200, "completion": "나"},
        {"prompt": "다", "completion": "라"},
    ]
    options = {**OPTIONS, "metrics": ["chrf"], "model_options": {"tokenizer": tiny_tokenizer}}
    with pytest.raises(ValueError, match=r"1 of 3 prompts .* that of row 1 with .*--drop-long"):
        evaluate_model(tiny_llama, rows, **options)
    evaluation = evaluate_model(tiny_llama, rows, drop_long=True, **options)
    assert [answer.row for answer in evaluation.answers] == [0, 2]
    assert evaluation.data["too_long"] == [1] and evaluation.data["rows"] == 2


def test_nan_logits_are_an_error(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    with torch.no_grad():
        tiny_llama.model.norm.weight[0] = float("nan")
    rows = [{"prompt": "가", "completion": "나"}]
    with pytest.raises(ValueError, match="the logits are NaN after 2 tokens"):
        evaluate_model(tiny_llama, rows, model_options={"tokenizer": tiny_tokenizer}, **OPTIONS)


@pytest.mark.parametrize(
    ("place", "what"),
    [("generation.batch_writer", "answers"), ("label_likelihoods.label_likelihoods", "labels")],
)
def test_out_of_memory_is_an_error_with_what_to_lower(
    place: str, what: str, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    # the writer is made once and then called with each batch
    instead = (lambda *_, **__: full) if what == "answers" else full
    module, name = place.split(".")  # the package holds functions of the same names
    monkeypatch.setattr(importlib.import_module(f"bitsft.metrics.{module}"), name, instead)
    rows = [{"task": "classification", "text": "재미있다", "label": label} for label in "가나"]
    said = rf"memory of cpu is too small for 2 prompts .* and their {what}: lower --batch-size"
    with pytest.raises(ValueError, match=said):
        evaluate_model(model_folder, rows, **OPTIONS)


def test_half_of_a_surrogate_pair_in_an_answer_is_replaced_and_said(
    model_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    said = iter(["서울\ud83d이다", "\ud83d\ude00"])  # half of a pair, and both halves apart
    monkeypatch.setattr(
        PreTrainedTokenizerFast, "decode", lambda *_, **__: next(said), raising=True
    )
    rows = [{"prompt": "가", "completion": "나"}, {"prompt": "다", "completion": "라"}]
    evaluation = evaluate_model(model_folder, rows, tmp_path / "out", **OPTIONS)
    assert sorted(one.prediction for one in evaluation.answers) == ["서울\ufffd이다", "😀"]
    assert "answers held half of a surrogate pair" in caplog.text
    assert load_evaluation(tmp_path / "out").scores == evaluation.scores


def test_held_out_texts_alone(
    model_folder: Path, tmp_path: Path, tiny_llama: LlamaForCausalLM
) -> None:
    texts = ["서울입니다.", "제주도에 있습니다."]
    evaluation = evaluate_model(model_folder, None, tmp_path / "out", held_out=texts)
    assert evaluation.answers == () and list(evaluation.scores) == ["held_out"]
    assert evaluation.held_out is not None and evaluation.held_out.bytes == (16, 26)
    loaded = load_evaluation(tmp_path / "out")
    assert loaded.scores == evaluation.scores
    assert loaded.scores["held_out"]["perplexity"].interval() == pytest.approx(
        evaluation.scores["held_out"]["perplexity"].interval()
    )
    with pytest.raises(ValueError, match="nothing to evaluate on"):
        evaluate_model(model_folder, None)


def test_nothing_of_the_model_or_the_random_state_changes(
    tiny_llama: LlamaForCausalLM,
    tiny_tokenizer: PreTrainedTokenizerFast,
    rows: list[dict[str, Any]],
) -> None:
    tiny_llama.train()
    state, side = torch.get_rng_state(), tiny_tokenizer.padding_side
    sampled = {"do_sample": True}
    options = {**OPTIONS, "generation_kwargs": sampled}
    evaluate_model(tiny_llama, rows, model_options={"tokenizer": tiny_tokenizer}, **options)
    assert tiny_llama.training and tiny_tokenizer.padding_side == side
    assert torch.equal(torch.get_rng_state(), state)
    assert sampled == {"do_sample": True}


def test_answers_that_cannot_be_scored_are_kept(
    model_folder: Path, tmp_path: Path, rows: list[dict[str, Any]], generated: list[int]
) -> None:
    def broken(texts: list[str]) -> Any:
        raise ValueError("no embedding today")

    options = {**OPTIONS, "metrics": ["cosine"]}
    with pytest.raises(ValueError, match="no embedding today"):
        evaluate_model(model_folder, rows, tmp_path / "out", embedder=broken, **options)
    generated.clear()
    evaluate_model(model_folder, rows, tmp_path / "out", **options)
    assert generated == []
