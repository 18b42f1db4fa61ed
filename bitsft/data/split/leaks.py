"""`find_leaks`: what stands in two splits at once, in any files, however they were split.

A row of one split leaks from another split when that one has a row with the same

| kind | what is the same |
|---|---|
| row | the whole row, to the letter, apart from `id` and columns without a value |
| question | what is asked (`tasks.py`), in NFC, without case and white space |
| document | a document by which rows belong together, e.g. the oracle, compared likewise |
| column "..." | the value of a column that you name, compared likewise |
| cluster | the cluster, e.g. of near duplicates, that you pass in |
| distractor | a document of a RAFT row that is a distractor in at least one of the two rows |

Distractors are told apart: a builder draws them from all documents, so splits share them as a rule, and
what leaks is a text without its question. They do not count in `LeakReport.leaking`.

Memory: about 25 bytes a key while reading, 100 at the end.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bitsft.data.common.hashing import digest
from bitsft.data.common.normal_form import normal_form
from bitsft.data.records import Record
from bitsft.data.split.assign import ClusterOf
from bitsft.data.split.groups import ranked
from bitsft.data.split.keys import (
    DOCUMENT,
    checked_task,
    cluster_key,
    column_key,
    document_keys,
    question_key,
    row_key,
)
from bitsft.data.tasks import Task, texts_of

_EXAMPLES = 3
DISTRACTOR = "distractor"  # the kind that splits share as a rule


@dataclass(frozen=True)
class Leak:
    """What two splits share, of one kind.

    Attributes:
        kind: What is the same.
        split: The later split, e.g. `"test"`.
        other: The earlier one, e.g. `"train"`.
        rows: Rows of `split` that share it with a row of `other`.
        groups: How many different questions, documents, ... these are.
        examples: The first such rows with the first row that each shares it with: indices from 0.
    """

    kind: str
    split: str
    other: str
    rows: int
    groups: int
    examples: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class LeakReport:
    """What splits share.

    Attributes:
        rows: Rows in each split.
        leaks: For each pair of splits and each kind, also where nothing is shared.
        without_task: Rows that name no task: no question and no document was looked for in them.
    """

    rows: Mapping[str, int]
    leaks: tuple[Leak, ...]
    without_task: int = 0

    @property
    def leaking(self) -> tuple[Leak, ...]:
        """The leaks, without the distractors and without those of 0 rows."""
        return tuple(leak for leak in self.leaks if leak.rows and leak.kind != DISTRACTOR)

    def as_dict(self) -> dict[str, Any]:
        """The counts, for a manifest and the report: each kind and pair of splits, also those of 0."""
        return {
            "rows_without_task": self.without_task,
            "shared": [
                {
                    "kind": leak.kind,
                    "split": leak.split,
                    "other": leak.other,
                    "rows": leak.rows,
                    "of": self.rows[leak.split],
                    "groups": leak.groups,
                    "examples": [list(rows) for rows in leak.examples],
                }
                for leak in self.leaks
            ],
        }

    def __str__(self) -> str:
        shown = [leak for leak in self.leaks if leak.rows]
        lines = ["nothing leaks" if not self.leaking else "leaks:"]
        for leak in shown:
            total = self.rows[leak.split]
            own, other = leak.examples[0]
            lines.append(
                f"  {leak.kind}: {leak.rows:,} of {total:,} rows of {leak.split} "
                f"({leak.rows / total:.2%}) share one with {leak.other}, e.g. row {own:,} with its "
                f"row {other:,}" + (" (for your information)" if leak.kind == DISTRACTOR else "")
            )
        if self.without_task:
            lines.append(
                f"  {self.without_task:,} rows name no task: their questions and documents were not "
                "compared; name columns to compare with columns=[...]"
            )
        return "\n".join(lines)


def find_leaks(
    splits: Mapping[str, Iterable[Record | Mapping[str, Any]]],
    *,
    columns: Sequence[str] = (),
    cluster_of: ClusterOf | None = None,
) -> LeakReport:
    """Compare splits with each other.

    Args:
        splits: The rows of each split, in the order in which they are used: training first. Each is
            read once. Rows that name a task must have passed `check_records`.
        columns: Columns to compare besides, e.g. `["prompt"]` for rows that name no task.
        cluster_of: Gives the label of the cluster that a row belongs to, or None.

    Returns:
        For each pair of splits, how many rows of the later one share something with the earlier one.

    Raises:
        ValueError: For fewer than two splits or more than 64, and for a column that no row has.
    """
    if not 2 <= len(splits) <= 64:
        raise ValueError(
            f"splits has {len(splits)}; give 2 to 64, e.g. {{'train': ..., 'test': ...}}"
        )
    found: dict[str, _Keys] = {"row": _Keys(), "question": _Keys(), "document": _Keys()}
    for column in columns:
        found[f"column {column!r}"] = _Keys()
    if cluster_of is not None:
        found["cluster"] = _Keys()
    oracles, distractors = _Keys(), _Keys()
    counts: dict[str, int] = {}
    without_task = 0
    for side, (name, rows) in enumerate(splits.items()):
        number = -1
        for number, row in enumerate(rows):
            record = row if isinstance(row, Record) else Record(dict(row), name, number)
            found["row"].add(row_key(record.values), side, number)
            for column in columns:
                found[f"column {column!r}"].add(column_key(record.values, column), side, number)
            if cluster_of is not None:
                label = cluster_of(record)
                found["cluster"].add(None if label is None else cluster_key(label), side, number)
            if record.values.get("task") is None:
                without_task += 1
                continue
            task = checked_task(record)
            found["question"].add(question_key(record, task), side, number)
            own = document_keys(record, task)
            for key in own:
                found["document"].add(key, side, number)
            if task.name == "raft":
                for key in own:
                    oracles.add(key, side, number)
                for key in _distractor_keys(record, task, own):
                    distractors.add(key, side, number)
        counts[name] = number + 1
    for column in columns:
        if not len(found[f"column {column!r}"]):
            raise ValueError(f"columns names {column!r}, but no row has a value there")
    leaks = [leak for kind, keys in found.items() for leak in _shared(kind, keys, list(splits))]
    if len(distractors):
        leaks += _shared(DISTRACTOR, distractors, list(splits), oracles)
    return LeakReport(counts, tuple(leaks), without_task)


@dataclass
class _Keys:
    """Keys of one kind, with the split and the row that each stands in."""

    digests: bytearray = field(default_factory=bytearray)
    sides: bytearray = field(default_factory=bytearray)
    rows: "array[int]" = field(default_factory=lambda: array("I"))

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, key: bytes | None, side: int, row: int) -> None:
        if key is not None:
            self.digests += key
            self.sides.append(side)
            self.rows.append(row)


def _distractor_keys(record: Record, task: Task, own: Sequence[bytes]) -> list[bytes]:
    texts = (normal_form(text) for text in texts_of(record.values.get("context")))
    keys = dict.fromkeys(digest(text, DOCUMENT) for text in texts if text)
    return [key for key in keys if key not in own]


def _shared(
    kind: str, keys: _Keys, names: Sequence[str], oracles: _Keys | None = None
) -> list[Leak]:
    """Compare each pair of splits.

    With `oracles`, `keys` are distractors, and two rows share one when at least one of the two has it
    as a distractor.
    """
    import numpy

    first = len(keys)
    more = oracles or _Keys()
    ranks, distinct = ranked(keys.digests + more.digests)
    sides = numpy.frombuffer(bytes(keys.sides + more.sides), dtype=numpy.uint8)
    rows = numpy.array(keys.rows + more.rows, dtype=numpy.int64)
    is_oracle = numpy.arange(len(rows)) >= first
    leaks = []
    for later, split in enumerate(names):
        for earlier, other in enumerate(names[:later]):
            in_other = sides == earlier
            # The first row of the other split that has each key; the row's number where it has none.
            nothing = numpy.iinfo(numpy.int64).max
            any_row = numpy.full(len(distinct), nothing)
            numpy.minimum.at(any_row, ranks[in_other], rows[in_other])
            plain_row = numpy.full(len(distinct), nothing)
            plain = in_other & ~is_oracle
            numpy.minimum.at(plain_row, ranks[plain], rows[plain])
            own = sides == later
            partner = numpy.where(is_oracle[own], plain_row[ranks[own]], any_row[ranks[own]])
            shared = partner < nothing
            own_rows, where = numpy.unique(rows[own][shared], return_index=True)
            partners = partner[shared][where]
            examples = tuple(
                zip(own_rows[:_EXAMPLES].tolist(), partners[:_EXAMPLES].tolist(), strict=True)
            )
            groups = len(numpy.unique(ranks[own][shared]))
            leaks.append(Leak(kind, split, other, len(own_rows), groups, examples))
    return leaks
