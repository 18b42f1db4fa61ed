"""The cosine metrics against human judgement of Korean: Spearman correlation on a KorSTS file.

    python benchmarks/metrics/korsts.py sts-test.tsv
    python benchmarks/metrics/korsts.py sts-test.tsv --model FOLDER --function MODULE:NAME

KorSTS (Ham et al. 2020, https://github.com/kakaobrain/kor-nlu-datasets, CC BY-SA 4.0) holds pairs of sentences
that people judged from 0 (nothing in common) to 5 (same meaning). `cosine_similarity` scores each pair for
itself; Spearman's rank correlation with the judgements says how well its order follows theirs. Always
measured: `cosine_tfidf_jamo`, TF-IDF of character n-grams (scikit-learn), hashed character n-grams without
weights, and the other text metrics of each row. Embedders at hand are added by `--model` (the folder of a
sentence-transformers model) and `--function` (an importable function from a list of texts to an array).

The first sentence counts as prediction, the second as reference. The idf comes from the second sentences.
"""

import argparse
import csv
import importlib
import json
import platform
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer

from bitsft.metrics import bleu, char_f1, chrf, cosine_similarity, meteor, rouge


def read_korsts(path: Path) -> tuple[list[str], list[str], np.ndarray]:
    """First sentences, second sentences, judgements. Fields are not quoted: stray quotes are text."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    judged = np.array([float(row["score"]) for row in rows])
    return [row["sentence1"] for row in rows], [row["sentence2"] for row in rows], judged


def vectorized(
    vectorizer: TfidfVectorizer | HashingVectorizer, first: list[str], second: list[str]
):
    """Cosine of each pair under a scikit-learn vectorizer, fitted on the second sentences."""
    expected = vectorizer.fit_transform(second)
    return np.asarray(vectorizer.transform(first).multiply(expected).sum(axis=1)).ravel()


def write(path: Path, file: Path, pairs: int, results: list[dict[str, Any]]) -> None:
    packages = ("sentence-transformers", "scikit-learn", "rouge-score", "sacrebleu")
    report = {
        "file": file.name,
        "pairs": pairs,
        "results": results,
        "python": platform.python_version(),
        "packages": {package: version(package) for package in packages},
    }
    text = json.dumps(report, ensure_ascii=False, indent=2)
    path.write_text(text + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="sts-test.tsv of KorSTS")
    parser.add_argument("--model", type=Path, action="append", default=[])
    parser.add_argument("--function", action="append", default=[], help="MODULE:NAME")
    parser.add_argument("--output", type=Path, help="write the numbers there as JSON")
    arguments = parser.parse_args()
    first, second, judged = read_korsts(arguments.file)

    jobs = {
        "cosine_tfidf_jamo": lambda: cosine_similarity(first, second)["cosine_tfidf_jamo"].rows,
        "TF-IDF of characters, 2-4": lambda: vectorized(
            TfidfVectorizer(analyzer="char", ngram_range=(2, 4)), first, second
        ),
        "hashed characters, 2-4": lambda: vectorized(
            HashingVectorizer(analyzer="char", ngram_range=(2, 4), alternate_sign=False),
            first,
            second,
        ),
        "rouge1": lambda: rouge(first, second)["rouge1"].rows,
        "rougeL": lambda: rouge(first, second)["rougeL"].rows,
        "meteor": lambda: meteor(first, second)["meteor"].rows,
        "bleu of the sentence": lambda: bleu(first, second)["bleu"].rows,
        "chrf of the sentence": lambda: chrf(first, second)["chrf"].rows,
        "char_f1": lambda: char_f1(first, second)["char_f1"].rows,
    }
    for folder in arguments.model:
        jobs[folder.name] = lambda folder=folder: embedded(folder)
    for name in arguments.function:
        module, function = name.split(":")
        jobs[name] = lambda module=module, function=function: embedded(
            getattr(importlib.import_module(module), function)
        )

    signatures = {}

    def embedded(embedder: Any) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of unreadable words; their share is in the signature
            score = cosine_similarity(first, second, embedder=embedder)["cosine"]
        signatures["last"] = score.signature
        return score.rows

    results = []
    for name, job in jobs.items():
        signatures.clear()
        start = time.perf_counter()
        values = job()
        seconds = time.perf_counter() - start
        result = {
            "scorer": name,
            "spearman": round(float(spearmanr(values, judged).statistic), 4),
            "seconds": round(seconds, 2),
        }
        if signatures:
            result["signature"] = signatures["last"]
        results.append(result)
        print(f"{result['spearman']:7.3f}  {seconds:6.1f} s  {name}", flush=True)
        if arguments.output:  # after each: a slow embedder may be stopped
            write(arguments.output, arguments.file, len(judged), results)


if __name__ == "__main__":
    main()
