"""lm-evaluation-harness on models in memory, offline: its scores are those that bitsft computes itself."""

import json
import logging
import os
import random
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from bitsft.data import load_prepared
from bitsft.evaluation.standard_tasks import (
    StandardResults,
    run_standard_tasks,
    write_task_files,
)
from bitsft.metrics import char_f1, exact_match, generate_completions, rouge
from bitsft.metrics.classification import classification_by_likelihood
from bitsft.metrics.label_likelihoods import label_likelihoods
from bitsft.ternary import BitLinear158, ternary_layers


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
    assert results.versions["lm_eval"] == version("lm_eval")

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
