"""`format_record` and `format_records`: rows of any task -> {"prompt", "completion"}.

A checked row names its task, and `FORMATTERS` has the function for it. All of them are pure: a row in, a
row out, no tokenizer.

    records = format_records(records, ledger=ledger)                     # the stage
    done = format_rows(rows, format_record)                              # or a list, into a Dataset
    one = format_record(row, by_task={"raft": {"with_cot": False}})      # or one row
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from bitsft.data.fields import RowError
from bitsft.data.format.conversation import format_dialogue, format_preference
from bitsft.data.format.instructions import (
    format_classification,
    format_qa,
    format_summarization,
    format_translation,
)
from bitsft.data.format.koalpaca import format_koalpaca
from bitsft.data.format.prompt_completion import PromptCompletion
from bitsft.data.format.raft import format_raft
from bitsft.data.ledger import Ledger
from bitsft.data.records import Record, as_records

Formatter = Callable[..., PromptCompletion]

_TRIAL = 100  # rows refused for one reason before the stage gives up

FORMATTERS: dict[str, Formatter] = {
    "raft": format_raft,
    "koalpaca": format_koalpaca,
    "qa": format_qa,
    "summarization": format_summarization,
    "translation": format_translation,
    "classification": format_classification,
    "dialogue": format_dialogue,
    "preference": format_preference,
}


def format_record(
    row: Mapping[str, Any],
    row_number: int | None = None,
    *,
    language: str = "ko",
    as_messages: bool = False,
    system: str | None = None,
    by_task: Mapping[str, Mapping[str, Any]] | None = None,
) -> PromptCompletion:
    """Format one checked row with the formatter of the task that it names.

    Args:
        row: A row that `check_records` passed.
        row_number: The row's index from 0, for error messages.
        language: Of the headings and the default instructions: `"ko"` or `"en"`.
        as_messages: Return lists of messages for a chat template instead of texts.
        system: A system message, with `as_messages=True` only. None for none.
        by_task: More options of single formatters, which may also replace the ones above, e.g.
            `{"raft": {"with_cot": False}, "classification": {"labels": ["긍정", "부정"]}}`.

    Returns:
        `{"prompt", "completion"}`, two texts or two lists of messages.

    Raises:
        RowError: (a ValueError) when the row cannot be used, or names no known task.
        ValueError: When an option has a value that the formatter does not know.
        TypeError: When `by_task` has an option that the formatter has not.
    """
    name = row.get("task")
    if not isinstance(name, str) or name not in FORMATTERS:
        remedy = "Pass the row through check_records first"
        raise RowError("task", "names no known task", remedy, name, row_number)
    options = {"language": language, "as_messages": as_messages, "system": system}
    if by_task:
        options |= by_task.get(name, {})
    return FORMATTERS[name](row, row_number, **options)


def format_records(
    rows: Iterable[Record | Mapping[str, Any]],
    formatter: Callable[[Mapping[str, Any]], Mapping[str, Any]] = format_record,
    *,
    ledger: Ledger,
    keep: Sequence[str] = ("task", "id"),
) -> Iterator[Record]:
    """Format each record; reject those that the formatter refuses.

    Args:
        rows: Checked records, or rows of any iterable.
        formatter: Takes a row, returns a row; `functools.partial` binds options. It refuses a row by
            raising ValueError; any other exception is a mistake in it, and is passed on.
        ledger: Where the rejected rows are counted.
        keep: Columns to keep beside those that the formatter returns: the task, for scores by task.

    Yields:
        New records; the given rows are not changed.

    Raises:
        ValueError: When each of the first 100 rows is refused as a whole for one reason, as it is for
            a wrong option. They have been rejected one by one, so the ledger's counts add up.
    """
    same_fault: int | None = 0  # rows refused for the first one's reason; None after any other row
    first = ""
    for record in as_records(rows, ledger):
        try:
            formatted = dict(formatter(record.values))
        except ValueError as error:
            fault = error
        else:
            for name in keep:
                if name in record.values:
                    formatted.setdefault(name, record.values[name])
            same_fault = None
            yield Record(formatted, record.source, record.number)
            continue
        ledger.reject_error(record, fault, "format")
        first = first or str(fault)
        if isinstance(fault, RowError) or str(fault) != first:
            same_fault = None
        if same_fault is not None:
            same_fault += 1
            if same_fault == _TRIAL:
                raise ValueError(f"the first {_TRIAL} rows were all refused: {first}")
