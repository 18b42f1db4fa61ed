"""Nested question files -> a row for each question.

SQuAD, KorQuAD 1.0 and KLUE-MRC nest `data[] -> paragraphs[] -> qas[]`; KorQuAD 2 leaves the paragraphs
out, and gives `answer` in place of `answers`. Each question becomes

    {"id", "title", "context", "question", "answers": {"text": [...], "answer_start": [...]}}

which is the shape that the Hub's `squad` and `squad_kor_v1` have. `is_impossible` stays where it is
given; other keys of the nested form (KLUE's `question_type`, KorQuAD 2's `raw_html`) are left out.

Source of the form: https://rajpurkar.github.io/SQuAD-explorer/ and https://korquad.github.io/.
"""

from collections.abc import Iterator
from typing import Any

from bitsft.data.fields import shorten
from bitsft.data.read.faults import Fault, Row

_REMEDY = 'Give "context" as a text, and "qas" as a list of objects with "question" and "answers"'


def is_nested(row: Row) -> bool:
    """Whether an object holds questions the way SQuAD nests them."""
    return isinstance(row.get("paragraphs"), list) or isinstance(row.get("qas"), list)


def flatten(article: Row, place: str) -> Iterator[Row | Fault]:
    """Yield a row for each question of an article, or a fault in the place of a broken part.

    Args:
        article: An element of `data`.
        place: Where it is in the file.
    """
    paragraphs = article.get("paragraphs", [article])
    if not isinstance(paragraphs, list):
        yield _fault("paragraphs", paragraphs, place)
        return
    for paragraph in paragraphs:
        if not isinstance(paragraph, dict):
            yield _fault("paragraphs", paragraph, place)
            continue
        questions = paragraph.get("qas")
        if not isinstance(questions, list):
            yield _fault("qas", questions, place)
            continue
        for question in questions:
            yield _flat(article, paragraph, question, place)


def _flat(article: Row, paragraph: Row, question: Any, place: str) -> Row | Fault:
    if not isinstance(question, dict):
        return _fault("qas", question, place)
    answers = question.get("answers", question.get("answer"))
    if answers is None:
        answers = []
    elif isinstance(answers, dict):
        answers = [answers]
    if not isinstance(answers, list) or not all(isinstance(answer, dict) for answer in answers):
        return _fault("answers", answers, place)
    row = {
        "id": question.get("id", question.get("guid")),
        "title": article.get("title"),
        "context": paragraph.get("context"),
        "question": question.get("question"),
        "answers": {
            "text": [answer.get("text") for answer in answers],
            "answer_start": [answer.get("answer_start") for answer in answers],
        },
    }
    if "is_impossible" in question:
        row["is_impossible"] = question["is_impossible"]
    return row


def _fault(field: str, value: Any, place: str) -> Fault:
    return Fault(
        reason=f"has broken {field!r} in a nested question file",
        place=place,
        said=f"broken {field!r} in a nested question file: {shorten(value)}",
        remedy=_REMEDY,
        value=shorten(value),
    )
