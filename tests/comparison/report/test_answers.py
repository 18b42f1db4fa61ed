from typing import Any

from bitsft.comparison.comparison import Comparison, compare
from bitsft.comparison.report.answers import Answers, answers_section, question_of
from bitsft.comparison.report.choice import choose_rows
from bitsft.comparison.report.words import words
from bitsft.pages.blocks import Note
from tests.comparison.evaluations import answer, evaluation, scored

TEXT = words("en")


def section_of(comparison: Comparison, rows: int = 100) -> tuple[str, Answers]:
    choice = choose_rows(comparison, rows, 0)
    section = answers_section(comparison, ("기본", "튜닝"), choice, 0, TEXT)
    note, answers = section.blocks
    assert isinstance(note, Note) and isinstance(answers, Answers)
    return note.text, answers


def two(base: dict[str, Any], tuned: dict[str, Any], rows: tuple[float, float] = (0.0, 1.0)) -> Comparison:  # fmt: skip
    return compare(
        evaluation([answer(7, **base)], scored("rougeL", [rows[0]])),
        evaluation([answer(7, **tuned)], scored("rougeL", [rows[1]])),
        resamples=10,
    )


def test_a_row_with_everything_that_is_known_of_it(comparison: Comparison) -> None:
    which, block = section_of(comparison)
    assert which == "All 30 rows."
    assert block.tasks == ("classification", "raft", "summarization")
    row = next(row for row in block.rows if row.task == "raft")
    assert row.id == "raft-1"
    assert row.metric == "RAFT answer correct"
    assert [role for role, _ in row.prompt] == ["system", "user"]
    assert [document.is_oracle for document in row.documents].count(True) == 1
    assert row.question.endswith("?")
    assert "RAFT answer F1" in {name for name, *_ in row.scores}


def test_gain_change_and_regression() -> None:
    _, block = section_of(two({"prediction": "가"}, {"prediction": "정답 7"}, (1.0, 0.25)))
    (row,) = block.rows
    assert (row.number, row.gain, row.gain_text) == (7, -0.75, "−0.750")
    assert (row.change, row.is_regression) == ("worse", True)
    assert [side.answer.verdict for side in row.sides] == ["unlike", "equal"]
    assert [side.score for side in row.sides] == ["1.000", "0.250"]


def test_a_row_regressed_by_the_metric_that_its_card_shows() -> None:
    answers = [answer(0, task="classification"), answer(1, task="summarization")]
    right = [scored("accuracy", [1.0])]
    base = evaluation(answers, scored("rougeL", [1.0, 1.0]), classification=right)
    tuned = evaluation(answers, scored("rougeL", [0.5, 0.5]), classification=right)
    comparison = compare(base, tuned, resamples=10)
    assert choose_rows(comparison, 100, 0).all_regressions == 1, "as the cards say"
    _, block = section_of(comparison)
    assert [(row.metric, row.change, row.is_regression) for row in block.rows] == [
        ("Accuracy", "same", False),
        ("ROUGE-L", "worse", True),
    ]


def test_long_texts_lose_their_middle_and_the_page_says_so() -> None:
    long = "처음 " + "가나 " * 2000 + "끝"
    which, block = section_of(two({"prediction": long, "reference": long}, {"reference": long}))
    assert which == (
        "All 1 rows. Texts of more than 2,000 characters are cut, in full they are in predictions.jsonl."
    )
    text = block.rows[0].reference
    assert text.startswith("처음") and text.endswith("끝")
    assert "characters left out" in text
    assert len(text) < 2100


def test_the_section_stays_small_where_texts_are_long() -> None:
    long = "가나다 " * 1000
    answers = [answer(row, long, reference=long, prompt=long) for row in range(400)]
    base = evaluation(answers, scored("rougeL", [0.5] * 400))
    which, block = section_of(compare(base, base, resamples=10, trials=10), 400)
    assert "more than 500 characters are cut" in which
    assert all(len(row.reference) < 600 for row in block.rows)


def test_the_question_without_the_template_around_it() -> None:
    shown = question_of(answer(0, prompt="틀: 무엇?", task="qa", source={"question": "무엇?"}))
    assert shown == "무엇?"
    assert question_of(answer(0, prompt="틀: 무엇?", task="qa")) == "틀: 무엇?"
    messages = [{"role": "system", "content": "도와라"}, {"role": "user", "content": "무엇?"}]
    assert question_of(answer(0, prompt=messages)) == "무엇?"


def test_a_row_that_no_metric_scores() -> None:
    nan = float("nan")
    base = evaluation([answer(0), answer(1)], scored("rougeL", [nan, 0.5]))
    _, block = section_of(compare(base, base, resamples=10))
    assert [(row.gain, row.gain_text, row.change) for row in block.rows] == [
        (None, "not scored", "none"),
        (0.0, "0.000", "same"),
    ]
