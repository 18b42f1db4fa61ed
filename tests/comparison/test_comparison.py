"""compare: the same rows only, what lands in the table, which metric decides, what is noted."""

import dataclasses

import numpy as np
import pytest

from bitsft.comparison import compare
from bitsft.metrics.score import Score, Statistics, mean_score
from tests.comparison.evaluations import answer, evaluation, scored, simple


def test_a_line_holds_what_was_worked_out_by_hand() -> None:
    base, tuned = simple([0.0, 0.5, 0.5, 1.0]), simple([0.5, 1.0, 1.0, 1.0])
    (line,) = compare(base, tuned).table["all"]
    assert (line.task, line.metric, line.rows, line.signature) == ("all", "rougeL", 4, "s")
    assert (line.base, line.tuned, line.difference, line.relative_gain) == (0.5, 0.875, 0.375, 0.75)
    # 16 swaps; the fourth row moves nothing, so 2 of the 8 others: none and all three
    assert line.p == line.adjusted_p == 0.25
    assert line.verdict == "no difference shown"


def test_intervals_are_those_of_the_scores_themselves() -> None:
    base, tuned = simple([0.1, 0.4, 0.2, 0.9] * 10), simple([0.3, 0.4, 0.6, 1.0] * 10)
    (line,) = compare(base, tuned, seed=3).table["all"]
    assert line.base_interval == base.scores["all"]["rougeL"].interval(seed=3)
    assert line.tuned_interval == tuned.scores["all"]["rougeL"].interval(seed=3)
    assert line.difference_interval is not None
    low, high = line.difference_interval
    # the four gains are 0.2, 0, 0.4, 0.1: mean 0.175, standard error 0.148/√40
    assert low == pytest.approx(0.175 - 1.96 * 0.0234, abs=0.006)
    assert high == pytest.approx(0.175 + 1.96 * 0.0234, abs=0.006)


@pytest.mark.parametrize(
    ("goal", "verdict"), [("higher", "better"), ("lower", "worse"), ("none", "changed")]
)
def test_the_goal_says_what_a_rise_means(goal: str, verdict: str) -> None:
    base, tuned = simple([1.0] * 20, goal=goal), simple([2.0] * 20, goal=goal)
    (line,) = compare(base, tuned).table["all"]
    assert line.verdict == verdict
    assert line.p == pytest.approx(1 / 10_001)


def test_there_is_no_relative_gain_over_nothing() -> None:
    (line,) = compare(simple([0.0, 0.0]), simple([1.0, 1.0])).table["all"]
    assert line.difference == 1.0
    assert line.relative_gain is None


def test_a_metric_without_its_rows_is_shown_and_not_tested() -> None:
    base = evaluation([answer(0)], Score("corpus", 2.0, "s"))
    tuned = evaluation([answer(0)], Score("corpus", 3.0, "s"))
    (line,) = compare(base, tuned).table["all"]
    assert (line.difference, line.relative_gain) == (1.0, 0.5)
    assert (line.p, line.base_interval, line.verdict) == (None, None, "not tested")


def test_p_values_are_adjusted_for_the_metrics_of_the_table() -> None:
    same = [1.0] * 8
    answers = [answer(row) for row in range(8)]
    base = evaluation(answers, scored("a", [0.0] * 8), scored("b", same), scored("c", same))
    tuned = evaluation(answers, scored("a", [1.0] * 8), scored("b", same), scored("c", same))
    lines = {line.metric: line for line in compare(base, tuned).table["all"]}
    assert lines["a"].p == 2 / 256
    assert lines["a"].adjusted_p == 3 * 2 / 256
    assert lines["b"].adjusted_p == 1.0


def test_single_classes_do_not_take_from_the_main_metrics() -> None:
    answers = [answer(row) for row in range(8)]
    names = ["accuracy", *(f"f1[{label}]" for label in "abcd")]
    base = evaluation(answers, *(scored(name, [0.0] * 8) for name in names))
    tuned = evaluation(answers, *(scored(name, [1.0] * 8) for name in names))
    lines = {line.metric: line for line in compare(base, tuned).table["all"]}
    assert lines["accuracy"].adjusted_p == 2 / 256
    assert lines["f1[a]"].adjusted_p == 4 * 2 / 256


