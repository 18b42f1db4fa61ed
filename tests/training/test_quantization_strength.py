"""λ over the steps of a warm-up."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitsft.training.quantization_strength import WarmupSchedule, quantization_strength

SCHEDULES: list[WarmupSchedule] = ["linear", "sigmoid", "cosine"]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        # t = 0, 1/4, 1/2, 3/4, 1 and after the end
        ("linear", [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]),
        ("cosine", [0.0, 0.1464466094067262, 0.5, 0.8535533905932737, 1.0, 1.0]),
        # 1 / (1 + exp(25)) = 1.39e-11 at a quarter
        ("sigmoid", [0.0, 1.388794386496e-11, 0.5, 1.0, 1.0, 1.0]),
    ],
)
def test_known_values(schedule: WarmupSchedule, expected: list[float]) -> None:
    values = [quantization_strength(step, 200.0, schedule) for step in (0, 50, 100, 150, 200, 999)]
    assert values == pytest.approx(expected, rel=1e-5, abs=1e-15)
    assert values[0] == 0.0 and values[4:] == [1.0, 1.0]


@pytest.mark.parametrize("step", range(460, 541, 5))
def test_sigmoid_is_that_of_the_blog(step: int) -> None:
    """Its `sigmoid_scheduler(step, total_steps, k)`, with k = 100."""
    blog = 1 / (1 + math.exp(-100 * (step / 1000 - 0.5)))
    assert quantization_strength(step, 1000, "sigmoid") == pytest.approx(blog, rel=1e-12)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_without_a_warmup_it_is_ternary_at_once(schedule: WarmupSchedule) -> None:
    assert quantization_strength(0, 0.0, schedule) == 1.0


@given(st.sampled_from(SCHEDULES), st.floats(0.1, 1e6), st.integers(0, 10**6), st.integers(0, 100))
def test_it_never_falls_and_stays_within_0_and_1(
    schedule: WarmupSchedule, warmup_steps: float, step: int, more: int
) -> None:
    now = quantization_strength(step, warmup_steps, schedule)
    later = quantization_strength(step + more, warmup_steps, schedule)
    assert 0.0 <= now <= later <= 1.0
