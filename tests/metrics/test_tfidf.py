"""TF-IDF over jamo n-grams: terms, weights worked out by hand, identity, range, many rows."""

import math
import random
import unicodedata
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsft.metrics.tfidf import _keys, jamo_form, tfidf_similarities

TEXTS = st.text(alphabet=st.sampled_from("가각나다힣의 1aA.!ㅋ"), max_size=20)


def terms(text: str) -> Counter[str]:
    """The terms as the module's docstring defines them."""
    form = jamo_form(text)
    return Counter(form[at : at + n] for n in (3, 4, 5) for at in range(len(form) - n + 1))


def by_definition(predictions: list[str], references: list[str]) -> list[float]:
    df = Counter(term for text in references for term in terms(text))
    n = len(references)

    def weights(text: str) -> dict[str, float]:
        return {t: c * (math.log((1 + n) / (1 + df[t])) + 1) for t, c in terms(text).items()}

    similarities = []
    for prediction, reference in zip(predictions, references, strict=True):
        left, right = weights(prediction), weights(reference)
        norms = sum(w * w for w in left.values()) * sum(w * w for w in right.values())
        dot = sum(weight * right.get(term, 0.0) for term, weight in left.items())
        similarities.append(dot / math.sqrt(norms) if norms else 0.0)
    return similarities


def test_terms_are_substrings_of_a_padded_lower_case_jamo_string() -> None:
    assert jamo_form("A  b\n") == " a b "
    assert [unicodedata.name(char) for char in jamo_form("네").strip()] == [
        "HANGUL CHOSEONG NIEUN",
        "HANGUL JUNGSEONG E",
    ]
    assert jamo_form(" \n") == ""


@pytest.mark.parametrize("text", ["", "네", "가나다", "ab ab ab", "𝄞𝄞𝄞 뷁ㅋ"])
def test_each_term_has_one_number_as_often_as_it_occurs(text: str) -> None:
    numbers = Counter(_keys([jamo_form(text)]).tolist())
    assert sorted(numbers.values()) == sorted(terms(text).values())


def test_a_number_holds_its_row_and_no_term_crosses_rows() -> None:
    keys = _keys([jamo_form(text) for text in ("네", "네", "아")]).tolist()
    rows = {row: {key % 2**56 for key in keys if key >> 56 == row} for row in range(3)}
    assert [len(rows[row]) for row in range(3)] == [3, 3, 3]
    assert rows[0] == rows[1]
    assert not rows[0] & rows[2]


def test_equals_the_definition_over_several_chunks_of_rows() -> None:
    rng = random.Random(0)
    words = ["서울의", "인구는", "약", "천만", "명", "A", "ㅋㅋ", "the", "", "1천만"]
    texts = [" ".join(rng.choices(words, k=rng.randint(0, 8))) for _ in range(1400)]
    texts[5] = "가나다라 " * 40_000  # more than one chunk holds
    predictions, references = texts[:700], texts[700:]
    expected = by_definition(predictions, references)
    assert tfidf_similarities(predictions, references) == pytest.approx(expected, abs=1e-12)


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
