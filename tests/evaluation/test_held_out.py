"""Held-out texts: read from files, and their numbers kept in one."""

import importlib
from pathlib import Path

import pytest
import torch

from bitsft.evaluation.held_out import HeldOut, read_held_out, read_texts, score_texts
from bitsft.evaluation.models import load_model
from bitsft.metrics.bits_per_byte import bits_per_byte


def test_scores_are_those_of_the_metric(model_folder: Path) -> None:
    loaded = load_model(model_folder)
    texts = ["서울은 수도입니다.", "제주도"]
    measured = score_texts(loaded, texts)
    assert measured is not None
    expected = bits_per_byte(loaded.model, loaded.tokenizer, texts)
    for name, score in measured.scores.items():
        assert score.signature == expected[name].signature
        assert score.value == pytest.approx(expected[name].value, rel=1e-12)
        assert score.goal == "lower"
        assert score.subset([1]).value == pytest.approx(expected[name].subset([1]).value, rel=1e-12)
    assert score_texts(loaded, []) is None


def test_out_of_memory_is_an_error_with_what_to_lower(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    module = importlib.import_module("bitsft.metrics.bits_per_byte")
    monkeypatch.setattr(module, "bits_per_byte", full)
    with pytest.raises(ValueError, match="memory of cpu is too small for 4 held-out.*--batch-size"):
        score_texts(load_model(model_folder), ["서울입니다."])


def test_numbers_come_back(tmp_path: Path) -> None:
    held = HeldOut((16, 8), (4, 2), (8.25, 0.1), {"bits_per_byte": "a:1", "perplexity": "b:2"})
    held.write(tmp_path / "held_out.jsonl")
    assert read_held_out(tmp_path / "held_out.jsonl", held.signatures) == held


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "is empty"), ('{"bytes": 1}\n', "line 1: is damaged"), ("no\n", "line 1: is damaged")],
)
def test_damaged_numbers(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "held_out.jsonl").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_held_out(tmp_path / "held_out.jsonl", {})


def test_texts_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("하나\n\n둘\n", "utf-8")
    (tmp_path / "b.jsonl").write_text('{"text": "셋", "label": 1}\n', "utf-8")
    (tmp_path / "c.csv").write_text("document\n넷\n", "utf-8")
    assert read_texts(tmp_path / "a.txt") == ["하나", "둘"]
    assert read_texts(tmp_path / "b.jsonl") == ["셋"]
    with pytest.raises(ValueError, match='has no text in a column "text".*document'):
        read_texts(tmp_path / "c.csv")
