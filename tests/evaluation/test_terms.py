"""What an evaluation depends on, and what it does not."""

from pathlib import Path
from typing import Any

import pytest
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from bitsft.evaluation.models import LoadedModel
from bitsft.evaluation.terms import settings_of, terms_of

ASKED: dict[str, Any] = {
    "max_new_tokens": 8,
    "batch_size": 4,
    "batch_tokens": None,
    "generation_kwargs": {},
    "seed": 3,
    "labels": ("긍정", "부정"),
    "likelihood": True,
    "drop_long": False,
    "held_out": (),
    "metrics": None,
    "metric_tokenizer": "char",
    "embedder": None,
}


@pytest.fixture
def loaded(tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast) -> LoadedModel:
    return LoadedModel(tiny_llama, tiny_tokenizer, "tiny", "dense", "float32", "0a1b")


def terms(loaded: LoadedModel, **changed: Any) -> dict[str, Any]:
    settings = settings_of(loaded, **{**ASKED, **changed})
    return terms_of({"data": {"sha256": "2c3d"}, "decoding": "greedy", "settings": settings})


def test_settings_are_what_json_can_hold(loaded: LoadedModel) -> None:
    def embed(texts: Any) -> Any:
        return texts

    kwargs = {"top_k": 5, "do_sample": True, "eos_token_id": (1, 2)}
    found = settings_of(
        loaded,
        **{**ASKED, "generation_kwargs": kwargs, "held_out": ["가"], "embedder": embed},
    )
    assert found == {
        "kind": "dense",
        "identity": "0a1b",
        "dtype": "float32",
        "device": "cpu",
        "max_new_tokens": 8,
        "batch_size": 4,
        "batch_tokens": None,
        "generation_kwargs": {"do_sample": True, "eos_token_id": "(1, 2)", "top_k": 5},
        "seed": 3,
        "labels": ["긍정", "부정"],
        "likelihood": True,
        "drop_long": False,
        # printf '["\\uac00"]' | sha256sum
        "held_out": "01239cb8a369722a7c791a4fcf42a7985d9723ddaf563a308c621df866f8ea67",
        "metrics": None,
        "metric_tokenizer": "char",
        "embedder": "function:test_settings_are_what_json_can_hold.<locals>.embed",
    }


def test_an_embedder_in_a_folder_has_its_whole_path(
    loaded: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models" / "embedder").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    for given in ("models/embedder", Path("models/embedder")):
        found = settings_of(loaded, **{**ASKED, "embedder": given})
        assert found["embedder"] == str(tmp_path / "models" / "embedder")
    monkeypatch.chdir("/")
    found = settings_of(loaded, **{**ASKED, "embedder": "models/embedder"})
    assert found["embedder"] == "models/embedder"  # a Hub id


def test_without_labels_there_is_no_likelihood(loaded: LoadedModel) -> None:
    found = settings_of(loaded, **{**ASKED, "labels": None})
    assert (found["labels"], found["likelihood"]) == (None, False)


def test_the_seed_is_a_term_of_sampling_only(loaded: LoadedModel) -> None:
    assert terms(loaded, seed=3) == terms(loaded, seed=4)
    sampling = {"do_sample": True}
    first = terms(loaded, seed=3, generation_kwargs=sampling)
    assert first != terms(loaded, seed=4, generation_kwargs=sampling)


@pytest.mark.parametrize(
    "changed",
    [{"metrics": ["chrf"]}, {"metric_tokenizer": "word"}, {"embedder": "some/embedder"}],
)
def test_how_answers_are_scored_is_no_term(loaded: LoadedModel, changed: dict[str, Any]) -> None:
    assert terms(loaded, **changed) == terms(loaded)


@pytest.mark.parametrize(
    "changed",
    [
        {"batch_size": 2},
        {"batch_tokens": 64},
        {"labels": ("부정", "긍정")},
        {"likelihood": False},
        {"drop_long": True},
        {"held_out": ["가"]},
    ],
)
def test_what_answers_depend_on_is_a_term(loaded: LoadedModel, changed: dict[str, Any]) -> None:
    assert terms(loaded, **changed) != terms(loaded)