def test_other_signatures_and_missing_metrics_make_no_line() -> None:
    answers = [answer(0), answer(1)]
    base = evaluation(answers, scored("a", [0, 1], "tok:char"), scored("b", [0, 1]))
    tuned = evaluation(answers, scored("a", [0, 1], "tok:mecab"), scored("c", [0, 1]))
    comparison = compare(base, tuned)
    assert comparison.table == {}
    assert [(one.metric, one.reason) for one in comparison.left_out] == [
        ("a", "the signatures differ: base tok:char, tuned tok:mecab"),
        ("b", "tuned has no such score"),
        ("c", "base has no such score"),
    ]


def test_rows_hold_both_answers_and_their_scores() -> None:
    comparison = compare(simple([0.25, 0.5], model="x"), simple([0.75, 0.5], model="y"))
    first = comparison.rows[0]
    assert (first.row, first.base.prediction, first.tuned.prediction) == (0, "x 0", "y 0")
    assert first.scores == {"rougeL": (0.25, 0.75)}


def test_scores_of_a_task_belong_to_its_rows_only() -> None:
    answers = [answer(0, task="qa"), answer(1, task="raft"), answer(2, task="qa")]
    base = evaluation(answers, scored("rougeL", [0, 0, 0]), qa=[scored("exact_match", [0, 1])])
    tuned = evaluation(answers, scored("rougeL", [0, 1, 0]), qa=[scored("exact_match", [1, 1])])
    comparison = compare(base, tuned)
    assert [pair.scores for pair in comparison.rows] == [
        {"rougeL": (0, 0), "exact_match": (0, 1)},
        {"rougeL": (0, 1)},
        {"rougeL": (0, 0), "exact_match": (1, 1)},
    ]
    assert comparison.table["qa"][0].rows == 2
    assert comparison.changes["qa"].metric == "exact_match"
    assert [change.row for change in comparison.changes["qa"].best] == [0]


def test_a_metric_that_says_nothing_of_a_row_is_not_there() -> None:
    nan = float("nan")
    base, tuned = simple([nan, 0.5]), simple([1.0, 0.5])
    assert [pair.scores for pair in compare(base, tuned).rows] == [{}, {"rougeL": (0.5, 0.5)}]


def test_another_prompt_is_refused_with_its_row() -> None:
    base = evaluation([answer(0), answer(4)], scored("m", [0, 0]))
    tuned = evaluation([answer(0), answer(4, prompt="다른 질문")], scored("m", [0, 0]))
    with pytest.raises(ValueError, match=r"row 4 has another prompt.*'질문 4'.*'다른 질문'"):
        compare(base, tuned)


def test_another_reference_is_refused_even_where_what_is_shown_of_it_is_the_same() -> None:
    long = "가" * 200
    base = evaluation([answer(0, reference=long + "나")], scored("m", [0]))
    tuned = evaluation([answer(0, reference=long + "다")], scored("m", [0]))
    with pytest.raises(ValueError, match="row 0 has another reference") as refused:
        compare(base, tuned)
    one, other = str(refused.value).split("hash ")[1:]
    assert one[:16] != other[:16]


