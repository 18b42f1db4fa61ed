"""QA rows: a question, the paragraph that answers it, and the accepted answers.

Shapes of the answers, in `answers` or `answer`:

- SQuAD's and KorQuAD's on the Hub: `{"text": ["서울"], "answer_start": [0]}`;
- those of their files: `[{"text": "서울", "answer_start": 0}]`;
- a list of texts, or one text.

Answers that occur twice are kept once. An `answer_start` (in characters, of the context as it stands in
the row) says that the answer is a part of the context, so such an answer must occur there, or the row
is refused. Where it occurs does not matter: a start that is off by some characters (counted in bytes, or
in another Unicode form) changes nothing of what a model is trained on, and starts are not kept, since
cleaning would move them.

A question without an answer (SQuAD 2.0: an empty list, or `is_impossible`) is refused unless
`no_answer` says in which words it is answered: what a model says then is a choice, not a default.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field
from typing_extensions import Self

from bitsft.data.check.schema import FILL_IN, OptionalText, RowSchema, Text
from bitsft.data.fields import RowError, check_mapping, is_missing

_FORMS = "Give a text, a list of texts, or {'text': [...], 'answer_start': [...]}"
# What str() makes of SQuAD's answers, e.g. in a CSV file.
_PRINTED = re.compile(r"\s*\[?\s*\{\s*['\"](?:text|answer_start)['\"]\s*:")


class QARow(RowSchema):
    """A question, its context and the accepted answers.

    Attributes:
        question: The question.
        context: The paragraph to answer it from.
        answers: The accepted answers, each once; the first is the one to learn.
        title: The title of the document that the paragraph is from.
    """

    task: ClassVar[str] = "qa"
    needs: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("question",),
        ("context",),
        ("answers", "answer"),
    )
    reads: ClassVar[frozenset[str]] = frozenset(
        {"question", "context", "answers", "answer", "title", "is_impossible"}
    )

    question: Text
    context: Text
    answers: tuple[Text, ...] = Field(min_length=1)
    title: OptionalText = None

    @classmethod
    def from_raw(
        cls,
        raw: Mapping[str, Any],
        row_number: int | None = None,
        *,
        no_answer: str | None = None,
    ) -> Self:
        """Check a raw row and return it in one shape.

        Args:
            raw: A row in one of the shapes that this module's docstring lists.
            row_number: The row's index from 0, for the error message.
            no_answer: The answer to a question that has none. None refuses such questions.

        Raises:
            RowError: (a ValueError) for a missing, empty or mistyped field, answers in no known shape,
                an answer with an `answer_start` that is not in the context, or a question without an
                answer.
        """
        raw = check_mapping(raw, row_number)
        column = "answer" if is_missing(raw.get("answers")) and "answer" in raw else "answers"
        texts, starts = _texts_and_starts(raw.get(column), column, row_number)
        impossible = _is_true(raw.get("is_impossible"))
        if impossible:
            texts, starts = (
                [],
                [],
            )  # what some sets keep there are plausible answers, not right ones
        if not texts:
            given = raw.get(column)
            if is_missing(given) and not impossible:
                reason = "is missing" if given is None else "is empty"
                raise RowError(column, reason, FILL_IN, given, row_number)
            if no_answer is None:
                remedy = "Give no_answer='...', the words that answer such questions"
                wrong = "is empty: a question without an answer"
                raise RowError(column, wrong, remedy, given, row_number)
            texts, starts = [no_answer], [None]
        values = {name: raw.get(name) for name in ("question", "context", "title")}
        values["answers"] = texts
        row = cls.validated(values, row_number, {"answers": column})
        for i, (text, start) in enumerate(zip(row.answers, starts, strict=True)):
            if start is not None and not _occurs(text, row.context):
                raise RowError(
                    f"{column}[{i}]",
                    "is not in the context, though it has an answer_start",
                    "Repair the answer or the context, or leave answer_start out",
                    text,
                    row_number,
                )
        if len(row.answers) == 1:
            return row
        return row.model_copy(update={"answers": tuple(dict.fromkeys(row.answers))})

    def columns(self) -> dict[str, Any]:
        """The row as a dict, the answers as a list."""
        columns = super().columns()
        columns["answers"] = list(self.answers)
        return columns


def _texts_and_starts(
    answers: Any, column: str, row_number: int | None
) -> tuple[list[Any], list[int | None]]:
    """Return the answers' texts, unchecked, and where each is said to start, if it is."""
    if is_missing(answers):
        return [], []
    if isinstance(answers, str):
        if _PRINTED.match(answers):
            remedy = "Read it with json.loads or ast.literal_eval first"
            raise RowError(column, "is a printed dict", remedy, answers, row_number)
        return [answers], [None]
    if isinstance(answers, Mapping):
        texts, starts = _listed(answers.get("text")), _listed(answers.get("answer_start"))
    elif isinstance(answers, list | tuple):
        texts = [
            answer.get("text") if isinstance(answer, Mapping) else answer for answer in answers
        ]
        starts = [
            answer.get("answer_start") if isinstance(answer, Mapping) else None
            for answer in answers
        ]
    else:
        reason = f"is of type {type(answers).__name__}"
        raise RowError(column, reason, _FORMS, answers, row_number)
    starts = starts or [None] * len(texts)
    if len(starts) != len(texts):
        wrong = "holds not as many texts as starts"
        raise RowError(column, wrong, "Give an answer_start for each text", answers, row_number)
    for i, start in enumerate(starts):
        if start is not None and (not isinstance(start, int) or isinstance(start, bool)):
            reason = f"is of type {type(start).__name__}, not a whole number"
            field = f"{column}[{i}].answer_start"
            raise RowError(field, reason, "Count characters from 0", start, row_number)
    return texts, starts


def _is_true(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.strip().casefold() in ("true", "1"))


def _listed(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return list(value)
    return [] if is_missing(value) else [value]


def _occurs(answer: str, context: str) -> bool:
    if answer in context:
        return True
    return unicodedata.normalize("NFC", answer) in unicodedata.normalize("NFC", context)
