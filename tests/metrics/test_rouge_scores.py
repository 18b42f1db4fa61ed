"""ROUGE: golden values (hand-countable), Korean identity, blanks, settings, errors."""

import unicodedata
from importlib.metadata import version

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsft.metrics import rouge
from bitsft.metrics.rouge_scores import ROUGE_TYPES, _sentences

REFERENCE = "서울의 인구는 약 천만 명입니다"
ANSWER = "서울 인구는 약 1천만 명입니다"
KOREAN = st.text(
    alphabet=st.sampled_from("가나다힣뷁의는 약1a.!ㅋ"), min_size=1, max_size=30
).filter(str.strip)


@pytest.mark.parametrize(
    ("tokenizer", "recall", "rouge2", "rouge_l"),
    [
        ("mecab", 7 / 8, 4 / 7, 7 / 8),
        ("char", 12 / 13, 9 / 12, 12 / 13),
        ("word", 3 / 5, 1 / 4, 3 / 5),
    ],
)
def test_seed_pair_by_tokenizer(
    tokenizer: str, recall: float, rouge2: float, rouge_l: float
) -> None:
    scores = rouge([ANSWER], [REFERENCE], tokenizer=tokenizer, measures=("f", "recall"))
    assert scores["rouge1_recall"].value == pytest.approx(recall)
    assert scores["rouge2"].value == pytest.approx(rouge2)
    assert scores["rougeL"].value == pytest.approx(rouge_l)


@pytest.mark.parametrize("tokenizer", ["mecab", "word"])
def test_english_pair(tokenizer: str) -> None:
    scores = rouge(
        ["The cat sat"],
        ["the cat is on the mat"],
        tokenizer=tokenizer,
        measures=("recall", "precision", "f"),
    )
    assert scores["rouge1_recall"].value == pytest.approx(2 / 6)
    assert scores["rouge1_precision"].value == pytest.approx(2 / 3)
    assert scores["rouge1"].value == pytest.approx(4 / 9)


def test_a_shared_number_does_not_make_a_wrong_sentence_right() -> None:
    """rouge-score's own tokenizer sees only "1000" in both, and says 1.0."""
    score = rouge(["부산에는 바다가 1000 개 있다"], ["서울의 인구는 1000만 명입니다"])["rouge1"]
    assert score.value < 0.4


def test_default_names_and_plain_floats() -> None:
    scores = rouge([ANSWER], [REFERENCE])
    assert list(scores) == ["rouge1", "rouge2", "rougeL"]
    assert all(type(score.value) is float for score in scores.values())
    assert [score.name for score in scores.values()] == list(scores)


def test_signature_names_tokenizer_settings_and_version() -> None:
    score = rouge([ANSWER], [REFERENCE], tokenizer="char", measures=("recall",), lowercase=False)
    assert score["rouge2_recall"].signature == (
        "measure:recall|nrefs:1|case:mixed|tok:char|norm:nfc|agg:mean|equal:1"
        f"|version:rouge-score-{version('rouge-score')}"
    )


def test_case_counts_only_when_asked() -> None:
    assert rouge(["THE"], ["the cat"], tokenizer="word")["rouge1"].value == pytest.approx(2 / 3)
    assert rouge(["THE"], ["the cat"], tokenizer="word", lowercase=False)["rouge1"].value == 0.0


def test_value_is_the_mean_over_rows() -> None:
    scores = rouge([ANSWER, ""], [REFERENCE, REFERENCE], tokenizer="mecab")
    assert scores["rouge1"].value == pytest.approx(7 / 16)


def test_rows_intervals_and_parts() -> None:
    score = rouge([ANSWER, "", REFERENCE], [REFERENCE] * 3, tokenizer="mecab")["rougeL"]
    assert score.rows.tolist() == [pytest.approx(7 / 8), 0.0, 1.0]
    assert score.rows.dtype == np.float64
    assert score.subset([0, 2]).value == pytest.approx(15 / 16)
    low, high = score.interval()
    assert 0.0 <= low < score.value < high <= 1.0


def test_lsum_forgives_the_order_of_sentences() -> None:
    prediction, reference = "오늘은 맑다\n내일은 비", "내일은 비\n오늘은 맑다"
    scores = rouge([prediction], [reference], tokenizer="word", rouge_types=("rougeL", "rougeLsum"))
    assert scores["rougeL"].value == pytest.approx(0.5)
    assert scores["rougeLsum"].value == 1.0


