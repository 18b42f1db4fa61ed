"""The labels of classified rows."""

from typing import Any

import pytest

from bitsft.evaluation import Answer, score_answers
from bitsft.evaluation.labels import labels_of, measures_end
from bitsft.evaluation.rows import read_data


def test_labels_are_those_of_all_rows_sorted(rows: list[dict[str, Any]]) -> None:
    assert labels_of(read_data(rows)) == ("긍정", "부정")
    first = read_data(rows[5:], rows=1, draw="first")
    assert [question.source["label"] for question in first.questions] == ["긍정"]
    assert labels_of(first) == ("긍정", "부정")


def test_spellings_of_one_label_are_one_class_as_in_the_scores() -> None:
    rows = [
        {"task": "classification", "text": text, "label": label}
        for text, label in (("a", "Good"), ("b", "good"), ("c", "bad"))
    ]
    data = read_data(rows)
    assert labels_of(data) == ("Good", "bad")
    assert labels_of(data, ["GOOD", "bad"]) == ("GOOD", "bad")
    with pytest.raises(ValueError, match="'Good' and 'good', which differ in case"):
        labels_of(data, ["Good", "good", "bad"])
    answers = [
        Answer(q.number, q.row.prompt, q.row.reference, "good", 1, True, q.task, source=q.source)
        for q in data.questions
    ]
    scores = score_answers(answers, labels=labels_of(data))
    assert scores["classification"]["accuracy"].value == pytest.approx(2 / 3)


def test_labels_that_the_user_names(rows: list[dict[str, Any]]) -> None:
    data = read_data(rows)
    assert labels_of(data, ["중립", "부정", "긍정"]) == ("중립", "부정", "긍정")
    with pytest.raises(ValueError, match="row 6: has the label '부정', which is not among 긍정"):
        labels_of(data, ["긍정"])
    with pytest.raises(ValueError, match="is one text"):
        labels_of(data, "긍정")


def test_rows_that_are_no_classification(rows: list[dict[str, Any]]) -> None:
    assert labels_of(read_data(rows[:5])) is None
    with pytest.raises(ValueError, match="has no classification rows"):
        labels_of(read_data(rows[:5]), ["긍정"])


def test_the_end_counts_where_one_label_begins_another() -> None:
    assert measures_end(["1", "10"])
    assert not measures_end(["긍정", "부정", "매우 긍정"])
