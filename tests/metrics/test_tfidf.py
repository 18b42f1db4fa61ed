"""TF-IDF over jamo n-grams: terms, weights worked out by hand, identity, range."""

import math
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsft.metrics.tfidf import jamo_ngrams, tfidf_similarities

TEXTS = st.text(alphabet=st.sampled_from("가각나다힣의 1aA.!ㅋ"), max_size=20)


def test_terms_are_padded_jamo_3_to_5_grams_in_lower_case() -> None:
    assert dict(jamo_ngrams("A  b")) == {
        " a ": 1, "a b": 1, " b ": 1, " a b": 1, "a b ": 1, " a b ": 1,
    }  # fmt: skip
    # ᄂ ᅦ between spaces: two 3-grams and one 4-gram
    assert sorted(unicodedata.normalize("NFC", t) for t in jamo_ngrams("네")) == [
        " 네",
        " 네 ",
        "네 ",
    ]
    assert not jamo_ngrams(" \n")


def test_weights_follow_the_formula() -> None:
    """References "a" and "b": each has the one term " x ", in one of two references."""
    known = math.log(3 / 2) + 1
    unseen = math.log(3 / 1) + 1
    # "a b" has " a ", " b " (known) and four terms that no reference has
    expected = known / math.sqrt(2 * known**2 + 4 * unseen**2)
    assert tfidf_similarities(["a b", "b"], ["a", "b"]) == [pytest.approx(expected), 1.0]


def test_another_rows_prediction_does_not_move_a_value() -> None:
    references = ["서울의 인구", "부산의 바다"]
    first = tfidf_similarities(["서울 인구", "부산"], references)[0]
    assert tfidf_similarities(["서울 인구", "서울 인구 서울"], references)[0] == first


def test_unknown_material_lowers_the_similarity() -> None:
    plain, longer = tfidf_similarities(["서울", "서울 가나다라마바"], ["서울", "서울"])
    assert plain == 1.0
    assert longer < 0.7


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4))
def test_range_and_identity(pairs: list[tuple[str, str]]) -> None:
    predictions, references = map(list, zip(*pairs, strict=True))
    assert all(0.0 <= value <= 1.0 for value in tfidf_similarities(predictions, references))
    same = tfidf_similarities(references, references)
    assert same == [1.0 if text.strip() else 0.0 for text in references]
