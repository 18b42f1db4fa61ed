"""Score: its one-line form, intervals against a bootstrap by hand, parts of the rows, paired draws."""

import dataclasses

import numpy as np
import pytest

from bitsft.metrics import Score, bleu, score
from bitsft.metrics.classification import classification
from bitsft.metrics.score import (
    Statistics,
    join_tables,
    mean_score,
    ratio_score,
    resampled,
    rows_counted,
)


def test_prints_name_signature_and_value_on_one_line() -> None:
    made = Score("bleu", 35.930411196308434, "nrefs:1|tok:char")
    assert str(made) == "bleu|nrefs:1|tok:char = 35.93"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.875, "0.875"), (1.0, "1"), (100.0, "100"), (2 / 3, "0.6667"), (0.0, "0")],
)
def test_four_significant_digits_suit_both_scales(value: float, shown: str) -> None:
    assert str(Score("x", value, "s")) == f"x|s = {shown}"


def test_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Score("x", 1.0, "s").value = 2.0


def test_rows_do_not_decide_whether_scores_are_equal() -> None:
    assert mean_score("x", [0.0, 1.0], "s") == mean_score("x", [0.5, 0.5], "s")
    assert mean_score("x", [0.0, 1.0], "s") != mean_score("x", [0.0, 0.5], "s")


def test_mean_score_keeps_rows_and_goal() -> None:
    made = mean_score("x", [0.0, 0.25, 1.0, 1.0], "s", goal="lower")
    assert (made.value, type(made.value)) == (0.5625, float)
    assert made.rows.tolist() == [0.0, 0.25, 1.0, 1.0]
    assert made.rows.dtype == np.float64
    assert (made.name, made.signature, made.goal) == ("x", "s", "lower")


def test_ratio_score_divides_sums_and_knows_each_rows_ratio() -> None:
    made = ratio_score("bits", [1.0, 6.0, 0.0], [4.0, 3.0, 0.0], "s", goal="none")
    assert made.value == 1.0
    assert made.rows.tolist() == [0.25, 2.0, 0.0]
    assert ratio_score("bits", [0.0], [0.0], "s").value == 0.0
    assert made.subset([0]).value == 0.25


def test_interval_is_the_percentile_bootstrap() -> None:
    values = np.random.default_rng(3).normal(size=50)
    draws = np.random.default_rng(7).integers(50, size=(200, 50))
    means = [float(np.mean(values[draw])) for draw in draws]
    low, high = mean_score("x", values, "s").interval(0.9, resamples=200, seed=7)
    assert low == pytest.approx(np.quantile(means, 0.05), abs=1e-12)
    assert high == pytest.approx(np.quantile(means, 0.95), abs=1e-12)


def test_interval_of_a_ratio_draws_rows_not_values() -> None:
    above, below = np.arange(30.0), np.linspace(1.0, 9.0, 30)
    draws = np.random.default_rng(0).integers(30, size=(100, 30))
    ratios = [above[draw].sum() / below[draw].sum() for draw in draws]
    interval = ratio_score("x", above, below, "s").interval(resamples=100)
    assert interval == pytest.approx(np.quantile(ratios, [0.025, 0.975]), abs=1e-12)


def test_interval_of_bleu_is_bleu_of_the_rows_drawn() -> None:
    answers = ["가 나 다 라 마", "가 나 다", "나 다 라 마 가", "마 라"]
    expected = ["가 나 다 라 바", "가 나 라", "나 다 라 마", "마 라 다"]
    draws = np.random.default_rng(0).integers(4, size=(20, 4))
    values = [
        bleu([answers[i] for i in draw], [expected[i] for i in draw], tokenizer="word")[
            "bleu"
        ].value
        for draw in draws
    ]
    low, high = bleu(answers, expected, tokenizer="word")["bleu"].interval(0.5, resamples=20)
    assert (low, high) == pytest.approx(np.quantile(values, [0.25, 0.75]), abs=1e-9)


def test_interval_covers_a_known_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(400):
        low, high = mean_score("x", rng.normal(5.0, 2.0, size=60), "s").interval(
            resamples=300, seed=seed
        )
        covered += low <= 5.0 <= high
    assert 0.90 <= covered / 400 <= 0.975  # 95 %, a little less for 60 rows


def test_interval_of_equal_rows_is_a_point() -> None:
    assert mean_score("x", [0.5] * 10, "s").interval() == (0.5, 0.5)


def test_the_seed_decides_and_the_global_state_is_left_alone() -> None:
    made = mean_score("x", np.arange(40.0), "s")
    np.random.seed(1)
    before = np.random.get_state()[1].tolist()
    assert made.interval(seed=1) == made.interval(seed=1) != made.interval(seed=2)
    assert np.random.get_state()[1].tolist() == before


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0, -0.1])
def test_confidence_is_a_share(confidence: float) -> None:
    with pytest.raises(ValueError, match="must lie between 0 and 1, e.g. 0.95"):
        mean_score("x", [1.0, 2.0], "s").interval(confidence)


def test_subset_is_the_same_metric_of_those_rows() -> None:
    made = mean_score("x", [0.0, 0.25, 1.0], "s", goal="lower")
    part = made.subset([2, 1])
    assert (part.value, part.name, part.signature, part.goal) == (0.625, "x", "s", "lower")
    assert part.rows.tolist() == [1.0, 0.25]
    assert part.subset(np.array([1])).value == 0.25
    assert made.value == pytest.approx(1.25 / 3)


