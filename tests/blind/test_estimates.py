"""Wilson's interval and the sign test by hand; means with the bootstrap."""

import pytest

from bitsft.blind.estimates import Estimate, mean, share, sign_test


@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    [
        (
            7,
            10,
            0.396778,
            0.892209,
        ),  # (0.7 + z²/20 ± z √(0.021 + z²/400)) / (1 + z²/10), z = 1.959964
        (0, 10, 0.0, 0.277533),  # (z²/20 ± z²/20) / (1 + z²/10)
        (10, 10, 0.722467, 1.0),
        (1, 1, 0.206549, 1.0),  # 1 / (1 + z²)
    ],
)
def test_wilson(successes: int, total: int, low: float, high: float) -> None:
    found = share(successes, total)
    assert found.value == successes / total and found.rows == total
    assert found.low == pytest.approx(low, abs=1e-6)
    assert found.high == pytest.approx(high, abs=1e-6)


def test_a_share_of_nothing() -> None:
    assert share(0, 0) == Estimate(None, None, None, 0)


def test_mean() -> None:
    found = mean([0.0, 1.0] * 50)
    assert found.value == 0.5 and found.rows == 100
    assert found.low is not None and found.high is not None
    assert found.low == pytest.approx(0.402, abs=0.02)  # 0.5 ± 1.96 · 0.05
    assert found.high == pytest.approx(0.598, abs=0.02)


def test_few_rows_have_no_interval() -> None:
    assert mean([0.25]) == Estimate(0.25, None, None, 1)
    assert mean([]) == Estimate(None, None, None, 0)


@pytest.mark.parametrize(
    ("wins", "losses", "p"), [(9, 1, 0.021484375), (5, 5, 1.0), (0, 6, 0.03125), (1, 0, 1.0)]
)
def test_sign_test(wins: int, losses: int, p: float) -> None:
    assert sign_test(wins, losses) == p
    assert sign_test(losses, wins) == p
