"""The confusion matrix: by hand, and equal to scikit-learn's."""

import random

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix as sklearn_matrix

from bitsft.metrics import confusion_matrix

REFERENCES = ["긍정", "긍정", "긍정", "부정", "부정"]
ANSWERS = ["긍정입니다", "부정", "모름", "부정.", "긍정"]


def test_confusion_matrix_has_a_column_for_other_answers() -> None:
    matrix = confusion_matrix(ANSWERS, REFERENCES)
    assert matrix.labels == ("긍정", "부정")
    assert matrix.columns == ("긍정", "부정", "(other)")
    assert matrix.counts.dtype == np.int64
    assert matrix.counts.tolist() == [[1, 1, 1], [1, 1, 0]]
    assert matrix.as_dict() == {
        "labels": ["긍정", "부정"],
        "columns": ["긍정", "부정", "(other)"],
        "counts": [[1, 1, 1], [1, 1, 0]],
    }
    assert str(matrix) == (
        "true/predicted   긍정   부정   (other)\n긍정   1   1   1\n부정   1   1   0"
    )


@pytest.mark.parametrize("labels", [["긍정", "부정"], list("가나다라마바사"), ["1", "10", "100"]])
def test_equals_scikit_learn(labels: list[str]) -> None:
    rng = random.Random(len(labels))
    references = rng.choices(labels, range(1, len(labels) + 1), k=1000)
    answers = rng.choices([*labels, "모르겠어요", ""], k=1000)
    known = [answer if answer in labels else "(other)" for answer in answers]
    square = sklearn_matrix(references, known, labels=[*labels, "(other)"])
    assert confusion_matrix(answers, references, labels).counts.tolist() == square[:-1].tolist()


def test_a_label_that_is_not_among_the_classes() -> None:
    with pytest.raises(ValueError, match=r"references\[0\] is '중립', which is not among"):
        confusion_matrix(["긍정"], ["중립"], ["긍정", "부정"])
