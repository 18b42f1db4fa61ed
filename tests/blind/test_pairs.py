"""Pairs of answers, and the order and sides in which raters see them."""

import pytest

from bitsft.blind.pairs import pair_answers, shown_order
from bitsft.evaluation.answers import Answer
from bitsft.evaluation.evaluation import Evaluation
from tests.blind.evaluations import evaluation, evaluations, pairs_of


def of(answer: Answer) -> Evaluation:
    return Evaluation("m", (answer,), {}, "greedy", {})


def test_pairs_hold_both_answers_in_the_order_of_the_data() -> None:
    pairs = pairs_of(3)
    assert [(pair.row, pair.prompt, pair.reference, pair.base, pair.tuned) for pair in pairs] == [
        (0, "질문 0", "참고 0", "가 0", "나 0"),
        (1, "질문 1", "참고 1", "가 1", "나 1"),
        (2, "질문 2", "참고 2", "가 2", "나 2"),
    ]


def test_other_rows_are_refused() -> None:
    base, _ = evaluations(3)
    with pytest.raises(ValueError, match="row 2 was not answered by tuned"):
        pair_answers(base, evaluation("m", ["a", "b"]))


def test_a_larger_draw_holds_the_smaller_one() -> None:
    base, tuned = evaluations(50)
    ten = [pair.row for pair in pair_answers(base, tuned, rows=10, seed=3)]
    twenty = [pair.row for pair in pair_answers(base, tuned, rows=20, seed=3)]
    assert len(ten) == 10 and set(ten) < set(twenty) and ten == sorted(ten)
    assert ten != [pair.row for pair in pair_answers(base, tuned, rows=10, seed=4)]
    assert len(pair_answers(base, tuned, rows=99)) == 50


def test_no_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="rows=0: people can rate 1 row or more"):
        pair_answers(*evaluations(2), rows=0)


@pytest.mark.parametrize("rows", [1, 2, 7, 40])
def test_each_model_is_left_in_half_of_the_rows(rows: int) -> None:
    pairs = pairs_of(rows)
    for rater in ("kim", "lee", "박"):
        on_left = sum(one.base_on_left for one in shown_order(pairs, rater))
        assert on_left in {rows // 2, rows - rows // 2}


def test_of_an_odd_number_the_one_more_is_not_always_the_same_model() -> None:
    pairs = pairs_of(1)
    found = {shown_order(pairs, f"rater {n}")[0].base_on_left for n in range(20)}
    assert found == {True, False}


def test_a_rater_who_comes_back_sees_the_same() -> None:
    pairs = pairs_of(12)
    first = shown_order(pairs, "kim", 1)
    assert first == shown_order(list(reversed(pairs)), "kim", 1)
    assert sorted(one.pair.row for one in first) == list(range(12))
    for other in (shown_order(pairs, "lee", 1), shown_order(pairs, "kim", 2)):
        assert [one.pair.row for one in other] != [one.pair.row for one in first]


def test_the_sides_say_nothing_of_the_order() -> None:
    orders = [shown_order(pairs_of(10), f"rater {n}") for n in range(400)]
    for position in range(10):
        on_left = sum(order[position].base_on_left for order in orders)
        assert 150 < on_left < 250  # 200 ± 5 standard deviations of a fair coin


def test_left_and_right_are_the_answers() -> None:
    for one in shown_order(pairs_of(4), "kim"):
        expected = (one.pair.base, one.pair.tuned)
        assert (one.left, one.right) == (expected if one.base_on_left else expected[::-1])


def test_the_key_follows_the_question_and_the_answers() -> None:
    (pair,) = pairs_of(1)
    assert len(pair.key) == 16
    for other in (
        evaluation("m", ["가 0 "]),
        of(Answer(0, "다른 질문", "참고 0", "가 0", 1, True)),
    ):
        tuned = Evaluation(
            "t", (Answer(0, other.answers[0].prompt, "참고 0", "나 0", 1, True),), {}, "greedy", {}
        )
        assert pair_answers(other, tuned)[0].key != pair.key


def test_what_is_shown_as_the_question() -> None:
    chat = [{"role": "system", "content": "짧게"}, {"role": "user", "content": "왜?"}]
    for prompt, source, expected in (
        (chat[1:], {}, ("왜?", None)),
        (chat, {}, ("system: 짧게\n\nuser: 왜?", None)),
        ("긴 문맥\n질문?", {"question": "질문?", "context": "긴 문맥"}, ("질문?", "긴 문맥")),
        ("p", {"question": "q", "context": ["하나", "둘"]}, ("q", "하나\n\n둘")),
        ("p", {"question": "q"}, ("p", None)),
        ("p", {"question": "q", "context": {"title": "한"}}, ("q", '{"title": "한"}')),
    ):
        answer = of(Answer(0, prompt, "r", "a", 1, True, source=source))
        (pair,) = pair_answers(answer, answer)
        assert (pair.prompt, pair.context) == expected
