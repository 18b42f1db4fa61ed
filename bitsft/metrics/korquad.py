"""Exact match and character F1 for short answers, as KorQuAD 1.0's official script defines them.

Normalization: quotes ' " ‘ ’ and brackets ( ) < > 《 》 〈 〉 become spaces, letters become lower
case, ASCII punctuation is deleted, runs of whitespace become one space. Then

    exact match = the two normalized texts are equal,
    character F1 = F of the two multisets of characters without spaces (particles cost little).

Source: evaluate-v1.0.py of https://korquad.github.io (many Korean QA projects carry a copy).
Differences: NFC comes first; values run from 0 to 1, where the script prints percent; a blank
prediction scores 0 and equal texts score 1 even when normalization leaves nothing of them ("!!").
One reference per row: for several accepted answers take the maximum yourself.
"""

import string
from collections import Counter
from collections.abc import Sequence

from bitsft.metrics.pairs import read_pairs, same_text
from bitsft.metrics.score import Score

_TO_SPACE = str.maketrans(dict.fromkeys("'\"《》<>〈〉()‘’", " "))
_DELETED = str.maketrans("", "", string.punctuation)
_SIGNATURE = "nrefs:1|case:lc|norm:nfc+korquad-1.0|agg:mean|equal:1"


def normalize_answer(text: str) -> str:
    """KorQuAD's normalization of one answer.

    Example:
        >>> normalize_answer("《서울》 특별시(Seoul).")
        '서울 특별시 seoul'
    """
    return " ".join(text.translate(_TO_SPACE).lower().translate(_DELETED).split())


def exact_match(predictions: Sequence[str], references: Sequence[str]) -> dict[str, Score]:
    """Share of the rows whose normalized texts are equal, 0 to 1.

    Args:
        predictions: n texts.
        references: n texts.

    Returns:
        `{"exact_match": Score}`.

    Raises:
        ValueError: When the lists are empty or differ in length.
    """
    predictions, references = read_pairs(predictions, references)
    hits = 0
    for prediction, reference in zip(predictions, references, strict=True):
        answer = normalize_answer(prediction)
        hits += same_text(prediction, reference) or (
            answer != "" and answer == normalize_answer(reference)
        )
    return {"exact_match": Score("exact_match", hits / len(predictions), _SIGNATURE)}


def char_f1(predictions: Sequence[str], references: Sequence[str]) -> dict[str, Score]:
    """Mean F1 of the answers' characters, 0 to 1.

    Args:
        predictions: n texts.
        references: n texts.

    Returns:
        `{"char_f1": Score}`.

    Raises:
        ValueError: When the lists are empty or differ in length.
    """
    predictions, references = read_pairs(predictions, references)
    total = sum(map(_row_f1, predictions, references))
    return {"char_f1": Score("char_f1", total / len(predictions), f"unit:char|{_SIGNATURE}")}


def _row_f1(prediction: str, reference: str) -> float:
    if same_text(prediction, reference):
        return 1.0
    predicted = Counter(normalize_answer(prediction).replace(" ", ""))
    expected = Counter(normalize_answer(reference).replace(" ", ""))
    shared = (predicted & expected).total()
    if shared == 0:
        return 0.0
    precision = shared / predicted.total()
    recall = shared / expected.total()
    return 2 * precision * recall / (precision + recall)
