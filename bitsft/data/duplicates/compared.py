"""What of a row is compared: the one key of an exact comparison, the parts of a near one.

| by | checked rows (with a `task`) | other rows |
|---|---|---|
| `"row"` | exact: all columns of the task. Near: what is asked, the documents it is asked about, the answer | all columns but `id` |
| `"question"` | what is asked and the documents it is asked about | an error: which columns are the question is not known |
| `["a", "b"]` | these columns | these columns |

The documents are those of `Task.document_texts`: of a RAFT row the oracle, not the distractors. They
belong to the question, because "언제 태어났나?" about another person is another question.

Near rows are compared part by part, and *every* part has to be similar. Over the joined texts, two
questions about one long paragraph would count as duplicates, and so would "오월 일정" and "유월 일정" with
their different answers.

Values are compared as written: the label 1 and the text "1" are equal, and a missing column, None, NaN
and an empty text are.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from bitsft.data.common.normal_form import normal_form
from bitsft.data.fields import shorten
from bitsft.data.tasks import Row, Task, task_named, task_of

By: TypeAlias = str | Sequence[str]

# White space, so that no normal form holds them: between columns, items of a list, key and value.
_COLUMN, _ITEM, _KEY = "\x1f", "\x1e", "\x1d"


def check_by(by: By) -> By:
    """Return `by`, a list of columns as a tuple.

    Raises:
        ValueError: When it is no text that is known, or an empty list.
    """
    if isinstance(by, str):
        if by not in ("row", "question"):
            raise ValueError(
                f"by={by!r} is not known; use 'row', 'question' or a list of columns such as [{by!r}]"
            )
        return by
    columns = tuple(by)
    if not columns or not all(isinstance(column, str) for column in columns):
        raise ValueError(f"by={by!r} must name at least one column, e.g. by=['question']")
    return columns


def written(value: Any) -> str:
    """Return a value as a text, with marks between the parts of lists and mappings."""
    if isinstance(value, str):
        return value
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, Mapping):
        return _ITEM.join(f"{key}{_KEY}{written(value[key])}" for key in sorted(value, key=str))
    if isinstance(value, list | tuple):
        return _ITEM.join(map(written, value))
    return str(value)


def row_key(row: Row, by: By, punctuation: bool) -> str:
    """Return the text that two rows share exactly when they are equal under `by`.

    Args:
        row: The row's values.
        by: What `check_by` returned.
        punctuation: Whether punctuation counts.

    Raises:
        ValueError: When `by` does not fit the row.
    """
    if by == "question":
        return question_key(row, task_of(row), punctuation)
    if by == "row":
        if "task" in row:
            texts = [
                _key(value, punctuation) if (value := row.get(column)) is not None else ""
                for column in _columns_of(task_of(row).name)
            ]
            texts.append(row["task"])
            return _COLUMN.join(texts)
        # Column names are part of the key: two rows may have different columns.
        columns = sorted(c for c in row if c != "id" and not _is_empty(row[c]))
        return _COLUMN.join([f"{c}{_KEY}{_key(row[c], punctuation)}" for c in columns])
    return _COLUMN.join([_key(row.get(column), punctuation) for column in _present(row, by)])


def question_key(row: Row, task: Task, punctuation: bool) -> str:
    """Return the key of what a checked row asks, with the documents it asks about."""
    texts = (task.name, *_question_parts(row, task))
    return _COLUMN.join([normal_form(text, punctuation=punctuation) for text in texts])


def answer_text(row: Row, task: Task) -> str:
    """Return what a checked row answers, numbers and all."""
    if task.name == "dialogue":
        return task.answer_text(row)
    return "\n".join(written(row.get(column)) for column in task.answer)


def compared_parts(row: Row, by: By) -> tuple[str, ...]:
    """Return the texts of a row that are compared one by one with another row's, for `by`.

    Rows are similar when they have the same number of parts and each is similar to the other row's.
    A row without any text to compare has none.

    Raises:
        ValueError: When `by` does not fit the row.
    """
    if not isinstance(by, str):
        parts = tuple(written(row.get(column)) for column in _present(row, by))
    elif by == "row" and "task" not in row:
        columns = sorted(column for column in row if column != "id")
        parts = tuple(written(row[column]) for column in columns)
        if any(part.strip() for part in parts):
            return (_COLUMN.join(columns), *parts)  # rows with other columns are other rows
    else:
        task = task_of(row)
        parts = _question_parts(row, task)
        if by == "row":
            parts = (*parts, answer_text(row, task))
    return parts if any(part.strip() for part in parts) else ()


def _question_parts(row: Row, task: Task) -> tuple[str, ...]:
    """What is asked, and what it is asked about where that is not the same (summarization)."""
    asked = task.question_text(row)
    if set(task.documents) <= set(task.question):
        return (asked,)
    return asked, "\n".join(task.document_texts(row))


@functools.cache
def _columns_of(task: str) -> tuple[str, ...]:
    return task_named(task).columns


def _key(value: Any, punctuation: bool) -> str:
    """Return the normal form of a value; the parts of lists and mappings stay apart."""
    if isinstance(value, str):
        return normal_form(value, punctuation=punctuation)
    if isinstance(value, list | tuple):
        return _ITEM.join([_key(part, punctuation) for part in value])
    if isinstance(value, Mapping):
        keys = sorted(value, key=str)
        return _ITEM.join([f"{key}{_KEY}{_key(value[key], punctuation)}" for key in keys])
    return normal_form(written(value), punctuation=punctuation)


def _is_empty(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _present(row: Row, columns: Sequence[str]) -> Sequence[str]:
    if not any(column in row for column in columns):
        raise ValueError(
            f"by={list(columns)} names no column of the row with the columns "
            f"{shorten(sorted(row))}; name columns that the rows have"
        )
    return columns
