"""`Answer`: one row with what the model made of it, and its line in `predictions.jsonl`.

A line is a JSON object with the attributes below as its names; what is None or empty is left out. While an
evaluation runs, lines come in the order of generation; `read_answers` brings them into the order of the rows.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bitsft.metrics.eval_rows import Prompt


@dataclass(frozen=True)
class Answer:
    """One row and its answer.

    Attributes:
        row: The row's number in the data, from 0.
        prompt: What the model was asked: a string, or messages.
        reference: What it should have said.
        prediction: What it said, without special tokens.
        tokens: How many tokens it generated, the closing EOS included.
        finished: Whether it ended by itself and not at `max_new_tokens`.
        task: One of `bitsft.data.tasks.TASKS`; None for rows that are prompt and completion only.
        id: The row's own id, when it has one.
        source: The columns of the row before it was formatted that scores and reports need: of raft `question`,
            `context`, `oracle_context`, `answer`; of classification `text`, `label`; and so on by task.
        likelihoods: Of a classification row: the log-likelihood of each label after the prompt, in nats.
    """

    row: int
    prompt: Prompt
    reference: str
    prediction: str
    tokens: int
    finished: bool
    task: str | None = None
    id: str | None = None
    source: dict[str, Any] = field(default_factory=dict)
    likelihoods: dict[str, float] = field(default_factory=dict)

    def as_line(self) -> str:
        """The answer as one line of JSON, with its line feed."""
        values = {
            name: value for name, value in asdict(self).items() if value not in (None, {}, [])
        }
        return json.dumps(values, ensure_ascii=False) + "\n"


def read_answers(path: Path) -> list[Answer]:
    """Read `predictions.jsonl`, in the order of the rows.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When a line is not an answer (with its number), or a row occurs twice.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file, so nothing was predicted here")
    answers: dict[int, Answer] = {}
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                answer = Answer(**json.loads(line))
            except (TypeError, ValueError) as error:
                raise ValueError(f"{path}, line {number}: is no answer ({error})") from error
            if answer.row in answers:
                raise ValueError(f"{path}, line {number}: row {answer.row} is there already")
            answers[answer.row] = answer
    return [answers[row] for row in sorted(answers)]


def write_answers(answers: Iterable[Answer], path: Path) -> None:
    """Write `predictions.jsonl`, whole or not at all."""
    from bitsft.data.common.atomic import atomic_path

    # half of a surrogate pair has no UTF-8; as \udXXX in a JSON string it comes back
    with (
        atomic_path(path) as part,
        part.open("w", encoding="utf-8", errors="backslashreplace") as file,
    ):
        file.writelines(answer.as_line() for answer in answers)
