"""METEOR: golden values, equality with NLTK on random tokens, equal and blank texts, settings."""

import random

import pytest
from nltk.translate.meteor_score import single_meteor_score

from bitsft.metrics import meteor

REFERENCE = "서울의 인구는 약 천만 명입니다"
ANSWER = "서울 인구는 약 1천만 명입니다"


class NoSynonyms:
    def synsets(self, word: str) -> list[str]:
        return []


class NoStemmer:
    def stem(self, word: str) -> str:
        return word


def by_nltk(prediction: list[str], reference: list[str], **settings: float) -> float:
    return single_meteor_score(
        reference, prediction, stemmer=NoStemmer(), wordnet=NoSynonyms(), **settings
    )


@pytest.mark.parametrize(
    ("tokenizer", "value"),
    [
        # morphemes: 7 of 8 match on both sides, in 3 runs: 7/8 * (1 - 0.5 * (3/7) ** 3)
        ("mecab", 0.875 * (1 - 0.5 * (3 / 7) ** 3)),
        # words: 3 of 5 match, in 2 runs
        ("word", 0.6 * (1 - 0.5 * (2 / 3) ** 3)),
    ],
)
def test_seed_pair(tokenizer: str, value: float) -> None:
    assert meteor([ANSWER], [REFERENCE], tokenizer=tokenizer)["meteor"].value == pytest.approx(
        value
    )


def test_seed_pair_rounds_to_the_known_value() -> None:
    assert round(meteor([ANSWER], [REFERENCE], tokenizer="mecab")["meteor"].value, 3) == 0.841


def test_english_pair_takes_the_last_of_equal_tokens() -> None:
    """ "the" is matched with the second "the", so the two matches are two chunks: 0.3509 * (1 - 0.5)."""
    score = meteor(["The cat sat"], ["the cat is on the mat"], tokenizer="word")["meteor"]
    assert score.value == pytest.approx((2 / 9) / (0.9 * 2 / 3 + 0.1 / 3) / 2)


def test_equals_nltk_on_random_tokens() -> None:
    rng = random.Random(0)
    pairs = []
    while len(pairs) < 1000:
        words = "가나다라마바사아"[: rng.randint(2, 8)]
        prediction, reference = (rng.choices(words, k=rng.randint(1, 12)) for _ in range(2))
        if prediction != reference:
            pairs.append((prediction, reference))
    for settings in ({}, {"alpha": 0.5, "beta": 1.5, "gamma": 0.3}):
        ours = meteor(
            [" ".join(prediction) for prediction, _ in pairs],
            [" ".join(reference) for _, reference in pairs],
            tokenizer="word",
            **settings,
        )["meteor"]
        theirs = [by_nltk(prediction, reference, **settings) for prediction, reference in pairs]
        assert ours.rows.tolist() == pytest.approx(theirs, abs=1e-12)
        assert ours.value == pytest.approx(sum(theirs) / len(theirs))


@pytest.mark.parametrize("tokenizer", ["mecab", "char", "word"])
def test_equal_texts_score_one_and_blank_ones_zero(tokenizer: str) -> None:
    for text in ("네", "a", "!!", REFERENCE):
        assert meteor([text], [text], tokenizer=tokenizer)["meteor"].value == 1.0
    for reference in ("네", "", " "):
        assert meteor([" "], [reference], tokenizer=tokenizer)["meteor"].value == 0.0
    assert by_nltk(["네"], ["네"]) == 0.5  # where ours differs


def test_case_counts_only_when_asked() -> None:
    assert meteor(["THE CAT"], ["the cat"], tokenizer="word")["meteor"].value == 1.0
    mixed = meteor(["THE CAT"], ["the cat"], tokenizer="word", lowercase=False)
    assert mixed["meteor"].value == 0.0


def test_rows_and_signature() -> None:
    score = meteor([ANSWER, ""], [REFERENCE, REFERENCE], tokenizer="char", alpha=0.85)["meteor"]
    assert score.rows.tolist() == [pytest.approx(2 * score.value), 0.0]
    assert score.subset([1]).value == 0.0
    assert score.signature == (
        "nrefs:1|case:lc|tok:char|match:exact|alpha:0.85|beta:3|gamma:0.5|norm:nfc|agg:mean|equal:1"
    )


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"alpha": 1.1}, "alpha=1.1: it must lie between 0 and 1"),
        ({"gamma": -0.1}, "gamma=-0.1: it must lie between 0 and 1"),
        ({"beta": -1.0}, "beta=-1.0: it must be 0 or more"),
        ({"tokenizer": "kiwi"}, "tokenizer='kiwi' is unknown"),
    ],
)
def test_settings_out_of_range(setting: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        meteor(["가"], ["나"], **setting)


def test_empty_and_unequal_lists_are_errors() -> None:
    with pytest.raises(ValueError, match="both lists are empty"):
        meteor([], [])
    with pytest.raises(ValueError, match="2 predictions but 1 references"):
        meteor(["a", "b"], ["a"])
