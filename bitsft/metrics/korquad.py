"""Exact match and character F1 for short answers, as KorQuAD 1.0's official script defines them.

Normalization: quotes ' " ‘ ’ and brackets ( ) < > 《 》 〈 〉 become spaces, letters become lower
case, ASCII punctuation is deleted, runs of whitespace become one space. Then

    exact match = the two normalized texts are equal,
    character F1 = F of the two multisets of characters without spaces (particles cost little).

Source: evaluate-v1.0.py of https://korquad.github.io (many Korean QA projects carry a copy).
Differences: NFC comes first; values run from 0 to 1, where the script prints percent; a blank
prediction scores 0 and equal texts score 1 even when normalization leaves nothing of them ("!!").

A question may have several accepted answers: a row's reference is then a list of them, and the row's value is
the best over the list, as in the script.
"""

import string
from collections import Counter
from collections.abc import Callable, Sequence

from bitsft.metrics.pairs import read_accepted, same_text
from bitsft.metrics.score import Score, mean_score

References = Sequence[str | Sequence[str]]

_TO_SPACE = str.maketrans(dict.fromkeys("'\"《》<>〈〉()‘’", " "))
_DELETED = str.maketrans("", "", string.punctuation)
_SIGNATURE = "case:lc|norm:nfc+korquad-1.0|agg:mean|equal:1"


def normalize_answer(text: str) -> str:
    """KorQuAD's normalization of one answer.

    Example:
        >>> normalize_answer("《서울》 특별시(Seoul).")
        '서울 특별시 seoul'
    """
    return " ".join(text.translate(_TO_SPACE).lower().translate(_DELETED).split())


def exact_match(predictions: Sequence[str], references: References) -> dict[str, Score]:
    """Share of the rows whose normalized texts are equal, 0 to 1.

    Args:
        predictions: n texts.
        references: n items, each one text or a list of accepted texts.

    Returns:
        `{"exact_match": Score}`.

    Raises:
        ValueError: When the lists are empty or differ in length, or a row accepts nothing.
    """
    rows, nrefs = _best(_row_match, predictions, references)
    return {"exact_match": mean_score("exact_match", rows, f"{nrefs}|{_SIGNATURE}")}


def char_f1(predictions: Sequence[str], references: References) -> dict[str, Score]:
    """Mean F1 of the answers' characters, 0 to 1.

    Args:
        predictions: n texts.
        references: n items, each one text or a list of accepted texts.

    Returns:
        `{"char_f1": Score}`.

    Raises:
        ValueError: When the lists are empty or differ in length, or a row accepts nothing.
    """
    rows, nrefs = _best(_row_f1, predictions, references)
    return {"char_f1": mean_score("char_f1", rows, f"unit:char|{nrefs}|{_SIGNATURE}")}


def _best(
    function: Callable[[str, str], float], predictions: Sequence[str], references: References
) -> tuple[list[float], str]:
    """The best value of each row over its references, and `nrefs:...`."""
    predictions, accepted = read_accepted(predictions, references)
    rows = [
        max(function(prediction, reference) for reference in several)
        for prediction, several in zip(predictions, accepted, strict=True)
    ]
    counts = {len(several) for several in accepted}
    return rows, f"nrefs:{counts.pop() if len(counts) == 1 else 'var'}"


def _row_match(prediction: str, reference: str) -> float:
    if same_text(prediction, reference):
        return 1.0
    answer = normalize_answer(prediction)
    return float(answer != "" and answer == normalize_answer(reference))


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
