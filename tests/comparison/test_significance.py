"""The paired test against enumeration, scipy and sacreBLEU; intervals; Holm."""

import itertools

import numpy as np
import pytest

from bitsft.comparison.significance import holm, middle, paired_p_values, paired_values
from bitsft.metrics.score import Statistics, mean_score

FloatArray = np.ndarray


def _mean(values: FloatArray) -> Statistics:
    statistics = mean_score("m", values, "s").statistics
    assert statistics is not None
    return statistics


def _f1_of_sums(sums: FloatArray) -> FloatArray:
    """F1 from sums of hits, predicted and wanted: no mean of its rows."""
    below = sums[..., 1] + sums[..., 2]
    return np.divide(2 * sums[..., 0], below, out=np.zeros_like(below), where=below != 0)


def test_three_rows_that_all_gain_as_worked_out_by_hand() -> None:
    # 8 swaps; only "none" and "all" differ by 3 or more: 2/8
    (p,) = paired_p_values([_mean(np.zeros(3))], [_mean(np.ones(3))])
    assert p == 0.25


def test_up_to_twelve_rows_equals_the_enumeration_of_all_swaps() -> None:
    generator = np.random.default_rng(1)
    base, tuned = generator.integers(0, 9, (2, 9, 3)).astype(float)
    observed = abs(_f1_of_sums(tuned.sum(0)) - _f1_of_sums(base.sum(0)))
    reached = 0
    for swap in itertools.product([False, True], repeat=9):
        swapped = np.array(swap)[:, None]
        one, other = np.where(swapped, tuned, base), np.where(swapped, base, tuned)
        reached += abs(_f1_of_sums(other.sum(0)) - _f1_of_sums(one.sum(0))) >= observed - 1e-12
    (p,) = paired_p_values([Statistics(base, _f1_of_sums)], [Statistics(tuned, _f1_of_sums)])
    assert p == reached / 512
    assert 0.01 < p < 0.99