def test_subset_of_bleu_is_bleu_of_the_subset() -> None:
    answers = ["서울 인구는 약 1천만 명입니다", "네", "부산에는 바다가 있다", ""]
    expected = ["서울의 인구는 약 천만 명입니다", "예", "부산에는 큰 바다가 있다", "없음"]
    whole = bleu(answers, expected, tokenizer="char", precisions=True)
    part = bleu(
        [answers[2], answers[0]], [expected[2], expected[0]], tokenizer="char", precisions=True
    )
    for name, made in whole.items():
        assert made.subset([2, 0]).value == pytest.approx(part[name].value, abs=1e-9)
        assert made.subset([2, 0]).rows.tolist() == pytest.approx(part[name].rows.tolist())


def test_a_subset_of_no_rows_has_no_value() -> None:
    with pytest.raises(ValueError, match="x: a subset of no rows has no value"):
        mean_score("x", [1.0], "s").subset([])


def test_a_score_without_statistics_says_so() -> None:
    for ask in (Score("x", 1.0, "s").interval, lambda: Score("x", 1.0, "s").subset([0])):
        with pytest.raises(ValueError, match="x was made without its statistics"):
            ask()


def test_statistics_give_the_value_of_chosen_rows() -> None:
    statistics = Statistics(np.array([[1.0, 2.0], [3.0, 4.0]]), lambda sums: sums[..., 0])
    assert statistics.value() == 4.0
    assert statistics.value([1]) == 3.0
    assert statistics.value(np.array([0, 0])) == 2.0


def test_draws_are_paired() -> None:
    """A model that is 0.1 better in every row is 0.1 better in every draw."""
    values = np.random.default_rng(0).normal(size=80)
    base, tuned = (mean_score("x", rows, "s").statistics for rows in (values, values + 0.1))
    first, second = resampled([base, tuned], resamples=50)
    assert second - first == pytest.approx(np.full(50, 0.1), abs=1e-12)
    assert np.ptp(first) > 0.1


def test_values_do_not_depend_on_what_is_resampled_along() -> None:
    one, other = (mean_score("x", rows, "s").statistics for rows in (np.arange(9.0), np.ones(9)))
    (alone,) = resampled([one], resamples=20, seed=4)
    along, _ = resampled([one, other], resamples=20, seed=4)
    assert alone.tolist() == along.tolist()
    assert alone.shape == (20,)


def test_draws_in_several_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """With many rows not all draws are made at once; each is still n out of n."""
    monkeypatch.setattr(score, "_DRAWN_AT_ONCE", 70)  # 3 draws of 20 rows
    (values,) = resampled([mean_score("x", np.arange(20.0), "s").statistics], resamples=400)
    assert len(values) == 400 and len(set(values.tolist())) > 50
    assert np.mean(values) == pytest.approx(9.5, abs=0.3)
    assert np.std(values) == pytest.approx(np.std(np.arange(20)) / np.sqrt(20), rel=0.15)


@pytest.mark.parametrize(
    ("lengths", "resamples", "message"),
    [
        ((3, 4), 10, r"tables of \[3, 4\] rows cannot be resampled together"),
        ((3,), 0, "resamples=0: it must be 1 or more"),
        ((0,), 10, "no rows to draw from"),
    ],
)
def test_what_cannot_be_resampled(lengths: tuple[int, ...], resamples: int, message: str) -> None:
    tables = [Statistics(np.ones((n, 2)), lambda sums: sums[..., 0]) for n in lengths]
    with pytest.raises(ValueError, match=message):
        resampled(tables, resamples)


def test_a_table_that_metrics_share_is_joined_once_and_no_value_changes() -> None:
    scores = classification(["긍정", "부정", "긍정", "글쎄"], ["긍정", "긍정", "부정", "부정"])
    shared = [scores[f"macro_{name}"].statistics for name in ("precision", "recall", "f1")]
    statistics = [scores["accuracy"].statistics, *shared, scores["weighted_f1"].statistics]
    found = [one for one in statistics if one is not None]
    (joined,), columns = join_tables(found)
    assert joined.shape == (4, 2 + 6)  # the mean's two, and three for each of two labels
    assert columns == [slice(0, 2), *[slice(2, 8)] * 4]
    for one, together in zip(found, resampled(found, 50), strict=True):
        assert together.tolist() == resampled([one], 50)[0].tolist()


def test_tables_are_joined_once_only_where_both_sides_share_them() -> None:
    table, other = np.ones((2, 1)), np.zeros((2, 1))
    shared = [Statistics(table, np.sum)] * 2
    apart = [Statistics(table, np.sum), Statistics(other, np.sum)]
    (one, two), columns = join_tables(shared, apart)
    assert one.tolist() == [[1, 1]] * 2 and two.tolist() == [[1, 0]] * 2
    assert columns == [slice(0, 1), slice(1, 2)]


def test_rows_that_a_score_leaves_out_are_not_counted() -> None:
    assert rows_counted(mean_score("m", [0, 1, 0], "s")) == 3
    quotes = ratio_score("q", [0, 0, 1], [0, 1, 1], "s")
    left_out = np.array([np.nan, 0, 1])
    assert rows_counted(Score("q", 0.5, "s", left_out, quotes.statistics)) == 2
    none = ratio_score("q", [0, 0], [0, 0], "s")
    assert rows_counted(Score("q", 0, "s", np.full(2, np.nan), none.statistics)) == 0
    macro = classification(["긍정", "부정"], ["긍정", "긍정"])["macro_f1"]
    assert np.isnan(macro.rows).all() and rows_counted(macro) == 2
    assert rows_counted(Score("m", 0.5, "s")) is None
