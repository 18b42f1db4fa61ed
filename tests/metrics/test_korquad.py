"""KorQuAD's normalization, exact match and character F1, with values worked out by hand."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsft.metrics import char_f1, exact_match
from bitsft.metrics.korquad import normalize_answer

ANSWERS = st.text(alphabet=st.sampled_from("가나다힣의 1aA.!'《》"), max_size=15)


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("《서울》 특별시(Seoul).", "서울 특별시 seoul"),
        ("'약'  1,000만\n명", "약 1000만 명"),
        ("‘백두산’", "백두산"),
        ("「한글」", "「한글」"),  # the official script leaves these
        ("!!", ""),
    ],
)
def test_normalization(text: str, normalized: str) -> None:
    assert normalize_answer(text) == normalized


@pytest.mark.parametrize(
    ("prediction", "reference", "em", "f1"),
    [
        ("서울 인구는 약 1천만 명입니다", "서울의 인구는 약 천만 명입니다", 0.0, 12 / 13),
        ("'서울'", "서울", 1.0, 1.0),
        ("서울특별시", "서울", 0.0, 4 / 7),
        ("서울 특별시", "서울특별시", 0.0, 1.0),
        ("부산", "서울", 0.0, 0.0),
        ("", "서울", 0.0, 0.0),
        ("", "", 0.0, 0.0),
        ("!!", "!!", 1.0, 1.0),
        ("!!", "??", 0.0, 0.0),
        ("Seoul", "SEOUL", 1.0, 1.0),
    ],
)
def test_golden_pairs(prediction: str, reference: str, em: float, f1: float) -> None:
    assert exact_match([prediction], [reference])["exact_match"].value == em
    assert char_f1([prediction], [reference])["char_f1"].value == pytest.approx(f1)


def test_values_are_means_and_carry_a_signature() -> None:
    scores = exact_match(["서울", "부산"], ["서울", "서울"])
    assert scores["exact_match"].value == 0.5
    assert (
        scores["exact_match"].signature == "nrefs:1|case:lc|norm:nfc+korquad-1.0|agg:mean|equal:1"
    )
    assert char_f1(["서울", "부산"], ["서울", "서울"])["char_f1"].value == 0.5


def test_the_best_of_several_accepted_answers_counts() -> None:
    predictions = ["서울특별시", "부산", ""]
    references = [["서울", "서울특별시"], ("대구", "부산시"), "대전"]
    match = exact_match(predictions, references)["exact_match"]
    assert match.rows.tolist() == [1.0, 0.0, 0.0]
    assert match.value == pytest.approx(1 / 3)
    assert match.signature.startswith("nrefs:var|")
    f1 = char_f1(predictions, references)["char_f1"]
    assert f1.rows.tolist() == [1.0, pytest.approx(0.8), 0.0]  # 부산 / 부산시: P 1, R 2/3
    assert exact_match(["a"], [["b", "a"]])["exact_match"].signature.startswith("nrefs:2|")
    assert char_f1(["a"], [["a"]])["char_f1"] == char_f1(["a"], ["a"])["char_f1"]


def test_rows_intervals_and_parts() -> None:
    for function in (exact_match, char_f1):
        (score,) = function(["서울", "부산", "대전"], ["서울", "광주", "대전"]).values()
        assert score.rows.tolist() == [1.0, 0.0, 1.0]
        assert score.subset([0, 1]).value == 0.5
        low, high = score.interval(resamples=200)
        assert 0.0 <= low < score.value < high <= 1.0


@pytest.mark.parametrize(
    ("references", "error", "message"),
    [
        ([[]], ValueError, r"references\[0\] is an empty list: give that row one right answer"),
        ([["a", 3]], TypeError, r"references\[0\]\[1\] is int \(3\), not a string"),
        ([None], TypeError, r"references\[0\] is NoneType"),
        ([["a\ud800"]], ValueError, r"references\[0\]\[0\] holds half of a surrogate"),
    ],
)
def test_what_is_no_accepted_answer(references: list, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        exact_match(["a"], references)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(ANSWERS, ANSWERS)
def test_symmetric_in_range_and_blind_to_unicode_form(left: str, right: str) -> None:
    there = char_f1([left], [right])["char_f1"].value
    assert 0.0 <= there <= 1.0
    assert there == pytest.approx(char_f1([right], [left])["char_f1"].value)
    decomposed = unicodedata.normalize("NFD", left)
    assert char_f1([decomposed], [right])["char_f1"].value == there
    if left.strip():
        assert exact_match([decomposed], [left])["exact_match"].value == 1.0


def test_empty_and_unequal_lists_are_errors() -> None:
    for function in (exact_match, char_f1):
        with pytest.raises(ValueError, match="both lists are empty"):
            function([], [])
        with pytest.raises(ValueError, match="1 predictions but 0 references"):
            function(["a"], [])
