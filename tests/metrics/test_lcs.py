"""Longest common subsequences: by hand, and equal to rouge-score's table on random tokens."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score import rouge_scorer

from bitsft.metrics.lcs import lcs_length, union_hits

TOKENS = st.lists(st.sampled_from("가나다라"), max_size=12)


@pytest.mark.parametrize(
    ("reference", "prediction", "length"),
    [
        ("", "", 0),
        ("가", "", 0),
        ("", "가", 0),
        ("가나다라", "가나다라", 4),
        ("가나다라", "라다나가", 1),
        ("가나다라", "나라마", 2),
        ("가가가", "가가", 2),
        ("가나가나다", "가다나다", 3),
    ],
)
def test_length(reference: str, prediction: str, length: int) -> None:
    assert lcs_length(list(reference), list(prediction)) == length


@settings(derandomize=True, max_examples=200, deadline=None)
@given(TOKENS, TOKENS)
def test_length_equals_rouge_scores_table(reference: list[str], prediction: list[str]) -> None:
    table = rouge_scorer._lcs_table(reference, prediction)
    assert lcs_length(reference, prediction) == table[-1][-1]


def test_length_of_more_tokens_than_a_machine_word_has_bits() -> None:
    rng = random.Random(0)
    first = rng.choices("가나다라마바사", k=200)
    second = rng.choices("가나다라마바사", k=150)
    assert lcs_length(first, second) == rouge_scorer._lcs_table(first, second)[-1][-1] > 64


def test_union_by_hand() -> None:
    """Lin's example: w1 w2 w3 w4 w5 against w1 w2 w6 w7 w8 and w1 w3 w8 w9 w5: the union is w1 w2 w3 w5."""
    reference = [["w1", "w2", "w3", "w4", "w5"]]
    prediction = [["w1", "w2", "w6", "w7", "w8"], ["w1", "w3", "w8", "w9", "w5"]]
    assert union_hits(reference, prediction) == 4


def test_a_token_is_not_hit_more_often_than_it_was_written() -> None:
    assert union_hits([["가"], ["가"]], [["가", "나"]]) == 1


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(TOKENS, max_size=4), st.lists(TOKENS, max_size=4))
def test_union_equals_rouge_score(reference: list[list[str]], prediction: list[list[str]]) -> None:
    size = sum(map(len, reference))
    theirs = rouge_scorer._summary_level_lcs(reference, prediction)
    assert union_hits(reference, prediction) == pytest.approx(theirs.recall * size, abs=1e-9)
