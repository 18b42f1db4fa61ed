"""The evaluate.Metric classes: combine, add_batch, compute, without a network."""

import socket
from pathlib import Path
from typing import Any

import evaluate
import pytest

from bitsft.metrics import Bleu, CharF1, Chrf, CosineSimilarity, ExactMatch, Meteor, Rouge

REFERENCE = "서울의 인구는 약 천만 명입니다"
ANSWER = "서울 인구는 약 1천만 명입니다"


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise OSError("this test opened a network connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_combine_with_batches(tmp_path: Path) -> None:
    cache = {"cache_dir": str(tmp_path)}
    parts = [
        Rouge(tokenizer="mecab", **cache),
        Bleu(tokenizer="char", **cache),
        Chrf(**cache),
        CosineSimilarity(**cache),
        Meteor(tokenizer="mecab", **cache),
        ExactMatch(**cache),
        CharF1(**cache),
    ]
    combined = evaluate.combine(parts)
    combined.add_batch(predictions=[ANSWER], references=[REFERENCE])
    combined.add(prediction="네", reference="네")
    values = combined.compute()
    assert values == {
        "rouge1": pytest.approx((0.875 + 1) / 2),
        "rouge2": pytest.approx((4 / 7 + 1) / 2),
        "rougeL": pytest.approx((0.875 + 1) / 2),
        "bleu": pytest.approx(62.43, abs=0.005),
        "chrf": pytest.approx(49.52, abs=0.005),
        "cosine_tfidf_jamo": pytest.approx(0.8569, abs=5e-5),
        "meteor": pytest.approx((0.8406 + 1) / 2, abs=5e-5),
        "exact_match": 0.5,
        "char_f1": pytest.approx((12 / 13 + 1) / 2),
    }
    assert all(type(value) is float for value in values.values())
    assert "|tok:char|" in parts[1].signatures["bleu"]


def test_names_become_prefixes(tmp_path: Path) -> None:
    combined = evaluate.combine(
        {
            "morpheme": Rouge(tokenizer="mecab", rouge_types=("rouge1",), cache_dir=str(tmp_path)),
            "char": Rouge(tokenizer="char", rouge_types=("rouge1",), cache_dir=str(tmp_path)),
        },
        force_prefix=True,
    )
    values = combined.compute(predictions=[ANSWER], references=[REFERENCE])
    assert values == {"morpheme_rouge1": 0.875, "char_rouge1": pytest.approx(12 / 13)}


def test_can_be_computed_again(tmp_path: Path) -> None:
    metric = Rouge(tokenizer="char", cache_dir=str(tmp_path))
    first = metric.compute(predictions=["가"], references=["나"])
    second = metric.compute(predictions=["가"], references=["가"])
    assert (first["rouge1"], second["rouge1"]) == (0.0, 1.0)


@pytest.mark.parametrize("kind", [Rouge, Bleu, Chrf, CosineSimilarity, Meteor])
def test_unknown_settings_fail_when_the_metric_is_made(kind: type, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'tokenizers'"):
        kind(tokenizers="char", cache_dir=str(tmp_path))


def test_several_accepted_answers(tmp_path: Path) -> None:
    cache = {"cache_dir": str(tmp_path)}
    combined = evaluate.combine([ExactMatch(**cache), CharF1(**cache)])
    combined.add_batch(predictions=["서울", "부산"], references=[["서울시", "서울"], ["대구"]])
    assert combined.compute() == {"exact_match": 0.5, "char_f1": 0.5}
    metric = ExactMatch(**cache)
    assert metric.compute(predictions=["a"], references=[["b", "a"]]) == {"exact_match": 1.0}
    assert metric.signatures["exact_match"].startswith("nrefs:2|")


def test_info_names_function_and_source(tmp_path: Path) -> None:
    metric = Rouge(cache_dir=str(tmp_path))
    assert metric.name == "rouge"
    assert metric.description.startswith("ROUGE of n predictions")
    assert "Lin 2004" in metric.citation
