"""What guessing gets, by hand."""

import pytest

from bitsft.evaluation.standard_tasks.chance import guessed_macro_f1


def test_macro_f1_of_guesses() -> None:
    assert guessed_macro_f1(["0", "1"] * 10, 2) == pytest.approx(0.5)
    # p = 0.9: 0.9/1.4; p = 0.1: 0.1/0.6; their mean
    assert guessed_macro_f1(["0"] * 9 + ["1"], 2) == pytest.approx((0.9 / 1.4 + 0.1 / 0.6) / 2)
