"""`UnfinishedAnswers`: the answers so far, in a file that survives whatever ends the process.

    FOLDER/predictions.part.jsonl

    {"form": 1, "model": {...}, "data": {...}, ...}     what is evaluated, and how: the run's own terms
    {"row": 7, "prompt": ...}                           one `Answer` a line, batch by batch

A batch is appended in one write and is on the disk (fsync) before the next one begins. So a process that is
killed loses the batch at work, no more; a line that was torn in the middle of a write is dropped when the file is
opened again, and with it the whole batch, so that a resumed run makes the batches that it would have made. When
all rows are answered the file is replaced by predictions.jsonl.

A file with other terms is refused: its answers would be mixed with those of another model, data or decoding.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from bitsft.evaluation.answers import Answer

PART = "predictions.part.jsonl"
FORM = 1


class UnfinishedAnswers:
    """A file of answers that grows batch by batch; a context manager.

    Args:
        path: The file. Where it exists, its answers are taken over.
        terms: What the answers depend on, JSON-safe.
        batches: All batches of the run, as numbers of rows.

    Attributes:
        answers: By number of the row.
        resumed: How many of them an earlier process had written.

    Raises:
        ValueError: The file's terms are others, or a line in the middle is no answer.
    """

    def __init__(
        self, path: Path, terms: Mapping[str, Any], batches: Iterable[Sequence[int]]
    ) -> None:
        self.path = path
        self.terms = json.loads(json.dumps({"form": FORM, **terms}))
        self.answers: dict[int, Answer] = {}
        if path.exists():
            self._read()
        done = [set(batch) for batch in batches if all(row in self.answers for row in batch)]
        kept: set[int] = set().union(*done)
        self.answers = {row: answer for row, answer in self.answers.items() if row in kept}
        self.resumed = len(self.answers)

    def __enter__(self) -> "UnfinishedAnswers":
        from bitsft.data.common.atomic import atomic_path

        # Written anew, so that nothing torn stays in it.
        with (
            atomic_path(self.path) as part,
            part.open("w", encoding="utf-8", errors="backslashreplace") as file,
        ):
            file.write(json.dumps(self.terms, ensure_ascii=False) + "\n")
            file.writelines(answer.as_line() for answer in self.answers.values())
        self._file = self.path.open("ab", buffering=0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, batch: Sequence[Answer]) -> None:
        """Append the answers of one batch, and wait until they are on the disk.

        Raises:
            OSError: They cannot be written; what was there before is as it was, but for a torn line.
        """
        data = "".join(answer.as_line() for answer in batch).encode("utf-8", "backslashreplace")
        while data:
            data = data[self._file.write(data) :]
        os.fsync(self._file.fileno())
        self.answers.update((answer.row, answer) for answer in batch)

    def _read(self) -> None:
        *lines, torn = self.path.read_bytes().split(b"\n")  # what follows the last line feed
        if not lines:
            return  # not even the terms were written
        refuse_other_terms(self.path, _terms(self.path, lines[0]), self.terms)
        for number, line in enumerate(lines[1:], start=2):
            try:
                answer = Answer(**json.loads(line))
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"{self.path}, line {number}: is no answer ({error}). Delete the file, or start anew with "
                    "--overwrite (overwrite=True)"
                ) from error
            self.answers[answer.row] = answer


def refuse_other_terms(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raise unless what a file was made under is what is asked for now.

    Raises:
        ValueError: With each difference.
    """
    differences = list(_differences(found, wanted, ""))
    if differences:
        shown = "; ".join(differences[:5]) + ("; ..." if len(differences) > 5 else "")
        raise ValueError(
            f"{path} is of another evaluation: {shown}. Give another --output (folder), or --overwrite "
            "(overwrite=True) to start anew there"
        )


def _terms(path: Path, line: bytes) -> dict[str, Any]:
    try:
        terms = json.loads(line)
    except ValueError:
        terms = None
    if not isinstance(terms, dict) or "form" not in terms:
        raise ValueError(
            f"{path}: does not begin as a file of unfinished answers does. Delete it, or give another folder"
        )
    return terms


def _differences(found: Any, wanted: Any, name: str) -> Iterable[str]:
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        for key in dict.fromkeys([*found, *wanted]):
            inner = f"{name}.{key}" if name else str(key)
            yield from _differences(found.get(key), wanted.get(key), inner)
    elif found != wanted:
        yield f"{name} was {_short(found)} and is {_short(wanted)} now"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
