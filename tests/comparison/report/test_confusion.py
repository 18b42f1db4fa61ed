from dataclasses import replace
from typing import Any

from bitsft.comparison.comparison import compare
from bitsft.comparison.report.confusion import Matrices, confusion_section
from bitsft.comparison.report.words import words
from tests.comparison.evaluations import answer, evaluation, scored

TEXT = words("en")


def classified(predictions: list[str], labels: list[str], **values: Any) -> Any:
    answers = [
        answer(row, said, task="classification", prompt="p", reference=label, source={"label": label}, **values)
        for row, (said, label) in enumerate(zip(predictions, labels, strict=True))
    ]  # fmt: skip
    return evaluation(answers, scored("rougeL", [0.5] * len(answers)))


def matrices(base: Any, tuned: Any) -> list[Matrices]:
    section = confusion_section(compare(base, tuned, resamples=10), ("기본", "튜닝"), TEXT)
    assert section is not None
    return [block for block in section.blocks if isinstance(block, Matrices)]


def counts(matrix: Any) -> list[list[int]]:
    return [[cell.count for cell in cells] for _, cells in matrix.rows]


def test_both_models_side_by_side() -> None:
    labels = ["긍정", "긍정", "부정", "부정"]
    base = classified(["긍정", "부정", "긍정", "모름"], labels)
    tuned = classified(["긍정", "긍정", "부정", "긍정"], labels)
    (block,) = matrices(base, tuned)
    ours, theirs = block.matrices
    assert ours.columns == ("긍정", "부정", "(no label)")
    assert counts(ours) == [[1, 1, 0], [1, 0, 1]]
    assert theirs.columns == ("긍정", "부정")  # nothing that is no label
    assert counts(theirs) == [[2, 0], [1, 1]]
    cells = theirs.rows[1][1]
    assert [(cell.share, cell.is_right) for cell in cells] == [(0.5, False), (0.5, True)]


def test_most_likely_labels_have_matrices_of_their_own() -> None:
    likely = {"긍정": -1.0, "부정": -2.0, "중립": -3.0}
    base = classified(["", ""], ["긍정", "부정"], likelihoods=likely)
    (block,) = matrices(base, base)
    assert block.heading == "Most likely labels"
    assert counts(block.matrices[0]) == [[1, 0, 0], [1, 0, 0], [0, 0, 0]]


def test_many_labels_are_put_together() -> None:
    labels = [f"레이블{n:02}" for n in range(25)] + ["레이블24"]
    base = classified(labels, labels)
    (block,) = matrices(base, base)
    matrix = block.matrices[0]
    assert len(matrix.rows) == len(matrix.columns) == 21
    assert matrix.rows[-1][0] == "5 others"
    assert "레이블24" in matrix.columns  # it occurs twice
    assert sum(map(sum, counts(matrix))) == 26
    assert counts(matrix)[-1][-1] == 5


def test_nothing_without_classification() -> None:
    base = evaluation([answer(0)], scored("rougeL", [0.5]))
    assert confusion_section(compare(base, replace(base), resamples=10), ("a", "b"), TEXT) is None
