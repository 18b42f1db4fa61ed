"""The table in a terminal."""

from bitsft.comparison import compare
from bitsft.comparison.terminal import comparison_as_text
from tests.comparison.evaluations import answer, evaluation, scored, simple


def test_the_whole_of_a_small_one() -> None:
    answers = [answer(row) for row in range(40)]
    base = evaluation(answers, scored("rouge1", [0.5] * 40), scored("한국어", [20.0] * 40))
    others = [answer(row, "다른 답") for row in range(40)]
    tuned = evaluation(others, scored("rouge1", [0.75] * 40), scored("한국어", [20.0] * 40))
    assert comparison_as_text(compare(base, tuned)) == (
        "All (40 rows)\n"
        "metric    base  tuned        difference [95 %]  relative     p (Holm)\n"
        "ROUGE-1  0.500  0.750  +0.250 [+0.250, +0.250]   +50.0 %  < 0.001 ***  better\n"
        "한국어    20.0   20.0           0.0 [0.0, 0.0]    +0.0 %        1.000  no difference shown\n"
        "\n"
        "ROUGE-1 by rows: 40 better, 0 worse, 0 the same; 0 regressions (lost more than 0.1)"
    )


def test_a_terminal_obeys_nothing_that_stands_in_data() -> None:
    escape = "\x1b[31m"
    one = evaluation([answer(0)], scored(f"a{escape}\nb", [1.0]))
    assert escape not in comparison_as_text(compare(one, one))
    assert "a⟨U+001B⟩[31m b" in comparison_as_text(compare(one, one))


def test_notes_and_left_out_metrics_are_said() -> None:
    base = evaluation([answer(0)], scored("rouge1", [1.0], "a"))
    tuned = evaluation([answer(0)], scored("rouge1", [1.0], "b"))
    said = comparison_as_text(compare(base, tuned))
    assert "Not compared: rouge1 (all): the signatures differ: base a, tuned b" in said
    assert "Note: Fewer than 30 rows (1)" in said


def test_details_are_left_to_the_files_unless_there_is_nothing_else() -> None:
    assert "ROUGE-1 recall" in comparison_as_text(
        compare(simple([1.0], metric="rouge1_recall"), simple([1.0], metric="rouge1_recall"))
    )
    one = evaluation([answer(0)], scored("rouge1", [1.0]), scored("rouge1_recall", [1.0]))
    assert "recall" not in comparison_as_text(compare(one, one))
    assert "ROUGE-1 recall" in comparison_as_text(compare(one, one), details=True)
