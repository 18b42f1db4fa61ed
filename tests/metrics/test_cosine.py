"""Cosine similarity: the fallback's own name, callables, models by path or id, [UNK] words."""

import sys
import types
import unicodedata
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from bitsft.metrics import cosine, cosine_similarity
from bitsft.metrics.cosine import unk_share

# real models give blank text a vector too
VECTORS = {"가": [1.0, 0.0], "나": [0.6, 0.8], "다": [-2.0, 0.0], "라": [0.0, 0.0], "": [1.0, 0.0]}


def lookup(texts: list[str]) -> np.ndarray:
    return np.array([VECTORS[text] for text in texts])


def word_tokenizer(words: list[str]) -> PreTrainedTokenizerFast:
    vocab = {word: number for number, word in enumerate(["[UNK]", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]")


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict]]:
    """A stand-in for sentence-transformers that knows the words 가 and 나; records its loads."""
    calls: list[dict] = []

    class SentenceTransformer:
        tokenizer = word_tokenizer(["가", "나", "query:"])

        def __init__(self, name: str, **settings: object) -> None:
            calls.append({"name": name, **settings})

        def encode(self, texts: list[str], **_: object) -> np.ndarray:
            return lookup([text.removeprefix("query: ") for text in texts])

    module = types.ModuleType("sentence_transformers")
    module.SentenceTransformer = SentenceTransformer
    module.__version__ = "9.9"
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)
    cosine._load.cache_clear()
    yield calls
    cosine._load.cache_clear()


def test_without_an_embedder_the_name_says_what_was_compared() -> None:
    scores = cosine_similarity(
        ["서울 인구는 약 1천만 명입니다"], ["서울의 인구는 약 천만 명입니다"]
    )
    assert list(scores) == ["cosine_tfidf_jamo"]
    assert scores["cosine_tfidf_jamo"].value == pytest.approx(0.6806, abs=5e-5)
    assert scores["cosine_tfidf_jamo"].signature == (
        "nrefs:1|unit:jamo|n:3-5|idf:references|case:lc|norm:nfc|agg:mean"
    )


@pytest.mark.parametrize("text", ["네", "a", "!!", "두 줄의\n답", "ㅋㅋㅋ"])
def test_equal_texts_score_one_without_an_embedder(text: str) -> None:
    decomposed = unicodedata.normalize("NFD", text)
    assert cosine_similarity([decomposed], [text])["cosine_tfidf_jamo"].value == 1.0


@pytest.mark.parametrize(
    ("prediction", "reference", "value"),
    [
        ("가", "가", 1.0),
        ("나", "나", 1.0),
        ("나", "가", 0.6),
        ("다", "가", -1.0),
        ("", "가", 0.0),
        ("라", "가", 0.0),
    ],
)
def test_callable_embedder(prediction: str, reference: str, value: float) -> None:
    scores = cosine_similarity([prediction], [reference], embedder=lookup)
    assert scores["cosine"].value == pytest.approx(value)
    assert scores["cosine"].signature == (
        "nrefs:1|embedder:lookup|unk:unmeasured|prefix:''|norm:nfc|agg:mean"
    )


def test_each_text_is_embedded_once_and_the_mean_is_taken() -> None:
    seen = []

    def embed(texts: list[str]) -> np.ndarray:
        seen.extend(texts)
        return lookup(texts)

    score = cosine_similarity(["나", "가", "나"], ["가", "가", "나"], embedder=embed)["cosine"]
    assert sorted(seen) == ["가", "나"]
    assert score.value == pytest.approx((0.6 + 1 + 1) / 3)
    assert type(score.value) is float


