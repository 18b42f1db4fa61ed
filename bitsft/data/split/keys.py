"""Keys: by what a row belongs together with others; texts as 16-byte digests.

Two texts are the same here when their normal forms are, the same as for exact duplicates
(`normal_form.py`): NFC, casefold, without white space and characters that show nothing.

A key is a `digest` of its kind, so that a document and a question with the same text differ.
"""

from collections.abc import Hashable, Mapping
from typing import Any

from bitsft.data.common.hashing import digest, one_form
from bitsft.data.common.normal_form import normal_form
from bitsft.data.fields import is_missing, shorten
from bitsft.data.records import Record
from bitsft.data.tasks import Task, task_of

DOCUMENT, QUESTION, COLUMN, ROW, CLUSTER = (
    b"document",
    b"question",
    b"column",
    b"row",
    b"cluster",
)


def checked_task(record: Record) -> Task:
    """Return the row's task.

    Raises:
        ValueError: When the row names none.
    """
    try:
        return task_of(record.values)
    except ValueError as error:
        raise ValueError(
            f"{record}: {error}. To group rows of another kind, name the column: group_by='...'"
        ) from error


def question_key(record: Record, task: Task) -> bytes | None:
    """Digest of what the row asks, or asked before it was augmented.

    None where nothing is asked (a dialogue of one message).

    Raises:
        ValueError: When the row has not the columns of its task.
    """
    try:
        text = normal_form(task.group_text(record.values))
    except (KeyError, TypeError, IndexError) as error:
        raise _not_checked(record, task) from error
    return digest(text, QUESTION) if text else None


def document_keys(record: Record, task: Task) -> list[bytes]:
    """Digests of the documents by which rows belong together.

    Raises:
        ValueError: When the row has not the columns of its task.
    """
    try:
        texts = [normal_form(text) for text in task.document_texts(record.values)]
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise _not_checked(record, task) from error
    return [digest(text, DOCUMENT) for text in texts if text]


def column_key(values: Mapping[str, Any], column: str) -> bytes | None:
    """Digest of a column's value: a text in normal form, anything else as JSON; None if missing."""
    value = values.get(column)
    if is_missing(value):
        return None
    text = normal_form(value) if isinstance(value, str) else one_form(value)
    return digest(text, COLUMN)


def row_key(values: Mapping[str, Any]) -> bytes:
    """Digest of the row as a whole, but for its `id` and for columns without a value."""
    kept = {name: part for name, part in values.items() if part is not None and name != "id"}
    return digest(one_form(kept), ROW)


def cluster_key(label: Hashable) -> bytes:
    """Digest of the label of a cluster."""
    return digest(f"{type(label).__name__} {label}", CLUSTER)


def _not_checked(record: Record, task: Task) -> ValueError:
    return ValueError(
        f"{record}: {shorten(record.values)} is no {task.name} row. Pass the rows through "
        "check_records first"
    )
