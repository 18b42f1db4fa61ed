"""`classification` beside scikit-learn: every score, and the confusion matrix, on made and on real labels.

    python benchmarks/metrics/sklearn_parity.py
    python benchmarks/metrics/sklearn_parity.py --train sentiment_train.jsonl --test sentiment_test.jsonl

Made: 1,000 rows each of 2 to 40 classes of uneven frequency; the answers are right in six of ten cases, the rest
is another class or no label at all. Real: reviews with `document` and `label` (NSMC, https://github.com/e9t/nsmc,
CC0); a naive Bayes classifier learns from the first file, and its answers to the second are written out as a model
might write them ("긍정입니다.", '"부정"', "긍정적\\n### 질문: ..."), so that reading them is measured too.

scikit-learn gets the labels and computes accuracy_score, precision_recall_fscore_support(zero_division=0) and
confusion_matrix. The exit status is 1 when a score differs by more than 1e-6, or a count at all.
"""

import argparse
import json
import platform
import random
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sklearn.feature_extraction.text import CountVectorizer
from sklearn.metrics import accuracy_score, precision_recall_fscore_support
from sklearn.metrics import confusion_matrix as sklearn_matrix
from sklearn.naive_bayes import MultinomialNB

from bitsft.metrics import classification, confusion_matrix

TOLERANCE = 1e-6
OTHER = "(other)"
NAMES = ("부정", "긍정")
WORDINGS = (
    "{label}",
    "{label}입니다.",
    '"{label}"',
    "**{label}**",
    "{label}적이다",
    "{label}적\n### 질문: 다음 글을 분류하세요.",
    "{label}: 그렇게 읽힌다.",
)
NO_LABEL = ("", "모르겠습니다.", "긍정, 부정", "긍정도 부정도 아닙니다")


def made(labels: list[str], rows: int, seed: int) -> tuple[list[str], list[str]]:
    rng = random.Random(seed)
    references = rng.choices(labels, [1 / (at + 1) for at in range(len(labels))], k=rows)
    answers = [
        one if rng.random() < 0.6 else rng.choice([*labels, "모르겠어요"]) for one in references
    ]
    return answers, references


def read_reviews(path: Path) -> tuple[list[str], list[str]]:
    with path.open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [row["document"] for row in rows], [NAMES[int(row["label"])] for row in rows]


def real(train: Path, test: Path) -> tuple[list[str], list[str]]:
    """What naive Bayes makes of the test reviews, and their labels."""
    vectorizer = CountVectorizer(analyzer="char", ngram_range=(1, 3), min_df=2)
    texts, labels = read_reviews(train)
    model = MultinomialNB().fit(vectorizer.fit_transform(texts), labels)
    texts, references = read_reviews(test)
    return [str(label) for label in model.predict(vectorizer.transform(texts))], references


def worded(answers: list[str], seed: int) -> tuple[list[str], list[str]]:
    """The answers as texts, one in fifty without a label, and what scikit-learn is to see of each."""
    rng = random.Random(seed)
    texts, known = [], []
    for answer in answers:
        none = rng.random() < 0.02
        texts.append(rng.choice(NO_LABEL) if none else rng.choice(WORDINGS).format(label=answer))
        known.append(OTHER if none else answer)
    return texts, known


def differences(
    texts: list[str], known: list[str], references: list[str], labels: list[str]
) -> dict[str, Any]:
    """The largest difference of a score, cells that differ, and what it took."""
    start = time.perf_counter()
    scores = classification(texts, references, labels=labels)
    seconds = time.perf_counter() - start
    settings: dict[str, Any] = {"labels": labels, "zero_division": 0}
    macro = precision_recall_fscore_support(references, known, average="macro", **settings)
    weighted = precision_recall_fscore_support(references, known, average="weighted", **settings)
    each = precision_recall_fscore_support(references, known, average=None, **settings)
    expected = {
        "accuracy": accuracy_score(references, known),
        "macro_precision": macro[0],
        "macro_recall": macro[1],
        "macro_f1": macro[2],
        "weighted_f1": weighted[2],
    }
    for name, values in zip(("precision", "recall", "f1"), each[:3], strict=True):
        expected |= {f"{name}[{label}]": value for label, value in zip(labels, values, strict=True)}
    counts = confusion_matrix(texts, references, labels).counts
    square = sklearn_matrix(references, known, labels=[*labels, OTHER])[:-1]
    return {
        "rows": len(texts),
        "classes": len(labels),
        "scores": len(expected),
        "largest_difference": max(
            abs(scores[name].value - float(value)) for name, value in expected.items()
        ),
        "cells_that_differ": int((counts != square).sum()),
        "accuracy": round(scores["accuracy"].value, 4),
        "macro_f1": round(scores["macro_f1"].value, 4),
        "macro_f1_interval": [round(end, 4) for end in scores["macro_f1"].interval()],
        "no_label": round(scores["no_label"].value, 4),
        "seconds": round(seconds, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", type=Path, help="JSON lines with document and label (0 or 1)")
    parser.add_argument("--test", type=Path, help="the same, not in --train")
    parser.add_argument("--output", type=Path, help="write the numbers there as JSON")
    arguments = parser.parse_args()
    if (arguments.train is None) != (arguments.test is None):
        parser.error("--train and --test belong together")

    results: dict[str, Any] = {}
    for classes in (2, 3, 10, 40):
        labels = [f"분류 {number}" for number in range(classes)]
        answers, references = made(labels, 1000, seed=classes)
        known = [answer if answer in labels else OTHER for answer in answers]
        results[f"made, {classes} classes"] = differences(answers, known, references, labels)
    if arguments.test is not None:
        answers, references = real(arguments.train, arguments.test)
        texts, known = worded(answers, seed=0)
        results[arguments.test.name] = differences(texts, known, references, list(NAMES))

    for name, result in results.items():
        print(
            f"{name:<24} {result['rows']:>6} rows  {result['scores']:>4} scores  largest difference "
            f"{result['largest_difference']:.1e}  cells that differ {result['cells_that_differ']}"
        )
    if arguments.output is not None:
        versions = {name: version(name) for name in ("bitsft", "scikit-learn", "numpy")}
        report = {"python": platform.python_version(), "versions": versions, "results": results}
        arguments.output.write_text(
            json.dumps(report, ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
        )
    if any(
        result["largest_difference"] > TOLERANCE or result["cells_that_differ"]
        for result in results.values()
    ):
        sys.exit("scores differ from scikit-learn's by more than 1e-6, or counts differ")


if __name__ == "__main__":
    main()
