"""Classification: worked out by hand, and equal to scikit-learn."""

import random
from pathlib import Path

import evaluate
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from bitsft.metrics import AnswerShape, Classification
from bitsft.metrics.classification import (
    classification,
    classification_by_likelihood,
    most_likely,
)

REFERENCES = ["긍정", "긍정", "긍정", "부정", "부정"]
ANSWERS = ["긍정입니다", "부정", "모름", "부정.", "긍정"]


def test_by_hand() -> None:
    scores = {name: score.value for name, score in classification(ANSWERS, REFERENCES).items()}
    assert scores == pytest.approx(
        {
            "accuracy": 2 / 5,
            "macro_precision": 1 / 2,
            "macro_recall": (1 / 3 + 1 / 2) / 2,
            "macro_f1": (2 / 5 + 1 / 2) / 2,
            "weighted_f1": (3 * 2 / 5 + 2 * 1 / 2) / 5,
            "precision[긍정]": 1 / 2,
            "recall[긍정]": 1 / 3,
            "f1[긍정]": 2 / 5,
            "precision[부정]": 1 / 2,
            "recall[부정]": 1 / 2,
            "f1[부정]": 1 / 2,
            "no_label": 1 / 5,
        }
    )


def test_rows_goals_and_signatures() -> None:
    scores = classification(ANSWERS, REFERENCES)
    nan = np.nan
    for name, rows in {
        "accuracy": [1, 0, 0, 1, 0],
        "precision[긍정]": [1, nan, nan, nan, 0],
        "recall[긍정]": [1, 0, 0, nan, nan],
        "f1[긍정]": [1, 0, 0, nan, 0],
        "no_label": [0, 0, 1, 0, 0],
        "macro_f1": [nan] * 5,
    }.items():
        np.testing.assert_array_equal(scores[name].rows, rows, err_msg=name)
    assert {name for name, score in scores.items() if score.goal != "higher"} == {"no_label"}
    assert scores["no_label"].goal == "lower"
    assert scores["accuracy"].signature == "labels:긍정,부정|read:clause|norm:nfc+casefold"
    assert scores["macro_f1"].signature == (
        "labels:긍정,부정|read:clause|norm:nfc+casefold|zero_division:0|avg:macro"
    )


def made(labels: list[str], rows: int, seed: int) -> tuple[list[str], list[str]]:
    """Labels of uneven frequency, answers right in six of ten cases, some of them no label."""
    rng = random.Random(seed)
    weights = [1 / (at + 1) for at in range(len(labels))]
    references = rng.choices(labels, weights, k=rows)
    answers = [
        reference if rng.random() < 0.6 else rng.choice([*labels, "모르겠어요", ""])
        for reference in references
    ]
    return answers, references


def expected_of_sklearn(
    answers: list[str], references: list[str], labels: list[str]
) -> dict[str, float]:
    known = [answer if answer in labels else "(other)" for answer in answers]
    settings = {"labels": labels, "zero_division": 0}
    expected = {"accuracy": accuracy_score(references, known)}
    for average in ("macro", "weighted"):
        three = precision_recall_fscore_support(references, known, average=average, **settings)[:3]
        names = ("precision", "recall", "f1")
        expected |= {f"{average}_{n}": value for n, value in zip(names, three, strict=True)}
    each = precision_recall_fscore_support(references, known, average=None, **settings)
    for name, values in zip(("precision", "recall", "f1"), each[:3], strict=True):
        expected |= {f"{name}[{label}]": value for label, value in zip(labels, values, strict=True)}
    return expected


@pytest.mark.parametrize("labels", [["긍정", "부정"], list("가나다라마바사"), ["1", "10", "100"]])
def test_equals_scikit_learn(labels: list[str]) -> None:
    answers, references = made(labels, 1000, seed=len(labels))
    scores = classification(answers, references, labels=labels)
    expected = expected_of_sklearn(answers, references, labels)
    assert set(expected) - set(scores) == {"weighted_precision", "weighted_recall"}
    for name, score in scores.items():
        if name != "no_label":
            assert score.value == pytest.approx(expected[name], abs=1e-12), name


