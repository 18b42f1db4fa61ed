"""plan_batches: every row once, little padding, within the limits, the same plan each time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitsft.data.demo import load_demo_rows
from bitsft.data.format import format_record
from bitsft.evaluation.batches import Work, plan_batches


def test_longest_first_and_alike_together() -> None:
    prompts = [10, 100, 101, 11, 50]
    assert plan_batches(prompts, [1] * 5, batch_size=2) == [[2, 1], [4], [3, 0]]


def test_within_a_bucket_by_the_length_of_the_reference() -> None:
    prompts = [100, 100, 100, 100]
    assert plan_batches(prompts, [5, 90, 6, 91], batch_size=2) == [[3, 1], [2, 0]]


def test_a_budget_of_tokens_counts_the_answers() -> None:
    # 10 + 5 places a row: three rows make 45
    assert [
        len(b)
        for b in plan_batches([10] * 7, [1] * 7, batch_size=9, batch_tokens=45, max_new_tokens=5)
    ] == [3, 3, 1]


def test_one_row_may_exceed_the_budget() -> None:
    assert plan_batches([100, 100], [1, 1], batch_size=4, batch_tokens=50) == [[0], [1]]


@pytest.mark.parametrize("limits", [{"batch_size": 0}, {"batch_size": 4, "batch_tokens": 0}])
def test_limits_below_one(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="=0: it must be 1 or more"):
        plan_batches([1], [1], **limits)


@given(
    st.lists(st.tuples(st.integers(1, 5000), st.integers(0, 500)), max_size=200),
    st.integers(1, 40),
)
def test_each_row_once_and_no_batch_wastes_a_fifth(
    lengths: list[tuple[int, int]], batch_size: int
) -> None:
    prompts, references = [p for p, _ in lengths], [r for _, r in lengths]
    batches = plan_batches(prompts, references, batch_size=batch_size)
    assert sorted(row for batch in batches for row in batch) == list(range(len(prompts)))
    for batch in batches:
        assert 1 <= len(batch) <= batch_size
        width = max(prompts[row] for row in batch)
        assert sum(prompts[row] for row in batch) > 0.78 * width * len(batch)


@pytest.mark.parametrize("batch_size", [8, 16, 32])
def test_under_a_tenth_of_real_prompts_is_padding(batch_size: int) -> None:
    rows = [
        {**row, "task": task}
        for task in ("raft", "koalpaca")
        for row in load_demo_rows(f"train_{task}")
    ]
    texts = [format_record(row) for row in rows]
    prompts = [len(str(text["prompt"])) for text in texts]
    references = [len(str(text["completion"])) for text in texts]
    planned, in_order = Work(), Work()
    for batch in plan_batches(prompts, references, batch_size=batch_size):
        planned.add([prompts[row] for row in batch], [references[row] for row in batch], 1.0)
    for start in range(0, len(rows), batch_size):
        end = start + batch_size
        in_order.add(prompts[start:end], references[start:end], 1.0)
    ours, plain = planned.as_dict(), in_order.as_dict()
    assert ours["padding_share"] is not None and ours["padding_share"] < 0.1
    assert plain["padding_share"] is not None and plain["padding_share"] > 0.1
    assert ours["idle_share"] is not None and plain["idle_share"] is not None
    assert ours["idle_share"] < plain["idle_share"]


def test_work_in_places() -> None:
    work = Work()
    work.add([10, 8], [4, 2], 0.5)  # 2 of 20 places padding, 2 of 8 idle
    work.add([5], [4], 0.5)
    assert work.as_dict() == {
        "tokens": 10,
        "seconds": 1.0,
        "tokens_per_second": 10.0,
        "padding_share": 0.08,
        "idle_share": 0.1667,
    }


def test_no_work() -> None:
    assert Work().as_dict()["tokens_per_second"] is None
