"""What the task files call, on single rows and by hand."""

import pytest

from bitsft.evaluation.standard_tasks.task_scoring import label_scores, macro_f1, text_scores


def test_scores_of_one_row() -> None:
    row = {"completion": " 서울입니다"}
    assert text_scores(row, ["서울입니다."])["exact_match"] == 1.0
    assert text_scores(row, ["부산"])["char_f1"] == 0.0
    assert label_scores({"gold": 1}, [(-2.0, False), (-1.5, False), (-9.0, False)]) == {
        "acc": 1.0,
        "macro_f1": (1, 1),
    }
    assert label_scores({"gold": 1}, [(-2.0, True), (-2.0, False)])["macro_f1"] == (1, 0)


def test_macro_f1_by_hand() -> None:
    # class 0: 1 hit of 2 rows, called twice: F1 1/2; class 1: 1 hit of 2 rows, called twice: 1/2
    assert macro_f1([(0, 0), (0, 1), (1, 1), (1, 0)]) == 0.5
    # always 0: class 0 has 2·3/(3+4), class 1 none
    assert macro_f1([(0, 0), (0, 0), (0, 0), (1, 0)]) == pytest.approx(3 / 7)
