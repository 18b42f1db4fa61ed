"""`score_row`: all quality scores of one checked row.

| task | documents | question-context | question-answer | groundedness |
|---|---|---|---|---|
| raft, qa | context | yes | yes | yes |
| summarization | document | - | - | yes |
| koalpaca | - | - | yes | - |
| preference | - | - | yes, of `chosen` | - |
| dialogue | - | - | yes, of the last message to the one before | - |
| translation, classification | - | - | - | - |

A RAFT row's documents are all that it shows, oracle or not: that is what the model has to answer from.
Letters are counted by script for all tasks (`language.py`).
"""

from collections import Counter
from dataclasses import dataclass

from bitsft.data.quality.content_words import ContentWords
from bitsft.data.quality.groundedness import Judged, groundedness
from bitsft.data.quality.language import script_counts
from bitsft.data.quality.relevance import answer_relevance, relevance
from bitsft.data.tasks import Row, Task, task_of, texts_of

SCORES = ("groundedness", "question_context", "question_answer")

NO_DOCUMENTS, NO_QUESTION = "the task has no documents", "the task has no question"
LABEL, TRANSLATION = "the answer is a class label", "the answer is a translation"


@dataclass(frozen=True, slots=True)
class RowScores:
    """The scores of one row, each None where it was not judged.

    Attributes:
        groundedness: The answer in the documents (`groundedness.py`).
        question_context: The question's words in the documents (`relevance.py`).
        question_answer: The question's words in the answer (`relevance.py`).
        letters: Letters of all its texts by script (`language.py`).
        missing: Content words of the answer that the documents do not hold.
        not_judged: Why a score is None, by its name.
    """

    groundedness: float | None
    question_context: float | None
    question_answer: float | None
    letters: Counter[str]
    missing: tuple[str, ...]
    not_judged: dict[str, str]

    def value(self, name: str) -> float | None:
        """Return the score with this name, one of `SCORES`."""
        return {
            "groundedness": self.groundedness,
            "question_context": self.question_context,
            "question_answer": self.question_answer,
        }[name]

    @property
    def lowest(self) -> float | None:
        """What rows are sorted by: the lower of groundedness and question-context, else question-answer."""
        main = [v for v in (self.groundedness, self.question_context) if v is not None]
        return min(main) if main else self.question_answer


@dataclass(frozen=True, slots=True)
class RowTexts:
    """The texts of a row that are compared.

    Attributes:
        question: What is asked; "" where the task asks nothing.
        answers: The right answers.
        documents: What to answer from.
    """

    question: str
    answers: tuple[str, ...]
    documents: tuple[str, ...]

    @classmethod
    def of(cls, row: Row) -> "RowTexts":
        """Take the texts of a checked row.

        Raises:
            ValueError: When the row names no task: it has not passed `check_records`.
        """
        task = task_of(row)
        documents = tuple(text for column in task.documents for text in texts_of(row.get(column)))
        answers = tuple(text for column in task.answer for text in texts_of(row.get(column)))
        question = task.question_text(row)
        if task.name == "dialogue":
            turns = list(texts_of(row["messages"]))
            question, answers = "\n".join(turns[-2:-1]), tuple(turns[-1:])
        elif task.name == "preference":
            answers = tuple(texts_of(row["chosen"]))
            question = "\n".join(list(texts_of(row["prompt"]))[-1:])
        elif task.name == "summarization":
            question = ""
        return cls(question, answers, documents)


def score_row(row: Row) -> RowScores:
    """Score a checked row.

    Args:
        row: The row, in its task's canonical form.

    Raises:
        ValueError: When the row names no task: it has not passed `check_records`.
    """
    task, texts = task_of(row), RowTexts.of(row)
    context = ContentWords(*texts.documents) if texts.documents else None
    question = ContentWords(texts.question)
    judged = {
        "groundedness": _groundedness(task, texts, context),
        "question_context": Judged(None, NO_DOCUMENTS),
        "question_answer": _question_answer(task, texts, question),
    }
    if context is not None:
        judged["question_context"] = (
            relevance(question, context) if texts.question else Judged(None, NO_QUESTION)
        )
    return RowScores(
        groundedness=judged["groundedness"].value,
        question_context=judged["question_context"].value,
        question_answer=judged["question_answer"].value,
        letters=script_counts("\n".join(_all_texts(task, row))),
        missing=judged["groundedness"].missing,
        not_judged={name: one.reason for name, one in judged.items() if one.value is None},
    )


def _groundedness(task: Task, texts: RowTexts, context: ContentWords | None) -> Judged:
    if task.label is not None:
        return Judged(None, LABEL)
    if task.name == "translation":
        return Judged(None, TRANSLATION)
    if context is None:
        return Judged(None, NO_DOCUMENTS)
    return groundedness(texts.answers, context, texts=texts.documents)


def _question_answer(task: Task, texts: RowTexts, question: ContentWords) -> Judged:
    if task.label is not None:
        return Judged(None, LABEL)
    if task.name == "translation":
        return Judged(None, TRANSLATION)
    if not texts.question:
        return Judged(None, NO_QUESTION)
    best = Judged(None, NO_QUESTION)
    for answer in texts.answers:
        judged = answer_relevance(question, answer)
        if best.value is None or (judged.value is not None and judged.value > best.value):
            best = judged
    return best


def _all_texts(task: Task, row: Row) -> list[str]:
    return [text for column in task.columns for text in texts_of(row.get(column))]
