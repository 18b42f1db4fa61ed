"""The two lists that every metric takes, checked and brought to one Unicode form.

macOS file names and some PDF extractors give Hangul in NFD (conjoining jamo) while models write
NFC: without a common form two identical texts share no character. NFC is used, never NFKC, which
would turn ㅋㅋ into other jamo and ㎏ into kg. NUL becomes a space: MeCab stops reading there.
"""

import re
import unicodedata
from collections.abc import Sequence

_SURROGATE = re.compile("[\ud800-\udfff]")


def read_pairs(
    predictions: Sequence[str], references: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Check that the two lists belong together, and normalize their texts to NFC.

    Args:
        predictions: n texts written by a model; may be empty strings.
        references: n texts, one per prediction.

    Returns:
        The two lists, normalized. The arguments are left as they are.

    Raises:
        ValueError: When the lists are empty or differ in length, or a text holds half a surrogate
            pair (a broken JSON escape), which no tokenizer can read.
        TypeError: When a list is a bare string, or an item is not a string (with its row number).
    """
    _check_lists(predictions, references)
    return _normalized("predictions", predictions), _normalized("references", references)


def read_accepted(
    predictions: Sequence[str], references: "Sequence[str | Sequence[str]]"
) -> tuple[list[str], list[list[str]]]:
    """As `read_pairs`, where a row may have several references that are all right.

    Args:
        predictions: n texts written by a model; may be empty strings.
        references: n items, each one text or a list of one or more.

    Returns:
        The predictions and for each its references, normalized.

    Raises:
        ValueError: As `read_pairs`, or when a row's list is empty.
        TypeError: As `read_pairs`.
    """
    _check_lists(predictions, references)
    accepted = []
    for row, item in enumerate(references):
        if isinstance(item, (list, tuple)):
            if not item:
                raise ValueError(
                    f"references[{row}] is an empty list: give that row one right answer, or drop it"
                )
            accepted.append(_normalized(f"references[{row}]", item))
        else:
            accepted.append([_normalized_text("references", row, item)])
    return _normalized("predictions", predictions), accepted


def is_blank(text: str) -> bool:
    """Whether `text` holds nothing but whitespace; such a prediction scores 0 in every metric."""
    return not text.strip()


def same_text(prediction: str, reference: str) -> bool:
    """Whether both hold the same words in the same order, and at least one; whitespace is free."""
    words = prediction.split()
    return bool(words) and words == reference.split()


def _check_lists(predictions: Sequence[object], references: Sequence[object]) -> None:
    for name, texts in (("predictions", predictions), ("references", references)):
        if isinstance(texts, str):
            raise TypeError(
                f"{name} is one string ({texts[:40]!r}), but a list of strings is needed: "
                f"put it in brackets"
            )
    if len(predictions) != len(references):
        raise ValueError(
            f"{len(predictions)} predictions but {len(references)} references: "
            "row i of one list belongs to row i of the other"
        )
    if len(predictions) == 0:
        raise ValueError("no predictions to score: both lists are empty")


def _normalized(name: str, texts: Sequence[str]) -> list[str]:
    return [_normalized_text(name, row, text) for row, text in enumerate(texts)]


def _normalized_text(name: str, row: int, text: object) -> str:
    if not isinstance(text, str):
        raise TypeError(
            f"{name}[{row}] is {type(text).__name__} ({str(text)[:40]}), not a string: "
            "convert or drop that row"
        )
    if _SURROGATE.search(text):
        raise ValueError(
            f"{name}[{row}] holds half of a surrogate pair ({text[:40]!r}): the file it came "
            "from was cut inside a character; repair or drop that row"
        )
    return unicodedata.normalize("NFC", text).replace("\x00", " ")
