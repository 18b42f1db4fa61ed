"""Results worked out by hand, and their text."""

import json
from pathlib import Path

import pytest

from bitsft.blind.folder import BlindFolder
from bitsft.blind.rating import Rating
from bitsft.blind.results import Results, results_of
from bitsft.blind.results_text import results_markdown
from tests.blind.evaluations import BASE, TUNED, evaluation, pairs_of, rating

PAIRS = pairs_of(4)


def two_raters() -> list[Rating]:
    """Row 0: tuned, tuned. Row 1: base, tie. Row 2: both bad. Row 3: nobody."""
    return [
        rating(PAIRS[0], "kim", "left", (1, 1, 1), (1, 1, 1)),  # taken back below
        rating(PAIRS[0], "kim", "right", (2, 3, 4), (4, 4, 4)),
        rating(PAIRS[1], "kim", "right", (3, 3, 3), (5, 3, 3), base_on_left=False),
        rating(PAIRS[2], "kim", "both_bad", (1, 1, 2), (1, 1, 1)),
        rating(PAIRS[0], "lee", "left", (5, 5, 5), (1, 3, 5), base_on_left=False),
        rating(PAIRS[1], "lee", "tie", (4, 4, 4), (4, 4, 4)),
    ]


def found() -> Results:
    return results_of(two_raters(), PAIRS, BASE, TUNED)


def test_who_won() -> None:
    results = found()
    assert (results.rows, results.rated_rows, results.ratings) == (4, 3, 5)
    assert results.verdicts == {"tuned": 2, "base": 1, "tie": 1, "both_bad": 1}
    assert results.win_rate.value == pytest.approx((1 + 0.25 + 0.5) / 3)
    assert (results.wins, results.losses, results.p_value) == (1, 1, 1.0)
    assert results.decided.value == 0.5 and results.decided.rows == 2


def test_means() -> None:
    """Relevance, base: rows (2+1)/2, (5+4)/2, 1; tuned: (4+5)/2, (3+4)/2, 1."""
    relevance = found().criteria["relevance"]
    assert relevance.base.value == pytest.approx((1.5 + 4.5 + 1) / 3)
    assert relevance.tuned.value == pytest.approx((4.5 + 3.5 + 1) / 3)
    assert relevance.difference.value == pytest.approx((3 - 1 + 0) / 3)
    assert relevance.difference.rows == 3


def test_intervals_are_of_rows_and_paired() -> None:
    pairs = pairs_of(40)
    ratings = [
        rating(pair, name, "right", (1 + pair.row % 4,) * 3, (2 + pair.row % 4,) * 3)
        for pair in pairs
        for name in ("a", "b", "c")
    ]
    fluency = results_of(ratings, pairs, BASE, TUNED).criteria["fluency"]
    assert (fluency.difference.low, fluency.difference.high) == (1.0, 1.0)  # every row gains 1
    assert fluency.base.low is not None and fluency.base.high is not None
    width = fluency.base.high - fluency.base.low
    assert width == pytest.approx(2 * 1.96 * 1.118 / 40**0.5, rel=0.1)  # not over 120 ratings


def test_raters() -> None:
    kim, lee = found().raters
    assert (kim.name, kim.rated, lee.name, lee.rated) == ("kim", 3, "lee", 2)
    assert kim.verdicts == {"tuned": 1, "base": 1, "tie": 0, "both_bad": 1}
    assert (kim.left.value, kim.left.rows) == (0.0, 2)
    assert (lee.left.value, lee.left.rows) == (1.0, 1)
    assert found().left.value == pytest.approx(1 / 3)


def test_agreement_is_on_models_not_on_sides() -> None:
    """Row 0: kim right, lee left, both the tuned model. o: tuned·tuned 2, base·tie 1 + 1; α = 1 − 3·2/(4·3 − 2)."""
    choices = found().choices
    assert (choices.units, choices.equal) == (2, 0.5)
    assert choices.alpha == pytest.approx(1 - 3 * 2 / 10)
    assert found().criteria["accuracy"].agreement.units == 4  # two rows, two models