def test_of_means_equals_the_sign_flip_test_of_scipy() -> None:
    from scipy import stats

    generator = np.random.default_rng(2)
    base = generator.normal(size=11)
    tuned = base + generator.normal(0.5, 1, size=11)
    expected = stats.permutation_test(
        (base, tuned),
        lambda x, y, axis: np.mean(y - x, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
        alternative="two-sided",
    ).pvalue
    (p,) = paired_p_values([_mean(base)], [_mean(tuned)])
    assert p == pytest.approx(expected, abs=1e-12)


def test_sampled_swaps_come_near_the_exact_binomial_of_0_1_scores() -> None:
    # 40 rows, 30 alike, 9 gained, 1 lost: 2·P(X ≤ 1) of Binomial(10, 1/2) = 22/1024
    base = np.array([1.0] * 30 + [0.0] * 9 + [1.0])
    tuned = np.array([1.0] * 30 + [1.0] * 9 + [0.0])
    (p,) = paired_p_values([_mean(base)], [_mean(tuned)], trials=50_000)
    assert p == pytest.approx(22 / 1024, abs=0.002)


def test_is_of_the_size_that_sacrebleu_says_for_bleu_and_chrf() -> None:
    from sacrebleu.metrics import BLEU, CHRF
    from sacrebleu.significance import PairedTest, Result

    generator = np.random.default_rng(3)
    words = [f"word{at}" for at in range(40)]
    references = [" ".join(generator.choice(words, 9)) for _ in range(60)]

    def worsened(share: float) -> list[str]:
        return [
            " ".join(
                word if generator.random() > share else str(generator.choice(words))
                for word in reference.split()
            )
            for reference in references
        ]

    base, tuned = worsened(0.39), worsened(0.36)
    metrics: dict[str, BLEU | CHRF] = {"bleu": BLEU(), "chrf": CHRF()}
    _, found = PairedTest(
        [("base", base), ("tuned", tuned)],
        dict(metrics),
        [references],
        "ar",
        n_samples=4000,
    )()
    theirs = [
        result.p_value for name in ("BLEU", "chrF2") if isinstance(result := found[name][1], Result)
    ]

    def statistics(metric: BLEU | CHRF, texts: list[str]) -> Statistics:
        table = np.array(metric._extract_corpus_statistics(texts, [references]), np.float64)

        def of_sums(sums: FloatArray) -> FloatArray:
            flat = sums.reshape(-1, sums.shape[-1])
            values = [metric._compute_score_from_stats(line.tolist()).score for line in flat]
            return np.array(values).reshape(sums.shape[:-1])

        return Statistics(table, of_sums)

    ours = paired_p_values(
        [statistics(metric, base) for metric in metrics.values()],
        [statistics(metric, tuned) for metric in metrics.values()],
        trials=4000,
    )
    assert ours == pytest.approx(theirs, abs=0.03)
    assert all(0.01 < p < 0.5 for p in ours), ours


def test_p_is_uniform_when_both_models_are_alike() -> None:
    generator = np.random.default_rng(4)
    found = []
    for _ in range(300):
        base, tuned = generator.normal(size=(2, 25))
        found += paired_p_values([_mean(base)], [_mean(tuned)], trials=400)
    # 300 draws: within four standard errors of the share expected below each level
    for level in (0.05, 0.25, 0.5, 0.9):
        assert np.mean(np.array(found) <= level) == pytest.approx(
            level, abs=4 * (level * (1 - level) / 300) ** 0.5
        )


def test_ties_count_so_that_0_1_scores_are_not_called_different_too_often() -> None:
    generator = np.random.default_rng(5)
    base, tuned = generator.integers(0, 2, (2, 400, 16)).astype(float)
    found = np.array(
        [
            paired_p_values([_mean(a)], [_mean(b)], trials=300)[0]
            for a, b in zip(base, tuned, strict=True)
        ]
    )
    assert np.mean(found <= 0.05) < 0.05 + 4 * (0.05 * 0.95 / 400) ** 0.5


@pytest.mark.parametrize("rows", [5, 40])
def test_the_order_of_the_two_models_does_not_matter(rows: int) -> None:
    base, tuned = np.random.default_rng(6).normal(size=(2, rows))
    assert paired_p_values([_mean(base)], [_mean(tuned)]) == paired_p_values(
        [_mean(tuned)], [_mean(base)]
    )


@pytest.mark.parametrize("rows", [3, 100])
def test_equal_answers_have_p_1(rows: int) -> None:
    same = np.random.default_rng(7).random(rows)
    assert paired_p_values([_mean(same)], [_mean(same)]) == [1.0]


def test_the_smallest_p_is_one_of_the_trials() -> None:
    (p,) = paired_p_values([_mean(np.zeros(100))], [_mean(np.ones(100))], trials=99)
    assert p == 0.01


def test_a_metric_has_the_same_p_alone_and_among_others() -> None:
    one, two, three = (_mean(values) for values in np.random.default_rng(8).random((3, 50)))
    assert paired_p_values([one, one], [two, three])[1:] == paired_p_values([one], [three])


def test_draws_depend_on_the_seed_and_leave_the_global_state_alone() -> None:
    base, tuned = (_mean(values) for values in np.random.default_rng(9).random((2, 50)))
    before = np.random.get_state()[1].tolist()  # type: ignore[index]
    first = paired_p_values([base], [tuned], seed=1)
    assert first == paired_p_values([base], [tuned], seed=1)
    assert first != paired_p_values([base], [tuned], seed=2)
    assert np.random.get_state()[1].tolist() == before  # type: ignore[index]


def test_both_models_see_the_same_rows_in_each_draw() -> None:
    base = np.random.default_rng(10).random(30)
    ((before, after),) = paired_values([_mean(base)], [_mean(base + 0.25)])
    assert after - before == pytest.approx(np.full(1000, 0.25))


def test_the_interval_of_the_difference_is_that_of_the_differences() -> None:
    base, tuned = np.random.default_rng(11).random((2, 80))
    ((before, after),) = paired_values([_mean(base)], [_mean(tuned)], resamples=20_000)
    low, high = middle(after - before)
    gains = tuned - base
    error = gains.std() / 80**0.5
    assert low == pytest.approx(gains.mean() - 1.96 * error, abs=0.1 * error)
    assert high == pytest.approx(gains.mean() + 1.96 * error, abs=0.1 * error)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], []),
        ([0.2], [0.2]),
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        ([0.01, 0.02, 0.02, 0.9], [0.04, 0.06, 0.06, 0.9]),
        ([0.6, 0.7], [1.0, 1.0]),
    ],
)
def test_holm_as_worked_out_by_hand(given: list[float], expected: list[float]) -> None:
    assert holm(given) == pytest.approx(expected)


def test_no_metrics_have_no_p_values() -> None:
    assert paired_p_values([], []) == []
    assert paired_values([], []) == []


def test_tables_that_do_not_fit_are_refused() -> None:
    three, four = _mean(np.ones(3)), _mean(np.ones(4))
    with pytest.raises(ValueError, match=r"metric 0: tables of the shapes \(3, 2\) and \(4, 2\)"):
        paired_p_values([three], [four])
    with pytest.raises(ValueError, match=r"tables of \[3, 4\] rows"):
        paired_p_values([three, four], [three, four])
    with pytest.raises(ValueError, match="1 metrics of one model and 0 of the other"):
        paired_values([three], [])
    with pytest.raises(ValueError, match="no rows to test"):
        empty = Statistics(np.zeros((0, 2)), three.of_sums)
        paired_p_values([empty], [empty])
    with pytest.raises(ValueError, match="trials=0"):
        paired_p_values([three], [three], trials=0)