def test_other_columns_are_refused_and_a_tuple_is_no_other_than_its_list_from_a_file() -> None:
    base = evaluation([answer(0, source={"answers": ["서울"]})], scored("m", [0]))
    same = evaluation([answer(0, source={"answers": ("서울",)})], scored("m", [0]))
    other = evaluation([answer(0, source={"answers": ["서울", "서울시"]})], scored("m", [0]))
    assert len(compare(base, same).rows) == 1
    with pytest.raises(ValueError, match="row 0 has another source"):
        compare(base, other)


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        ([0, 1, 2], [0, 2], "row 1 was not answered by tuned"),
        ([0, 2], [0, 1, 2], "row 1 was not answered by base"),
        ([0, 1], [0], "row 1 was not answered by tuned: base has 2 rows, tuned 1"),
        ([0], [0, 5], "row 5 was not answered by base: base has 1 rows, tuned 2"),
    ],
)
def test_other_rows_are_refused_with_the_first_that_is_missing(
    ours: list[int], theirs: list[int], said: str
) -> None:
    base = evaluation([answer(row) for row in ours], scored("m", [0] * len(ours)))
    tuned = evaluation([answer(row) for row in theirs], scored("m", [0] * len(theirs)))
    with pytest.raises(ValueError, match=said):
        compare(base, tuned)


def test_no_rows_are_refused() -> None:
    empty = dataclasses.replace(simple([1.0]), answers=(), scores={})
    with pytest.raises(ValueError, match="hold no rows"):
        compare(empty, empty)


def test_other_decoding_few_rows_and_cut_answers_are_noted() -> None:
    base = simple([0.0] * 3)
    tuned = dataclasses.replace(
        simple([1.0] * 3),
        answers=tuple(answer(row, "other", finished=row > 0) for row in range(3)),
        decoding="sampled|temperature:0.7",
    )
    decoding, few, cut = compare(base, tuned).notes
    assert "decoded differently" in decoding
    assert "base greedy; tuned sampled|temperature:0.7" in decoding
    assert few.startswith("Fewer than 30 rows (3)")
    assert cut == "Answers cut off at the token limit: tuned 1 of 3."


def test_thirty_rows_need_no_note() -> None:
    assert compare(simple([0.0] * 30), simple([1.0] * 30, model="n")).notes == ()


def test_a_model_compared_with_itself_is_noted() -> None:
    (note,) = compare(simple([1.0] * 30), simple([1.0] * 30)).notes
    assert note == (
        "Both models gave the same answer to every row. Are BASE and TUNED the same model?"
    )


def test_the_seed_decides_everything() -> None:
    base, tuned = simple([0.1, 0.4, 0.2, 0.9] * 10), simple([0.3, 0.5, 0.1, 0.8] * 10)
    first, again, other = (compare(base, tuned, seed=seed).table for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_metric_can_be_chosen() -> None:
    answers = [answer(0), answer(1)]
    base = evaluation(answers, scored("rougeL", [0, 1]), scored("char_f1", [1, 0]))
    tuned = evaluation(answers, scored("rougeL", [1, 1]), scored("char_f1", [1, 1]))
    assert compare(base, tuned).changes["all"].metric == "rougeL"
    changes = compare(base, tuned, by="char_f1").changes["all"]
    assert changes.metric == "char_f1"
    assert [change.row for change in changes.best] == [1]


def test_settings_out_of_range_are_refused() -> None:
    base, tuned = simple([0.0]), simple([1.0])
    with pytest.raises(ValueError, match="by='bleu9'.*use one of rougeL"):
        compare(base, tuned, by="bleu9")
    with pytest.raises(ValueError, match=r"regression=-0.1: it must be 0 or more"):
        compare(base, tuned, regression=-0.1)
    with pytest.raises(ValueError, match="resamples=0, trials=10000"):
        compare(base, tuned, resamples=0)


def test_rows_of_a_line_are_those_that_neither_side_leaves_out() -> None:
    def quotes(rows: list[float]) -> Score:
        table = np.array([[0, 0] if np.isnan(row) else [row, 1] for row in rows], dtype=float)
        statistics = mean_score("q", [0.0], "s").statistics
        assert statistics is not None
        whole = Statistics(table, statistics.of_sums)
        return Score("q", whole.value(), "s", np.array(rows), whole)

    nan = float("nan")
    answers = [answer(row) for row in range(3)]
    base = evaluation(answers, quotes([1, 0, nan]))
    tuned = evaluation(answers, quotes([nan, 0, nan]))
    (line,) = compare(base, tuned).table["all"]
    assert (line.rows, line.base, line.tuned) == (1, 0.5, 0.0)
