"""`Bounds`: how many characters a text may have.

Bounds are given by column, e.g. `{"answer": Bounds(max=200), "context": Bounds(min=20)}`, and hold for
each text in the column: each document of a context, the content of each message. Characters are code
points of the stripped text; how many tokens a row has is another question (`budget`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bitsft.data.fields import RowError
from bitsft.data.tasks import TASKS, texts_of


@dataclass(frozen=True)
class Bounds:
    """The least and the largest number of characters, both allowed.

    Attributes:
        min: The least; 0 for no bound.
        max: The largest; None for no bound.

    Raises:
        ValueError: When they are no whole numbers from 0 on, or leave no length between them.
    """

    min: int = 0
    max: int | None = None

    def __post_init__(self) -> None:
        for value in (self.min, self.max):
            if value is not None and (
                not isinstance(value, int) or isinstance(value, bool) or value < 0
            ):
                raise ValueError(f"{self} is not in whole numbers of characters from 0 on")
        if self.max is not None and self.max < self.min:
            raise ValueError(f"{self} leaves no length; min must not be larger than max")


def check_bounds_columns(bounds: Mapping[str, Bounds], task: str | None) -> None:
    """Refuse bounds for columns that no row will have.

    Raises:
        ValueError: For a column that the task (any task, if None) has not.
        TypeError: For a value that is no `Bounds`.
    """
    tasks = TASKS.values() if task is None else (TASKS[task],)
    columns = {column for each in tasks for column in each.columns}
    for column, bound in bounds.items():
        if column not in columns:
            raise ValueError(
                f"bounds: {column!r} is no column of {task or 'any task'}; use {', '.join(sorted(columns))}"
            )
        if not isinstance(bound, Bounds):
            raise TypeError(f"bounds[{column!r}] is {bound!r}; give Bounds(min=..., max=...)")


def check_bounds(
    values: Mapping[str, Any], bounds: Mapping[str, Bounds], row_number: int | None
) -> None:
    """Refuse a checked row with a text that is too short or too long.

    Raises:
        RowError: For the first such text.
    """
    for column, bound in bounds.items():
        value = values.get(column)
        for i, text in enumerate(texts_of(value)):
            if len(text) < bound.min:
                reason = f"is shorter than {bound.min:,} characters"
            elif bound.max is not None and len(text) > bound.max:
                reason = f"is longer than {bound.max:,} characters"
            else:
                continue
            field = column if isinstance(value, str) else f"{column}[{i}]"
            remedy = f"It has {len(text):,}; leave the row out, or change the bounds"
            raise RowError(field, reason, remedy, text, row_number)