def test_a_part_equals_scoring_the_part() -> None:
    labels = list("가나다")
    answers, references = made(labels, 60, seed=5)
    part = [row for row in range(60) if references[row] != "다"]  # a class vanishes from it
    whole = classification(answers, references)
    alone = classification(
        [answers[row] for row in part], [references[row] for row in part], labels=labels
    )
    for name, score in alone.items():
        assert whole[name].subset(part).value == pytest.approx(score.value), name


def test_macro_f1_has_an_interval_around_it() -> None:
    answers, references = made(["긍정", "부정"], 400, seed=1)
    score = classification(answers, references)["macro_f1"]
    low, high = score.interval()
    assert low < score.value < high
    assert (
        0.05 < high - low < 0.2
    )  # of a share near 0.65 over 400 rows: 4 · sqrt(.65·.35/400) = 0.095


def test_labels_of_the_references_in_several_spellings_are_one_class() -> None:
    scores = classification(["true", "FALSE"], ["True", "FALSE"])
    assert scores["accuracy"].value == 1.0
    scores = classification(["true"] * 3, ["True", "TRUE", " true"])
    assert "f1[True]" in scores and "f1[TRUE]" not in scores


def test_without_classes_and_with_many() -> None:
    labels = [f"분류{number}" for number in range(40)]
    answers, references = made(labels, 500, seed=2)
    scores = classification(answers, references, labels=labels, per_class=False)
    assert list(scores) == [
        "accuracy",
        "macro_precision",
        "macro_recall",
        "macro_f1",
        "weighted_f1",
        "no_label",
    ]
    names = scores["accuracy"].signature.split("|")[0]
    assert names.startswith("labels:40-") and len(names) == len("labels:40-") + 8


def test_by_likelihood() -> None:
    rows = [
        {"긍정": -1.0, "부정": -2.0},
        {"긍정": -3.0, "부정": -2.0},
        {"긍정": -1.0, "부정": -1.0},  # of equal ones the first
    ]
    assert most_likely(rows) == ["긍정", "부정", "긍정"]
    scores = classification_by_likelihood(rows, ["긍정", "부정", "부정"], settings="eos:no")
    assert scores["likelihood_accuracy"].value == pytest.approx(2 / 3)
    assert scores["likelihood_f1[긍정]"].value == pytest.approx(2 / 3)
    assert scores["likelihood_accuracy"].signature == "labels:긍정,부정|read:likelihood|eos:no"
    assert all(name.startswith("likelihood_") for name in scores)
    assert "likelihood_no_label" not in scores


def test_as_metrics_of_evaluate(tmp_path: Path) -> None:
    cache = {"cache_dir": str(tmp_path)}
    metric = evaluate.combine(
        [
            Classification(labels=["긍정", "부정"], per_class=False, **cache),
            AnswerShape(tokenizer="word", **cache),
        ]
    )
    metric.add_batch(predictions=ANSWERS, references=REFERENCES)
    values = metric.compute()
    assert values["macro_f1"] == pytest.approx(0.45)
    assert values["answer_tokens"] == 1.0
    assert "f1[긍정]" not in values


def test_errors() -> None:
    with pytest.raises(ValueError, match="both lists are empty"):
        classification([], [])
    with pytest.raises(ValueError, match=r"references\[1\] is blank"):
        classification(["가", "나"], ["가", " "])
    with pytest.raises(
        ValueError, match=r"references\[1\] is '중립', which is not among the labels"
    ):
        classification(["긍정", "긍정"], ["긍정", "중립"], labels=["긍정", "부정"])
    with pytest.raises(ValueError, match="no likelihoods to score"):
        classification_by_likelihood([], [])
    with pytest.raises(ValueError, match=r"likelihoods\[1\] has the labels"):
        most_likely([{"가": -1.0}, {"나": -1.0}])
    with pytest.raises(ValueError, match=r"likelihoods\[0\] holds NaN"):
        most_likely([{"가": float("nan"), "나": -1.0}])
