"""lm-evaluation-harness on models in memory, offline: its scores are those that bitsft computes itself."""

import json
import logging
import os
import random
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from bitsft.data import load_prepared, prepare
from bitsft.data.demo import load_demo_rows
from bitsft.evaluation.standard_tasks import (
    StandardResults,
    StandardScore,
    _guessed_macro_f1,
    run_standard_tasks,
)
from bitsft.evaluation.task_files import write_task_files
from bitsft.evaluation.task_scoring import label_scores, macro_f1, text_scores
from bitsft.metrics import char_f1, exact_match, generate_completions, rouge
from bitsft.metrics.classification import classification_by_likelihood
from bitsft.metrics.label_likelihoods import label_likelihoods
from bitsft.scratch import new_llama, train_tokenizer
from bitsft.ternary import BitLinear158, replace_linear_with_bitlinear, ternary_layers

WORDS = {"긍정": ["좋다", "멋지다", "재미있다"], "부정": ["나쁘다", "지루하다", "별로다"]}
REVIEWS = [
    {"text": f"{n}번째 영화는 {word}", "label": label}
    for n in range(8)
    for label, words in WORDS.items()
    for word in words
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two prepared folders: `reviews` to classify and `questions` to answer."""
    folder = tmp_path_factory.mktemp("prepared")
    questions = load_demo_rows("other_wordings_koalpaca")[:30]
    ratios = {"train": 0.5, "validation": 0.1, "test": 0.4}
    for name, rows, task in (
        ("reviews", REVIEWS, "classification"),
        ("questions", questions, "koalpaca"),
    ):
        prepare(rows, folder / name, task=task, report=False, near=None, ratios=ratios)
    return folder


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    return train_tokenizer(
        [row["prompt"] + row["completion"] for row in rows_of(folder)], vocab_size=500
    )


@pytest.fixture(scope="module")
def model(folder: Path, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A ternary model that has seen every second row, so that it is right now and then."""
    torch.manual_seed(0)
    model = new_llama(tokenizer, hidden_size=64, layers=2, heads=2, max_length=256)
    replace_linear_with_bitlinear(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    texts = [row["prompt"] + row["completion"] + tokenizer.eos_token for row in rows_of(folder)]
    batch = tokenizer(texts[::2], padding=True, return_tensors="pt")
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    for _ in range(40):
        model(**batch, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model


def rows_of(folder: Path) -> list[dict[str, str]]:
    return [
        row for name in ("reviews", "questions") for row in load_prepared(folder / name)["test"]
    ]


def values(results: StandardResults) -> dict[tuple[str, str], float]:
    return {(score.task, score.metric): score.value for score in results.scores}


def test_the_scores_are_bitsfts_own(
    folder: Path, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    reviews, questions = (load_prepared(folder / name)["test"] for name in ("reviews", "questions"))
    tasks = tmp_path / "tasks"
    names = write_task_files(folder / "reviews", tasks)
    names += write_task_files(folder / "questions", tasks, max_new_tokens=24)
    assert names == ["reviews_classification", "questions_koalpaca"]
    results = run_standard_tasks(model, tokenizer, names, task_folders=[tasks], batch_size=4)
    found = values(results)

    golds = [text.strip() for text in reviews["completion"]]
    likelihoods = label_likelihoods(model, tokenizer, reviews["prompt"], ["긍정", "부정"])
    own = classification_by_likelihood(likelihoods, golds)
    assert found["reviews_classification", "acc"] == own["likelihood_accuracy"].value
    assert found["reviews_classification", "macro_f1"] == pytest.approx(
        own["likelihood_macro_f1"].value, abs=1e-12
    )

    answers = generate_completions(model, tokenizer, questions["prompt"], max_new_tokens=24)
    references = list(questions["completion"])
    scores = {
        **exact_match(answers, references),
        **char_f1(answers, references),
        **rouge(answers, references),
    }
    assert found["questions_koalpaca", "char_f1"] > 0.05, "the model answers something"
    for name, score in scores.items():
        assert found["questions_koalpaca", name] == pytest.approx(score.value, abs=1e-12), name

    accuracy = results.scores[0]
    assert (accuracy.rows, accuracy.shots, accuracy.version) == (len(reviews), 0, "1")
    assert accuracy.random == 0.5 and accuracy.higher_is_better is True
    p, n = accuracy.value, accuracy.rows
    assert accuracy.stderr == pytest.approx((p * (1 - p) / (n - 1)) ** 0.5)
    assert {score.random for score in results.scores if score.task == "questions_koalpaca"} == {
        None
    }
    assert results.versions["lm_eval"] == "0.4.13"

    results.write(tmp_path / "standard_tasks.json")
    stored = json.loads((tmp_path / "standard_tasks.json").read_text("utf-8"))
    assert stored == results.as_dict() and stored["form"] == 1
    assert f"| reviews_classification | acc | {p:.4f} |" in str(results)


def test_a_folder_by_its_name(
    folder: Path, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    """A prepared folder, and a folder of task files that was moved; the state of everything is as before."""
    write_task_files(folder / "reviews", tmp_path / "tasks", name="moved")
    (tmp_path / "tasks").rename(tmp_path / "elsewhere")
    model.train()
    tokenizer.padding_side = "right"
    tokenizer_state = (tokenizer.padding_side, tokenizer.pad_token, len(tokenizer))
    environment, python_state = dict(os.environ), random.getstate()
    numpy_state, torch_state = np.random.get_state()[1].tolist(), torch.get_rng_state()
    filters = list(logging.getLogger("lm_eval.api.task").filters)
    before = {name: layer.weight.clone() for name, layer in ternary_layers(model).items()}

    tasks = [f"local:{folder / 'reviews'}", f"local:{tmp_path / 'elsewhere'}"]
    results = run_standard_tasks(model, tokenizer, tasks, limit=5)
    found = values(results)
    assert found["reviews_classification", "acc"] == found["moved_classification", "acc"]
    assert {score.rows for score in results.scores} == {5}

    assert all(module.training for module in model.modules())
    assert (tokenizer.padding_side, tokenizer.pad_token, len(tokenizer)) == tokenizer_state
    assert dict(os.environ) == environment and random.getstate() == python_state
    assert np.random.get_state()[1].tolist() == numpy_state
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert logging.getLogger("lm_eval.api.task").filters == filters
    for name, layer in ternary_layers(model).items():
        assert torch.equal(layer.weight, before[name]) and not layer._holds_codes


def test_codes_are_computed_once(
    folder: Path,
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[str] = []
    quantize = BitLinear158._quantize

    def counted(layer: BitLinear158) -> tuple[torch.Tensor, torch.Tensor]:
        calls.append(layer.full_name)
        return quantize(layer)

    monkeypatch.setattr(BitLinear158, "_quantize", counted)
    run_standard_tasks(model, tokenizer, [f"local:{folder / 'reviews'}"], batch_size=2)
    assert len(calls) == len(ternary_layers(model))


def test_tasks_of_the_harness_need_the_hub(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lm_eval import tasks

    kobest = (
        Path(tasks.__file__).parent / "kobest"
    )  # found at once; all of the harness takes seconds
    with pytest.raises(
        ConnectionError, match="kobest_copa: reads its rows from the Hugging Face Hub"
    ):
        run_standard_tasks(model, tokenizer, ["kobest_copa"], task_folders=[kobest])
    some = partial(tasks.TaskManager, include_path=str(kobest))
    monkeypatch.setattr(tasks, "TaskManager", lambda **_: some(include_defaults=False))
    with pytest.raises(ValueError, match="no task 'kobest_cop': did you mean kobest_copa"):
        run_standard_tasks(model, tokenizer, ["kobest_cop"])


def test_arguments_that_cannot_be(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="give a list of task names"):
        run_standard_tasks(model, tokenizer, "kobest")
    with pytest.raises(ValueError, match="give a list of task names"):
        run_standard_tasks(model, tokenizer, [])
    with pytest.raises(ValueError, match="limit=0"):
        run_standard_tasks(model, tokenizer, ["kobest"], limit=0)
    with pytest.raises(ValueError, match="batch_size=0"):
        run_standard_tasks(model, tokenizer, ["kobest"], batch_size=0)
    with pytest.raises(ValueError, match="system needs apply_chat_template"):
        run_standard_tasks(model, tokenizer, ["kobest"], system="짧게 답하세요")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        run_standard_tasks(model, tokenizer, [f"local:{tmp_path / 'none'}"])
    with pytest.raises(FileNotFoundError, match="no such folder of task files"):
        run_standard_tasks(model, tokenizer, ["kobest"], task_folders=[tmp_path / "none"])


def test_task_files_say_what_they_cannot_hold(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="no rows in a split 'dev'; there are train, validation, test"
    ):
        write_task_files(folder / "reviews", tmp_path / "out", split="dev")
    with pytest.raises(ValueError, match="row 0: the formatter made messages"):
        write_task_files(
            folder / "reviews",
            tmp_path / "out",
            formatter=lambda row: {"prompt": [{"role": "user", "content": "?"}], "completion": []},
        )
    with pytest.raises(
        ValueError, match="row 0: the completion ' ?' does not hold the label".replace("?", r"\?")
    ):
        write_task_files(
            folder / "reviews",
            tmp_path / "out",
            formatter=lambda row: {"prompt": "p:", "completion": " ?"},
        )
    with pytest.raises(FileNotFoundError, match="no folder of splits"):
        write_task_files(tmp_path, tmp_path / "out")


def test_scores_of_one_row() -> None:
    row = {"completion": " 서울입니다"}
    assert text_scores(row, ["서울입니다."])["exact_match"] == 1.0
    assert text_scores(row, ["부산"])["char_f1"] == 0.0
    assert label_scores({"gold": 1}, [(-2.0, False), (-1.5, False), (-9.0, False)]) == {
        "acc": 1.0,
        "macro_f1": (1, 1),
    }
    assert label_scores({"gold": 1}, [(-2.0, True), (-2.0, False)])["macro_f1"] == (1, 0)


def test_macro_f1_by_hand() -> None:
    # class 0: 1 hit of 2 rows, called twice: F1 1/2; class 1: 1 hit of 2 rows, called twice: 1/2
    assert macro_f1([(0, 0), (0, 1), (1, 1), (1, 0)]) == 0.5
    # always 0: class 0 has 2·3/(3+4), class 1 none
    assert macro_f1([(0, 0), (0, 0), (0, 0), (1, 0)]) == pytest.approx(3 / 7)


def test_what_guessing_gets() -> None:
    assert _guessed_macro_f1(["0", "1"] * 10, 2) == pytest.approx(0.5)
    # p = 0.9: 0.9/1.4; p = 0.1: 0.1/0.6; their mean
    assert _guessed_macro_f1(["0"] * 9 + ["1"], 2) == pytest.approx((0.9 / 1.4 + 0.1 / 0.6) / 2)
    score = StandardScore("t", "acc", 0.5, None, 0.25, 4, None, "1", True)
    results = StandardResults("m", (score, replace(score, metric="f1", random=None)), {}, {})
    assert str(results).splitlines()[2:] == [
        "| t | acc | 0.5000 |  | 0.2500 | 4 |  | 1 |",
        "| t | f1 | 0.5000 |  |  | 4 |  | 1 |",
    ]