def test_sides_taken_between_equal_texts() -> None:
    base, tuned = evaluation(BASE, ["같다", "가"]), evaluation(TUNED, ["같다", "나"])
    from bitsft.blind.pairs import pair_answers

    pairs = pair_answers(base, tuned)
    ratings = [rating(pairs[0], "kim", "left"), rating(pairs[1], "kim", "left")]
    (kim,) = results_of(ratings, pairs, BASE, TUNED).raters
    assert (kim.sided_on_equal, kim.equal) == (1, 1)


def test_one_rater_has_no_agreement() -> None:
    results = results_of(two_raters()[:4], PAIRS, BASE, TUNED)
    assert results.choices.alpha is None and results.choices.reason == "only one person rated"
    text = results_markdown(results)
    assert "Krippendorff's alpha is not defined for the choices: only one person rated." in text
    assert "3 of 4 rows rated, 3 ratings by 1 person" in text


def test_no_common_rows_and_all_equal() -> None:
    apart = [rating(PAIRS[0], "kim", "tie"), rating(PAIRS[1], "lee", "tie")]
    assert results_of(apart, PAIRS, BASE, TUNED).choices.reason == "no row was rated by two people"
    equal = [rating(pair, name, "tie") for pair in PAIRS for name in ("kim", "lee")]
    results = results_of(equal, PAIRS, BASE, TUNED)
    assert results.choices.reason == "all ratings are equal" and results.choices.equal == 1.0
    assert results.p_value is None and results.decided.value is None and results.left.value is None
    assert "No row was decided for either model." in results_markdown(results)


def test_nothing_rated() -> None:
    with pytest.raises(ValueError, match="none of the rows has been rated yet"):
        results_of([], PAIRS, BASE, TUNED)


def test_files(tmp_path: Path) -> None:
    BlindFolder(tmp_path / "blind").write_results(found())
    values = json.loads((tmp_path / "blind" / "results.json").read_text(encoding="utf-8"))
    assert values["form"] == 1 and values["base"] == BASE and values["tuned"] == TUNED
    assert values["win_rate"]["value"] == pytest.approx(1.75 / 3)
    assert values["criteria"]["fluency"]["agreement"]["level"] == "ordinal"
    assert values["choices"]["level"] == "nominal"
    assert [rater["name"] for rater in values["raters"]] == ["kim", "lee"]
    text = (tmp_path / "blind" / "results.md").read_text(encoding="utf-8")
    assert text == results_markdown(found())


def test_the_text() -> None:
    text = results_markdown(found())
    for line in (
        "- base: models/alpha-plain",
        "- 3 of 4 rows rated, 5 ratings by 2 people",
        "| tuned | 2 | 40.0% |",
        "| both bad | 1 | 20.0% |",
        "Of 2 rows that were decided, tuned won 1 and lost 1: 50.0% [9.5%, 90.5%], sign test p = 1.",
        "Krippendorff's alpha of the choices: 0.400; 50.0% of the pairs of ratings of one row are equal (2 rows).",
        "| kim | 3 | 1 | 1 | 0 | 1 | 0.0% [0.0%, 65.8%] | 0 of 0 |",
        "Fewer than 30 rows: the intervals of the means are too narrow. Rate more rows.",
    ):
        assert line in text.splitlines(), line
    assert "Raters prefer one side" not in text


def test_a_habit_of_one_side_is_said() -> None:
    pairs = pairs_of(30)
    text = results_markdown(
        results_of([rating(pair, "kim", "left") for pair in pairs], pairs, BASE, TUNED)
    )
    assert "it was the left one in 100.0% [88.6%, 100.0%] of the ratings." in text
    assert "Raters prefer one side." in text and "Fewer than" not in text


def test_names_cannot_change_the_text() -> None:
    ratings = [rating(PAIRS[0], "a|b<i>", "tie")]
    text = results_markdown(results_of(ratings, PAIRS, "m_[x](y)", TUNED))
    assert r"| a\|b\<i\> | 1 |" in text and r"- base: m\_\[x\]\(y\)" in text
