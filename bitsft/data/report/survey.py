"""One pass over the rows: how many, how long, which labels, and which of them to look at closer.

Memory is four bytes a row for each of two lengths, and a bounded number of row addresses: the rows
themselves are never kept, so a million of them make no larger page than a thousand. Rows to show and
rows to tokenize are drawn by reservoir sampling (Vitter 1985, algorithm R) from a generator seeded per
task, so that the rows of one task do not change what is drawn of another.
"""

import random
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bitsft.data.report.pairs import Formatter, Pair, Row, characters, pair_of, task_name_of
from bitsft.data.tasks import TASKS

# A column with more different answers than this holds free text, not labels.
_MOST_ANSWERS = 1000
_MOST_LABELS = 30
_ROWS_PER_LABEL = 10


@dataclass
class Reservoir:
    """A uniform sample of fixed size from a stream of unknown length.

    Attributes:
        size: How many to keep.
        kept: The addresses kept, `(split, index in the split)`.
    """

    size: int
    generator: random.Random
    kept: list[tuple[str, int]] = field(default_factory=list)
    _seen: int = 0

    def offer(self, address: tuple[str, int]) -> None:
        """Take the next address, or let it pass."""
        self._seen += 1
        if len(self.kept) < self.size:
            self.kept.append(address)
            return
        place = int(self.generator.random() * self._seen)
        if place < self.size:
            self.kept[place] = address


@dataclass
class TaskSurvey:
    """What is known of the rows of one task.

    Attributes:
        name: The task's name.
        rows: Rows by split.
        prompt: Characters of each prompt.
        completion: Characters of each completion.
        answers: How often each label, or short answer, occurs, by split; None once there are too many
            different ones.
        refused: Rows that the formatter refused.
        refusal: The first of them, and why.
        shown: Addresses of rows to show.
        counted: Addresses of rows to tokenize.
    """

    name: str
    shown: Reservoir
    counted: Reservoir
    rows: Counter[str] = field(default_factory=Counter)
    prompt: array = field(default_factory=lambda: array("I"))
    completion: array = field(default_factory=lambda: array("I"))
    answers: dict[str, Counter[str]] | None = field(default_factory=dict)
    refused: int = 0
    refusal: str = ""

    @property
    def has_labels(self) -> bool:
        """Whether the answers repeat so much that their balance is worth a look."""
        if self.answers is None:
            return False
        task = TASKS.get(self.name)
        different = len(set().union(*self.answers.values()))
        if task is not None and task.label is not None:
            return different > 0
        return 0 < different <= _MOST_LABELS and different * _ROWS_PER_LABEL <= self.rows.total()

    def _count_answer(self, split: str, row: Row, pair: Pair) -> None:
        if self.answers is None:
            return
        answer = _answer_of(self.name, row, pair)
        if answer is None:
            self.answers = None
            return
        counter = self.answers.setdefault(split, Counter())
        counter[answer] += 1
        if len(counter) > _MOST_ANSWERS:
            self.answers = None


def survey_rows(
    rows_by_split: Mapping[str, Sequence[Row]],
    formatter: Formatter | None,
    *,
    samples: int,
    token_rows: int,
    seed: int,
) -> dict[str, TaskSurvey]:
    """Go through all rows once.

    Args:
        rows_by_split: The rows of each split.
        formatter: Passed to `pair_of`.
        samples: Rows to show of each task, from the first split that has any.
        token_rows: Rows to tokenize of each task.
        seed: Of the two samples.

    Returns:
        A survey for each task, in the order in which the tasks first occur.

    Raises:
        ValueError: For a row that is no mapping or names no task.
    """
    tasks: dict[str, TaskSurvey] = {}
    for split, rows in rows_by_split.items():
        for index, row in enumerate(rows):
            if not isinstance(row, Mapping):
                raise ValueError(
                    f"{split}, row {index} is of type {type(row).__name__}; give each row as a dict"
                )
            try:
                name = task_name_of(row)
            except ValueError as error:
                raise ValueError(f"{split}, row {index}: {error}") from error
            task = tasks.get(name)
            if task is None:
                draws = (random.Random(f"{seed} {name} {use}") for use in ("shown", "counted"))
                task = tasks[name] = TaskSurvey(
                    name, Reservoir(samples, next(draws)), Reservoir(token_rows, next(draws))
                )
            task.rows[split] += 1
            try:
                pair = pair_of(row, formatter)
            except ValueError as error:
                task.refused += 1
                task.refusal = task.refusal or f"{split}, row {index}: {error}"
                continue
            task.prompt.append(characters(pair.prompt))
            task.completion.append(characters(pair.completion))
            task._count_answer(split, row, pair)
            task.counted.offer((split, index))
            # One split's rows are what the model will see; the first one given is the training set.
            if len(task.rows) == 1:
                task.shown.offer((split, index))
    return tasks


def _answer_of(name: str, row: Row, pair: Pair) -> str | None:
    """Return the label, or the answer where it is a text; None for what cannot be counted."""
    task = TASKS.get(name)
    label: Any = None
    if task is not None and task.name not in ("dialogue", "preference"):
        column = task.label or task.answer[0]
        label = row.get(column)
    if label is None:
        label = pair.completion if isinstance(pair.completion, str) else None
    if isinstance(label, list | tuple):
        label = label[0] if len(label) == 1 else None
    return None if label is None else str(label).strip()
