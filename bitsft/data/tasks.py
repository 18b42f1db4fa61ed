"""The tasks, and what each of their columns is for.

After `check_records` the rows of a task all have one shape, whatever shape they came in:

| task | columns (optional ones in brackets) |
|---|---|
| raft | question, context: [text, ...], answer, [cot], [instruction], [oracle_context] |
| koalpaca | instruction, output, [input] |
| qa | question, context, answers: [text, ...], [title] |
| summarization | document, summary |
| translation | source, target, [source_language], [target_language] |
| classification | text, label, [text_pair] |
| dialogue | messages: [{role, content}, ...] |
| preference | prompt, chosen, rejected |

and, in every task, `task` itself and an optional `id`. The later stages need to know no more of a row
than this table: which texts to clean, what is asked, what is answered, and which documents it shares with others.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Row: TypeAlias = Mapping[str, Any]


GROUP = "group"
"""The column in which a row made from another one keeps what that one asked: they must not be split up."""

REPEAT = "repeat"
"""The column that numbers the repetitions of a row (1, 2, ...), made by oversampling and mixing."""

AUGMENTED = "augmented"
"""The column that names how a row was made from another one."""

CARRIED = (GROUP, REPEAT, AUGMENTED)
"""Columns that stages add to rows, and that a later check of the same rows keeps."""


@dataclass(frozen=True)
class Task:
    """What the columns of a task are for.

    Attributes:
        name: The task's name.
        question: Columns that say what is asked. Rows that agree in them ask the same.
        answer: Columns that hold what is learned.
        documents: Columns with texts that several rows may share; those rows must stay on one side of a
            split.
        optional: Columns that a row may lack.
        label: The column of class labels, for balance and stratified splits.
    """

    name: str
    question: tuple[str, ...]
    answer: tuple[str, ...]
    documents: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    label: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that hold texts, without `task` and `id`."""
        named = (*self.question, *self.documents, *self.answer, *self.optional)
        return tuple(dict.fromkeys(named))

    def question_text(self, row: Row) -> str:
        """What the row asks: its question columns, one after the other, a line for each text."""
        if self.name == "dialogue":
            return "\n".join(texts_of(row["messages"][:-1]))
        return _joined(row, self.question)

    def group_text(self, row: Row) -> str:
        """What the row asked before it was augmented; rows that agree in it belong together."""
        made_from = row.get(GROUP)
        return made_from if isinstance(made_from, str) else self.question_text(row)

    def answer_text(self, row: Row) -> str:
        """What the row answers: its answer columns, a line for each text."""
        if self.name == "dialogue":
            return "\n".join(texts_of(row["messages"][-1:]))
        return _joined(row, self.answer)

    def document_texts(self, row: Row) -> tuple[str, ...]:
        """The documents by which rows belong together, e.g. the oracle of a RAFT row.

        The other documents of a RAFT row are distractors, which rows may share. Of a classified pair
        (a paragraph and a statement) the first text is one.
        """
        if self.name == "raft":
            oracle = row.get("oracle_context")
            context = row["context"]
            return (oracle,) if oracle else (context[0],) if len(context) == 1 else ()
        if self.name == "classification":
            return (row["text"],) if row.get("text_pair") else ()
        return tuple(text for column in self.documents for text in texts_of(row.get(column)))


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            "raft",
            question=("question",),
            documents=("context",),
            answer=("answer",),
            optional=("cot", "instruction", "oracle_context"),
        ),
        Task(
            "koalpaca", question=("instruction", "input"), answer=("output",), optional=("input",)
        ),
        Task(
            "qa",
            question=("question",),
            documents=("context",),
            answer=("answers",),
            optional=("title",),
        ),
        Task(
            "summarization",
            question=("document",),
            documents=("document",),
            answer=("summary",),
        ),
        Task(
            "translation",
            question=("source",),
            answer=("target",),
            optional=("source_language", "target_language"),
        ),
        Task(
            "classification",
            question=("text", "text_pair"),
            answer=("label",),
            optional=("text_pair",),
            label="label",
        ),
        Task("dialogue", question=("messages",), answer=("messages",)),
        Task("preference", question=("prompt",), answer=("chosen", "rejected")),
    )
}


def task_named(name: object) -> Task:
    """Return the task with this name.

    Raises:
        ValueError: When there is none.
    """
    if not isinstance(name, str) or name not in TASKS:
        raise ValueError(f"task={name!r} is not known; use one of {', '.join(TASKS)}")
    return TASKS[name]


def task_of(row: Row) -> Task:
    """Return the task that a checked row names in its `task` column.

    Raises:
        ValueError: When it names none: the row has not passed `check_records`.
    """
    if "task" not in row:
        raise ValueError(
            f"the row with the columns {sorted(row)} has no 'task'; pass it through check_records first"
        )
    return task_named(row["task"])


def texts_of(value: Any) -> Iterator[str]:
    """Yield the texts within a value: of a text, a list of them, or messages (their contents)."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from texts_of(value.get("content"))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from texts_of(part)


def map_texts(value: Any, change: Callable[[str], str]) -> Any:
    """Return the value with `change` applied to every text that `texts_of` finds in it.

    The value is not touched; a new list or dict is made only around a text that changed.
    """
    if isinstance(value, str):
        text = change(value)
        return value if text == value else text
    if isinstance(value, Mapping):
        content = value.get("content")
        new = map_texts(content, change)
        return value if new is content else {**value, "content": new}
    if isinstance(value, list | tuple):
        parts = [map_texts(part, change) for part in value]
        same = all(new is old for new, old in zip(parts, value, strict=True))
        return value if same else parts
    return value


def _joined(row: Row, columns: tuple[str, ...]) -> str:
    return "\n".join(text for column in columns for text in texts_of(row.get(column)))
