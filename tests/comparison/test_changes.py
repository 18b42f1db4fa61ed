"""Best and worst changes, what counts as a regression, which metric decides."""

import pytest

from bitsft.comparison import compare
from bitsft.comparison.changes import Change, chosen_metric
from tests.comparison.evaluations import answer, evaluation, scored, simple


def _rows(changes: tuple[Change, ...]) -> list[int]:
    return [change.row for change in changes]


def test_best_and_worst_come_largest_first_and_rows_that_stayed_are_neither() -> None:
    comparison = compare(simple([0.5, 0.5, 0.5, 0.5, 0.5]), simple([0.6, 0.1, 0.5, 0.9, 0.3]))
    changes = comparison.changes["all"]
    assert _rows(changes.best) == [3, 0]
    assert _rows(changes.worst) == [1, 4]
    assert (changes.better, changes.worse, changes.same) == (2, 2, 1)
    assert changes.worst[0].gain == pytest.approx(-0.4)
    assert (changes.worst[0].base, changes.worst[0].tuned) == (0.5, 0.1)


def test_equal_changes_keep_the_order_of_the_rows() -> None:
    changes = compare(simple([0.0, 1.0] * 3), simple([1.0, 0.0] * 3)).changes["all"]
    assert _rows(changes.best) == [0, 2, 4]
    assert _rows(changes.worst) == [1, 3, 5]


def test_ten_of_the_best_are_kept_and_all_regressions() -> None:
    changes = compare(simple([1.0] * 15 + [0.0] * 15), simple([0.0] * 15 + [1.0] * 15)).changes[
        "all"
    ]
    assert (len(changes.best), len(changes.worst), len(changes.regressions)) == (10, 10, 15)


def test_of_0_and_1_a_regression_was_right_and_is_wrong() -> None:
    base, tuned = (
        simple([1, 1, 0, 0], metric="exact_match"),
        simple([1, 0, 1, 0], metric="exact_match"),
    )
    changes = compare(base, tuned).changes["all"]
    assert _rows(changes.regressions) == [1]
    assert changes.rule == "right before (1), wrong now (0)"


@pytest.mark.parametrize(
    ("metric", "before", "after", "expected", "rule"),
    [
        ("rougeL", [0.5, 0.5], [0.45, 0.35], [1], "lost more than 0.1"),
        ("chrf", [50.0, 50.0], [45.0, 35.0], [1], "lost more than 10"),
        ("bleu1_precision", [0.5, 0.5], [0.45, 0.35], [1], "lost more than 0.1"),
    ],
)
def test_elsewhere_it_lost_more_than_a_tenth_of_the_scale(
    metric: str, before: list[float], after: list[float], expected: list[int], rule: str
) -> None:
    changes = compare(simple(before, metric=metric), simple(after, metric=metric)).changes["all"]
    assert _rows(changes.regressions) == expected
    assert changes.rule == rule


def test_of_0_and_1_where_lower_is_better_1_is_the_regression() -> None:
    base = simple([0, 1, 0], metric="loops", goal="lower")
    tuned = simple([1, 0, 0], metric="loops", goal="lower")
    changes = compare(base, tuned).changes["all"]
    assert _rows(changes.regressions) == [0]
    assert changes.rule == "0 before, 1 now"


def test_the_loss_can_be_stated() -> None:
    changes = compare(simple([0.5, 0.5]), simple([0.45, 0.3]), regression=0.02).changes["all"]
    assert _rows(changes.regressions) == [1, 0]
    assert changes.rule == "lost more than 0.02"


def test_of_a_metric_that_should_fall_a_fall_is_a_gain() -> None:
    base = simple([2.0, 3.0], metric="perplexity", goal="lower")
    tuned = simple([1.0, 4.0], metric="perplexity", goal="lower")
    changes = compare(base, tuned).changes["all"]
    assert (_rows(changes.best), _rows(changes.worst)) == ([0], [1])
    assert changes.best[0].gain == 1.0


@pytest.mark.parametrize(
    ("task", "names", "expected"),
    [
        ("classification", ["rougeL", "exact_match", "accuracy"], "accuracy"),
        ("classification", ["rougeL", "likelihood_accuracy"], "likelihood_accuracy"),
        ("raft", ["rougeL", "exact_match", "raft_answer_correct"], "raft_answer_correct"),
        ("qa", ["rougeL", "exact_match"], "exact_match"),
        ("summarization", ["exact_match", "rouge1", "rougeL"], "rougeL"),
        ("koalpaca", ["exact_match", "chrf"], "chrf"),
        (None, ["custom"], "custom"),
    ],
)
def test_the_metric_suits_the_task(task: str | None, names: list[str], expected: str) -> None:
    one = evaluation([answer(0, task=task)], *(scored(name, [1.0]) for name in names))
    assert chosen_metric(one, one, "all") == expected


def test_over_several_tasks_it_is_one_that_all_have() -> None:
    answers = [answer(0, task="qa"), answer(1, task="summarization")]
    one = evaluation(answers, scored("exact_match", [0, 1]), scored("rougeL", [0, 1]))
    assert chosen_metric(one, one, "all") == "rougeL"


def test_lengths_and_means_over_classes_rank_no_rows() -> None:
    nan = float("nan")
    one = evaluation(
        [answer(0)], scored("answer_chars", [9.0], goal="none"), scored("macro_f1", [nan])
    )
    assert chosen_metric(one, one, "all") is None
    assert compare(one, one).changes == {}
