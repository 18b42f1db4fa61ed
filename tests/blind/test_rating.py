"""One rating: its line, whose side was chosen, and what it refuses."""

import json

import pytest

from bitsft.blind.rating import rate, rater_name
from tests.blind.evaluations import pairs_of, rating, scores, shown

PAIRS = pairs_of(3)
ONE = rating(PAIRS[0], "김 민수", "left", (5, 4, 3), (2, 1, 5))


def test_the_line() -> None:
    assert json.loads(ONE.as_line()) == {
        "rater": "김 민수",
        "row": 0,
        "pair": PAIRS[0].key,
        "left": "base",
        "choice": "left",
        "scores": {
            "left": {"relevance": 5, "accuracy": 4, "fluency": 3},
            "right": {"relevance": 2, "accuracy": 1, "fluency": 5},
        },
        "time": "2026-01-31T09:15:00+00:00",
    }
    assert "김 민수" in ONE.as_line()


@pytest.mark.parametrize(
    ("choice", "base_on_left", "verdict"),
    [
        ("left", True, "base"),
        ("left", False, "tuned"),
        ("right", True, "tuned"),
        ("right", False, "base"),
        ("tie", True, "tie"),
        ("both_bad", False, "both_bad"),
    ],
)
def test_the_verdict(choice: str, base_on_left: bool, verdict: str) -> None:
    found = rating(PAIRS[0], "a", choice, (1, 1, 1), (5, 5, 5), base_on_left=base_on_left)
    assert found.verdict == verdict
    assert found.scores_of("base") == (scores(1, 1, 1) if base_on_left else scores(5, 5, 5))
    assert found.scores_of("tuned") == (scores(5, 5, 5) if base_on_left else scores(1, 1, 1))


def test_the_same_opinion_with_the_sides_exchanged() -> None:
    turned = rating(PAIRS[0], "b", "right", (2, 1, 5), (5, 4, 3), base_on_left=False)
    assert ONE.same_opinion(turned)
    assert not ONE.same_opinion(rating(PAIRS[0], "a", "tie", (5, 4, 3), (2, 1, 5)))
    assert not ONE.same_opinion(None)


@pytest.mark.parametrize("score", [0, 6, 2.5, "3", True, None])
def test_only_1_to_5(score: object) -> None:
    wrong = {**scores(1, 2, 3), "accuracy": score}
    with pytest.raises(ValueError, match="left accuracy is .*: give a whole number from 1 to 5"):
        rate(shown(PAIRS[0]), "a", "tie", wrong, scores(1, 2, 3))  # type: ignore[arg-type]


def test_names() -> None:
    assert rater_name("  김   민수 ") == "김 민수"
    assert rater_name("\u1100\u1161") == "가"
    assert rater_name("x" * 60) == "x" * 60
    for wrong in ("", "  ", "x" * 61, "a\x00b", None, 5):
        with pytest.raises(ValueError, match="must have 1 to 60 printable characters"):
            rater_name(wrong)
