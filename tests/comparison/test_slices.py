"""Slices: how rows are divided, and that their values are those of the parts."""

import pytest

from bitsft.comparison import compare
from bitsft.comparison.comparison import Comparison
from bitsft.metrics import bleu
from tests.comparison.evaluations import answer, evaluation, scored


def _named(comparison: Comparison, kind: str) -> dict[str, tuple[int, float, float]]:
    return {
        one.name: (one.rows, one.base, one.tuned)
        for one in comparison.slices
        if one.kind == kind and one.task == "all"
    }


def test_lengths_are_divided_in_quarters_that_say_their_ends() -> None:
    answers = [answer(row, prompt="가" * (row + 1), reference="나") for row in range(8)]
    base = evaluation(answers, scored("rougeL", [0.0] * 8))
    tuned = evaluation(answers, scored("rougeL", [0, 0, 0, 1, 1, 1, 1, 1]))
    comparison = compare(base, tuned)
    assert _named(comparison, "prompt length") == {
        "1-2 characters": (2, 0.0, 0.0),
        "3-4 characters": (2, 0.0, 0.5),
        "5-6 characters": (2, 0.0, 1.0),
        "7-8 characters": (2, 0.0, 1.0),
    }
    assert _named(comparison, "reference length") == {}  # all alike: nothing to divide


def test_equal_lengths_stay_together() -> None:
    lengths = [5] * 7 + [9]
    answers = [answer(row, reference="나" * length) for row, length in enumerate(lengths)]
    one = evaluation(answers, scored("rougeL", [0.5] * 8))
    assert {
        name: rows for name, (rows, *_) in _named(compare(one, one), "reference length").items()
    } == {
        "5 characters": 7,
        "9 characters": 1,
    }


def test_messages_are_as_long_as_their_contents() -> None:
    short = [{"role": "user", "content": "가"}]
    long = [{"role": "system", "content": "나나"}, {"role": "user", "content": "다다"}]
    answers = [answer(0, prompt=short, reference="x"), answer(1, prompt=long, reference="x")]
    one = evaluation(answers, scored("rougeL", [0, 1]))
    assert list(_named(compare(one, one), "prompt length")) == ["1 characters", "5 characters"]


def test_labels_tasks_and_distractors_are_slices() -> None:
    context = ["o", "a", "b"]
    answers = [
        answer(0, task="classification", source={"label": "긍정"}),
        answer(1, task="classification", source={"label": "부정"}),
        answer(2, task="raft", source={"context": context, "oracle_context": "o"}),
        answer(3, task="raft", source={"context": context, "oracle_context": "not given"}),
    ]
    base = evaluation(answers, scored("rougeL", [0, 0, 0, 0]))
    tuned = evaluation(answers, scored("rougeL", [1, 0, 0, 1]))
    comparison = compare(base, tuned)
    assert _named(comparison, "task") == {"classification": (2, 0, 0.5), "raft": (2, 0, 0.5)}
    assert _named(comparison, "label") == {"긍정": (1, 0, 1), "부정": (1, 0, 0)}
    assert _named(comparison, "distractors") == {"2": (1, 0, 0), "3": (1, 0, 1)}


def test_the_bleu_of_a_slice_is_that_of_its_rows() -> None:
    references = ["the cat sat on the mat", "a dog ran in the park today", "x y z w v", "k l m n o"]
    before = ["the cat sat on a mat", "a dog ran", "x y z w", "k l m n"]
    answers = [
        answer(row, reference=reference, task="qa" if row < 2 else "koalpaca")
        for row, reference in enumerate(references)
    ]
    base = evaluation(answers, *bleu(before, references, tokenizer="word").values())
    tuned = evaluation(answers, *bleu(references, references, tokenizer="word").values())
    comparison = compare(base, tuned, by="bleu")
    (one,) = (one for one in comparison.slices if one.kind == "task" and one.name == "qa")
    expected = bleu(before[:2], references[:2], tokenizer="word")["bleu"].value
    assert one.base == pytest.approx(expected)
    assert one.tuned == pytest.approx(100)
    assert one.difference == pytest.approx(100 - expected)


def test_the_interval_of_a_single_row_is_its_difference() -> None:
    answers = [answer(0, task="qa"), answer(1, task="koalpaca")]
    base = evaluation(answers, scored("rougeL", [0.25, 0.5]))
    tuned = evaluation(answers, scored("rougeL", [0.75, 0.5]))
    (one,) = (one for one in compare(base, tuned).slices if one.name == "qa")
    assert one.interval == (0.5, 0.5)
