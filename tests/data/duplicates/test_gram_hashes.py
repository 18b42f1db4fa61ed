from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitsft.data.duplicates.gram_hashes import MARK, gram_set, gram_sets

_ROWS = st.lists(st.lists(st.text(alphabet="가나a. \ud800", max_size=8), max_size=3), max_size=6)


def sets_of(rows: Sequence[Sequence[str]], ngram: int) -> list[set[int]]:
    found = gram_sets(rows, ngram, True)
    parts = np.split(found.hashes, np.cumsum(found.counts))[:-1]
    assert all((np.diff(part.astype(object)) > 0).all() for part in parts)
    return [set(part.tolist()) for part in parts]


def test_the_grams_of_a_text_have_marks_at_both_ends() -> None:
    assert gram_set("먹고싶다", 3) == {f"{MARK}먹고", "먹고싶", "고싶다", f"싶다{MARK}"}
    assert gram_set("굿", 3) == {f"{MARK}굿{MARK}"}
    assert gram_set("", 3) == {MARK * 3}


@pytest.mark.parametrize("ngram", [1, 2, 3, 5])
@given(_ROWS)
def test_hashes_stand_for_the_grams_of_each_part(ngram: int, rows: list[list[str]]) -> None:
    found = sets_of(rows, ngram)
    named = [
        {
            (place, gram)
            for place, text in enumerate(row)
            for gram in gram_set("".join(text.split()), ngram)
        }
        for row in rows
    ]
    assert [len(grams) for grams in found] == [len(grams) for grams in named]
    for i in range(len(rows)):
        for j in range(i):
            assert len(found[i] & found[j]) == len(named[i] & named[j])


@given(_ROWS)
def test_equal_sets_have_equal_digests(rows: list[list[str]]) -> None:
    digests = gram_sets(rows, 3, True).digests
    found = sets_of(rows, 3)
    for i in range(len(rows)):
        for j in range(i):
            assert (digests[i] == digests[j]) == (found[i] == found[j])


def test_the_place_of_a_text_counts() -> None:
    first, second = sets_of([["가나다", "라마바"], ["라마바", "가나다"]], 3)
    assert not first & second


def test_punctuation() -> None:
    with_marks, without = (
        gram_sets([["네!"], ["네"]], 3, marks).digests for marks in (True, False)
    )
    assert with_marks[0] != with_marks[1]
    assert without[0] == without[1]