def test_lsum_of_one_sentence_each_is_rouge_l() -> None:
    scores = rouge(
        [ANSWER],
        [REFERENCE],
        tokenizer="mecab",
        rouge_types=("rougeLsum",),
        measures=("f", "recall"),
    )
    assert scores["rougeLsum"].value == pytest.approx(7 / 8)
    assert list(scores) == ["rougeLsum", "rougeLsum_recall"]
    assert scores["rougeLsum"].signature.startswith("measure:f|sent:lines|nrefs:1|")


@pytest.mark.parametrize(
    ("text", "sentences", "parts"),
    [
        ("가다. 나다!\n라", "lines", ["가다. 나다!", "라"]),
        ("가다. 나다!\n라", "punctuation", ["가다.", "나다!", "라"]),
        ('"가다." 나다', "punctuation", ['"가다."', "나다"]),
        ("값은 3.14이다. (끝.) 정말?", "punctuation", ["값은 3.14이다.", "(끝.)", "정말?"]),
        ("\n\n가", "lines", ["가"]),
        ("", "punctuation", []),
    ],
)
def test_sentences(text: str, sentences: str, parts: list[str]) -> None:
    assert _sentences(text, sentences) == parts


def test_sentences_by_punctuation_in_one_line() -> None:
    pair = (["오늘은 맑다. 내일은 비."], ["내일은 비. 오늘은 맑다."])
    settings = {"tokenizer": "word", "rouge_types": ("rougeLsum",)}
    by_lines = rouge(*pair, **settings)["rougeLsum"]
    by_punctuation = rouge(*pair, **settings, sentences="punctuation")["rougeLsum"]
    assert (by_lines.value, by_punctuation.value) == (pytest.approx(0.5), 1.0)
    assert "|sent:punctuation|" in by_punctuation.signature


@pytest.mark.parametrize("tokenizer", ["mecab", "char", "word"])
@pytest.mark.parametrize("text", ["네", "a", "!!", REFERENCE, "두 줄의\n답입니다.", "ㅋㅋㅋ"])
def test_equal_texts_score_one_however_short_and_in_either_unicode_form(
    tokenizer: str, text: str
) -> None:
    for form in ("NFC", "NFD"):
        other = unicodedata.normalize(form, text)
        scores = rouge([other], [text], tokenizer=tokenizer, rouge_types=ROUGE_TYPES)
        assert [score.value for score in scores.values()] == [1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("tokenizer", ["mecab", "char", "word"])
@pytest.mark.parametrize("blank", ["", " \n", "\x00"])
def test_blank_prediction_scores_zero(tokenizer: str, blank: str) -> None:
    for reference in (REFERENCE, "", blank):
        scores = rouge([blank], [reference], tokenizer=tokenizer, rouge_types=ROUGE_TYPES)
        assert [score.value for score in scores.values()] == [0.0, 0.0, 0.0, 0.0]


@settings(derandomize=True, max_examples=40, deadline=None)
@given(KOREAN, KOREAN)
def test_f_is_symmetric_and_all_measures_lie_between_0_and_1(left: str, right: str) -> None:
    measures = ("f", "recall", "precision")
    there = rouge([left], [right], measures=measures)
    back = rouge([right], [left], measures=measures)
    for kind in ("rouge1", "rouge2", "rougeL"):
        assert there[kind].value == pytest.approx(back[kind].value)
        assert there[f"{kind}_recall"].value == pytest.approx(back[f"{kind}_precision"].value)
    assert all(0.0 <= score.value <= 1.0 for score in there.values())


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"measures": ("f1",)}, "choose from f, recall, precision"),
        ({"measures": ()}, "choose from f, recall, precision"),
        ({"measures": "f"}, r"write measures=\('f',\)"),
        ({"rouge_types": ("rouge3",)}, "choose from rouge1, rouge2, rougeL, rougeLsum"),
        ({"sentences": "nltk"}, "choose from lines, punctuation"),
    ],
)
def test_unknown_settings_name_the_choices(setting: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rouge(["가"], ["가"], **setting)


def test_empty_and_unequal_lists_are_errors() -> None:
    with pytest.raises(ValueError, match="both lists are empty"):
        rouge([], [])
    with pytest.raises(ValueError, match="2 predictions but 1 references"):
        rouge(["a", "b"], ["a"])
