"""`read_data`: the rows to evaluate on, from anything there is, and a sample of them.

| DATA                                                    | rows                                                   |
|---------------------------------------------------------|--------------------------------------------------------|
| a folder that `prepare` or `write_split` wrote          | those of one split (test), unchanged since             |
| a file, folder or Hub data set that `read_records` reads | checked against `task`, or the task that each names   |
| the same with prompt and completion, or with messages   | as they are (`bitsft.metrics.eval_rows`)               |
| rows with a column text and no answer                   | held-out texts: their perplexity, no generation        |

`bitsft.evaluation.questions` says what is asked of a row. A row that is refused is counted and said
(`EvalData.ledger`), never skipped in silence.

The number of a row is its place in its file, or, where there are several files, its place among the rows taken.
Some of the rows (`rows=`) keep these numbers and their order; a random sample is drawn by a hash of the seed and of
each row's place, so it is the same in every process.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from bitsft.data.common.hashing import one_form, stable_hash
from bitsft.data.ledger import Ledger
from bitsft.data.records import Record
from bitsft.evaluation.questions import Formatter, Question, form_of, read_questions
from bitsft.metrics.labels import label_key

Item = TypeVar("Item")
Draw = Literal["random", "first"]


@dataclass(frozen=True)
class EvalData:
    """What a model is evaluated on.

    Attributes:
        questions: To be answered, in the order of the rows.
        texts: Held-out texts.
        name: The file or folder, as named.
        files: Name, sha256 and bytes of each file read.
        split: The split of a folder of splits.
        sampled_from: How many rows there were before some were taken; None where all were.
        labels: Of classification rows, sorted, also of those that the sample left out; of spellings that differ in
            case, white space or Unicode form only, the first.
        ledger: What became of every row.
    """

    questions: tuple[Question, ...]
    texts: tuple[str, ...]
    name: str
    files: tuple[dict[str, Any], ...]
    split: str | None
    sampled_from: int | None
    labels: tuple[str, ...]
    ledger: Ledger

    def as_dict(self) -> dict[str, Any]:
        """What scores.json says of the data.

        `sha256` is over what is asked and what scores are computed from, in order: prompts, references and columns.
        """
        state = hashlib.sha256()
        for question in self.questions:
            asked: list[Any] = [
                question.number,
                question.row.prompt,
                question.row.reference,
                question.task,
            ]
            asked += [question.row.tools, question.row.chat_template_kwargs, question.source]
            state.update(one_form(asked).encode("utf-8", "surrogatepass") + b"\n")
        for text in self.texts:
            state.update(json.dumps(text).encode() + b"\n")
        return {
            "name": self.name,
            "sha256": state.hexdigest(),
            "rows": len(self.questions) or len(self.texts),
            "split": self.split,
            "sampled_from": self.sampled_from,
            "rows_rejected": self.ledger.rows_rejected,
            "files": list(self.files),
        }


def read_data(
    data: Any,
    *,
    split: str | None = None,
    task: str | None = None,
    formatter: Formatter | None = None,
    rows: int | None = None,
    draw: Draw = "random",
    seed: int = 0,
    reading: Mapping[str, Any] | None = None,
    checking: Mapping[str, Any] | None = None,
) -> EvalData:
    """Read the rows to evaluate on.

    Args:
        data: A folder, file or Hub data set as named above, or rows: a list of dicts, a `datasets.Dataset`.
        split: Of a folder of splits (default: `test`) or a Hub data set (default: `test`).
        task: Of the rows. None for rows that name their task, and for those with prompt and completion.
        formatter: Row of a task -> prompt and completion. None means `format_record`.
        rows: Take that many; None takes all.
        draw: Which ones: `"random"`, drawn with `seed`, or the `"first"`.
        seed: Of the draw.
        reading: More for `read_records`, e.g. `{"columns": {"text": "document"}}`.
        checking: More for `check_records`, e.g. `{"label_names": {"0": "부정", "1": "긍정"}}`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: No row can be asked, or the folder of splits was changed or has no such split.
    """
    from bitsft.data.format import format_record

    if rows is not None and rows < 1:
        raise ValueError(f"rows={rows}: it must be 1 or more, or None for all")
    if draw not in get_args(Draw):
        raise ValueError(f"draw={draw!r}: use 'random' or 'first'")
    ledger = Ledger()
    reading = dict(reading or {})
    source, name, files, split = _source(data, split, reading)
    records = _records(source, task, ledger, reading, dict(checking or {}))
    questions, texts = read_questions(records, formatter or format_record, ledger)
    if not questions and not texts:
        raise ValueError(
            f"{name}: there is no row to evaluate on ({ledger})."
            + (f" The first: {ledger.rejected_rows[0]}" if ledger.rejected_rows else "")
        )
    found = len(questions) or len(texts)
    labels: dict[str, str] = {}  # as scores have them: what differs in case or white space is one
    for question in questions:
        if question.task == "classification":
            label = str(question.source.get("label", question.row.reference))
            labels.setdefault(label_key(label), label)
    if rows is not None and rows < found:
        if questions:
            questions = _drawn(questions, rows, draw, seed)
        else:
            texts = _drawn(texts, rows, draw, seed)
    sampled_from = found if rows is not None and rows < found else None
    return EvalData(
        tuple(questions),
        tuple(texts),
        name,
        files,
        split,
        sampled_from,
        tuple(sorted(labels.values())),
        ledger,
    )


def _source(
    data: Any, split: str | None, reading: dict[str, Any]
) -> tuple[Any, str, tuple[dict[str, Any], ...], str | None]:
    """What `read_records` shall read, its name, the files' hashes, and the split."""
    from bitsft.data.split.manifest import MANIFEST, hashed, read_manifest, verify_manifest

    if not isinstance(data, str | os.PathLike):
        if split is not None:
            raise ValueError(f"split={split!r} is for folders and Hub data sets, not for rows")
        return data, "rows in memory", (), None
    name, path = os.fspath(data), Path(data)
    if path.is_dir() and (path / MANIFEST).exists():
        changed = verify_manifest(path)
        if changed:
            raise ValueError(f"{name}: {'; '.join(changed)}. Prepare it anew")
        splits = {
            Path(entry["name"]).stem: path / entry["name"]
            for entry in read_manifest(path)["outputs"]
            if "rows" in entry
        }
        split = split or "test"
        if split not in splits:
            raise ValueError(
                f"{name}: has no split {split!r}; name one with --split (split=...): {', '.join(splits)}"
            )
        file = splits[split]
        return file, name, ({"name": file.name, **hashed(file)},), split
    if path.is_file() or path.is_dir():
        if split is not None:
            raise ValueError(
                f"{name}: split={split!r} is for folders that `bitsft data prepare` wrote and for Hub data sets"
            )
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        return (
            data,
            name,
            tuple({"name": file.name, **hashed(file)} for file in found if file.is_file()),
            None,
        )
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        reading["split"] = split or reading.get("split") or "test"
        return name, name, (), reading["split"]
    raise FileNotFoundError(
        f"{name}: there is no such file or folder. Give a file of rows, a folder that `bitsft data prepare` "
        "wrote, or a Hub data set (owner/name)"
    )


def _records(
    source: Any,
    task: str | None,
    ledger: Ledger,
    reading: dict[str, Any],
    checking: dict[str, Any],
) -> Iterable[Record]:
    """Records as they are, or, where they are of a task, checked."""
    from bitsft.data.check import check_records
    from bitsft.data.read import read_records

    records = iter(read_records(source, ledger=ledger, **reading))
    first = next(records, None)
    if first is None:
        return []
    again = chain([first], records)
    if task is None and form_of(first.values) is not None:
        return again
    if task is None and not isinstance(first.values.get("task"), str):
        raise ValueError(
            f"{first}: has the columns {sorted(map(str, first.values))}, from which no prompt and answer can be "
            "read. Name the task of the rows with --task (task=...), and their columns with --map; or give rows "
            "with prompt and completion, or messages, or (for perplexity) text"
        )
    return check_records(again, task, ledger=ledger, **checking)


def _drawn(items: Sequence[Item], count: int, draw: Draw, seed: int) -> list[Item]:
    if draw == "first":
        return list(items[:count])
    order = sorted(range(len(items)), key=lambda place: stable_hash("evaluation", seed, place))
    return [items[place] for place in sorted(order[:count])]
