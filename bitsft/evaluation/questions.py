"""A `Question`: what the model is asked of a row, and what it should answer.

Rows of a task become prompt and completion by a formatter, `format_record` by default, as for training. Rows with
prompt and completion, or with messages, are asked as they are (`bitsft.metrics.eval_rows`); rows with a column text
and nothing else are only read. Half of a surrogate pair in what is asked, or in the answer, is refused with its row.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bitsft.data.common.hashing import one_form
from bitsft.data.ledger import Ledger
from bitsft.data.records import Record
from bitsft.evaluation.parts import ALL, HELD_OUT
from bitsft.metrics.eval_rows import EvalRow, read_eval_rows

Formatter = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Row of a task -> prompt and completion."""

_COLUMNS_OF = {
    "raft": ("question", "context", "oracle_context", "answer", "cot"),
    "koalpaca": ("instruction", "input", "output"),
    "qa": ("question", "context", "answers", "title"),
    "summarization": ("document", "summary"),
    "translation": ("source", "target", "source_language", "target_language"),
    "classification": ("text", "text_pair", "label"),
    "preference": ("chosen", "rejected"),
}
"""Columns that scores and reports need of a row, besides prompt and reference."""


@dataclass(frozen=True)
class Question:
    """A row that is to be answered.

    Attributes:
        number: Its place in its file, or among the rows taken where there are several files.
        row: Prompt, reference, and what the chat template takes.
        task: Its task; None for rows that are prompt and completion only.
        id: The row's own id.
        source: Its columns before it was formatted.
        where: File and row, for messages.
    """

    number: int
    row: EvalRow
    task: str | None = None
    id: str | None = None
    source: dict[str, Any] = field(default_factory=dict)
    where: str = ""


def form_of(row: Mapping[str, Any]) -> Literal["asked", "text"] | None:
    """Whether a row is asked as it is ("asked"), only read ("text"), or has to be formatted (None)."""
    if "prompt" in row and "completion" in row:
        return "asked"
    if "task" in row:
        return None
    if "messages" in row:
        return "asked"
    texts = [name for name, value in row.items() if isinstance(value, str) and name != "id"]
    return "text" if texts == ["text"] else None


def read_questions(
    records: Iterable[Record], formatter: Formatter, ledger: Ledger
) -> tuple[list[Question], list[str]]:
    """Read what is asked of each row.

    Args:
        records: The rows; those of a task are checked already.
        formatter: For rows of a task.
        ledger: Counts what is taken and what is refused.

    Returns:
        The questions, and the texts that are only read. Their numbers are those of the rows in their file, or
        of their places here where they come from several.
    """
    questions: list[Question] = []
    texts: list[str] = []
    files: list[str] = []
    for record in records:
        row = record.values
        task = row.get("task") if isinstance(row.get("task"), str) else None
        form = form_of(row)
        try:
            if form == "text":
                _check_whole(row["text"])
                texts.append(row["text"])
                ledger.count_out()
                continue
            _check_task(task)
            asked = row if form == "asked" else {**formatter(row)}
            (read,) = read_eval_rows([asked])
            _check_reference(read)
            source = {} if form == "asked" else _columns(row, task)
            _check_whole([vars(read), task, row.get("id"), source])
        except ValueError as error:
            ledger.reject_error(record, error, "format")
            continue
        ledger.count_out()
        files.append(record.source)
        identity = row.get("id")
        questions.append(
            Question(
                record.number,
                EvalRow(read.prompt, read.reference.strip(), read.tools, read.chat_template_kwargs),
                task,
                None if identity is None else str(identity),
                source,
                str(record),
            )
        )
    if len(set(files)) > 1:
        questions = [
            Question(place, q.row, q.task, q.id, q.source, q.where)
            for place, q in enumerate(questions)
        ]
    return questions, texts


def _check_task(task: str | None) -> None:
    if task in (ALL, HELD_OUT):
        raise ValueError(f"the task {task!r} is the name of other scores; give it another name")


def _check_reference(row: EvalRow) -> None:
    if not row.reference.strip():
        raise ValueError("the answer is empty, so there is nothing to compare with; drop the row")


def _check_whole(value: Any) -> None:
    # no tokenizer and no score takes it: it would be noticed only after everything was generated
    try:
        one_form(value).encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            "holds half of a surrogate pair, for it was cut in the middle of a character; repair it"
        ) from error


def _columns(row: Mapping[str, Any], task: str | None) -> dict[str, Any]:
    named = _COLUMNS_OF.get(task or "", ())
    return {name: row[name] for name in named if row.get(name) not in (None, "", [])}