def test_rows_intervals_and_parts() -> None:
    predictions, references = ["나", "가", "", "다"], ["가", "가", "가", "가"]
    score = cosine_similarity(predictions, references, embedder=lookup)["cosine"]
    assert score.rows.tolist() == [pytest.approx(0.6), 1.0, 0.0, -1.0]
    assert score.subset([0, 1]).value == pytest.approx(0.8)
    low, high = score.interval(resamples=200)
    assert -1.0 <= low < score.value < high <= 1.0
    score = cosine_similarity(["가나", ""], ["가나", "다"])["cosine_tfidf_jamo"]
    assert score.rows.tolist() == [1.0, 0.0]
    assert score.subset([0]).value == 1.0


def test_an_object_with_call_is_named_by_its_class() -> None:
    class Hashing:
        def __call__(self, texts: list[str]) -> np.ndarray:
            return np.ones((len(texts), 3))

    assert "Hashing|" in cosine_similarity(["가"], ["나"], embedder=Hashing())["cosine"].signature


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones(2), r"shape \(2,\) for 2 texts"),
        (np.ones((3, 2)), r"shape \(3, 2\) for 2 texts"),
        (np.array([[1.0, 0.0], [np.nan, 0.0]]), "NaN or infinity for 1 texts, first for '나'"),
    ],
)
def test_broken_embeddings_are_errors(array: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cosine_similarity(["가"], ["나"], embedder=lambda texts: array)


def test_hub_id_is_loaded_once_without_pickle(loads: list[dict]) -> None:
    for _ in range(2):
        score = cosine_similarity(["나"], ["가"], embedder="someone/model", prefix="query: ")
    assert loads == [
        {
            "name": "someone/model",
            "device": None,
            "local_files_only": False,
            "model_kwargs": {"use_safetensors": True},
        }
    ]
    assert score["cosine"].value == pytest.approx(0.6)
    assert score["cosine"].signature == (
        "nrefs:1|embedder:someone/model|unk:0.0%|version:sentence-transformers-9.9"
        "|prefix:'query: '|norm:nfc|agg:mean"
    )


def test_a_local_folder_never_asks_the_network_and_keeps_its_path_out_of_the_signature(
    loads: list[dict], tmp_path: Path
) -> None:
    folder = tmp_path / "embedder"
    folder.mkdir()
    score = cosine_similarity(["가"], ["가"], embedder=folder)["cosine"]
    assert loads[0]["local_files_only"] is True
    assert "|embedder:embedder|" in score.signature and str(tmp_path) not in score.signature


def test_missing_folder_is_an_error(loads: list[dict], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist: give the folder"):
        cosine_similarity(["가"], ["가"], embedder=tmp_path / "nowhere")
    assert loads == []


def test_warns_when_the_tokenizer_cannot_read_the_texts(loads: list[dict]) -> None:
    with pytest.warns(UserWarning, match=r"50\.0% of the words are \[UNK\] .*'someone/model'"):
        score = cosine_similarity(["다"], ["가"], embedder="someone/model")["cosine"]
    assert "|unk:50.0%|" in score.signature


def test_does_not_warn_at_five_percent(loads: list[dict]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        score = cosine_similarity(["가"] * 9 + ["다"], ["나"] * 10, embedder="someone/model")
    assert "|unk:5.0%|" in score["cosine"].signature


def test_unk_share_counts_words_not_tokens() -> None:
    tokenizer = word_tokenizer(["가"])
    assert unk_share(tokenizer, ["가 가 모름", "가"]) == 0.25
    assert unk_share(tokenizer, [""]) == 0.0


def test_byte_level_tokenizers_know_every_word(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    assert unk_share(tiny_tokenizer, ["뷁 궳"]) == 0.0


def test_naming_a_model_without_the_extra_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    cosine._load.cache_clear()
    with pytest.raises(ImportError, match=r'pip install "bitsft\[cosine\]"'):
        cosine_similarity(["가"], ["가"], embedder="someone/model")


def test_empty_and_unequal_lists_are_errors() -> None:
    with pytest.raises(ValueError, match="both lists are empty"):
        cosine_similarity([], [])
    with pytest.raises(ValueError, match="1 predictions but 0 references"):
        cosine_similarity(["a"], [], embedder=lookup)
