"""`ratings.jsonl`: what raters said, one line for each time that somebody rated a row.

    {"rater": "kim", "row": 17, "pair": "9b1c...", "left": "base", "choice": "right",
     "scores": {"left": {"relevance": 4, "accuracy": 2, "fluency": 5}, "right": {...}},
     "time": "2026-01-31T09:15:00+00:00"}

`left` says whose answer was on the left; `pair` belongs to the question and both answers, so that ratings of
other answers are never mixed with these. Lines are only ever added. Whoever goes back and changes a rating
adds a line, and the last one counts.

A line is written by one call, flushed, and on the disk (`fsync`) before the rater sees the next row: what a
crash or a power cut can take is the row that is on the screen. It may leave half a line at the end, which is
recognised (it has no line feed and is no rating), said, and cut off before the next line is added.
"""

import json
import logging
import os
import threading
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from bitsft.blind.pairs import AnswerPair, ShownPair
from bitsft.data.fields import shorten

logger = logging.getLogger(__name__)

CHOICES = ("left", "right", "tie", "both_bad")
CRITERIA = ("relevance", "accuracy", "fluency")
LONGEST_NAME = 60

Scores = dict[str, int]
"""1 to 5 for each of `CRITERIA`."""


@dataclass(frozen=True)
class Rating:
    """One rater's opinion of one row.

    Attributes:
        rater: The rater's name.
        row: The row's number in the data.
        pair: `AnswerPair.key` of what was rated.
        base_on_left: Whether the left answer was the base model's.
        choice: One of `CHOICES`.
        left: Scores of the left answer.
        right: Scores of the right answer.
        time: When, ISO 8601 with the offset from UTC.

    Raises:
        ValueError: When the choice is none of `CHOICES`, or a score is missing or not 1 to 5.
    """

    rater: str
    row: int
    pair: str
    base_on_left: bool
    choice: str
    left: Scores
    right: Scores
    time: str

    def __post_init__(self) -> None:
        if self.choice not in CHOICES:
            raise ValueError(f"the choice {shorten(self.choice)} is none of {', '.join(CHOICES)}")
        for side, scores in (("left", self.left), ("right", self.right)):
            if not isinstance(scores, dict) or sorted(scores) != sorted(CRITERIA):
                raise ValueError(
                    f"the {side} answer needs a score for each of {', '.join(CRITERIA)}, not "
                    f"{shorten(scores)}"
                )
            for criterion, score in scores.items():
                if type(score) is not int or not 1 <= score <= 5:
                    raise ValueError(
                        f"{side} {criterion} is {shorten(score)}: give a whole number from 1 to 5"
                    )

    @property
    def verdict(self) -> str:
        """Which model was chosen: `"base"`, `"tuned"`, `"tie"` or `"both_bad"`."""
        if self.choice in ("tie", "both_bad"):
            return self.choice
        return "base" if (self.choice == "left") == self.base_on_left else "tuned"

    def scores_of(self, model: str) -> Scores:
        """The scores of `"base"` or `"tuned"`."""
        return self.left if (model == "base") == self.base_on_left else self.right

    def same_opinion(self, other: "Rating | None") -> bool:
        """Whether another rating says the same of the same answers, at whatever time."""
        return other is not None and (self.pair, self.verdict, self._by_model()) == (
            other.pair,
            other.verdict,
            other._by_model(),
        )

    def _by_model(self) -> tuple[Scores, Scores]:
        return self.scores_of("base"), self.scores_of("tuned")

    def as_line(self) -> str:
        """The rating as one line of JSON, with its line feed."""
        values = {
            "rater": self.rater,
            "row": self.row,
            "pair": self.pair,
            "left": "base" if self.base_on_left else "tuned",
            "choice": self.choice,
            "scores": {"left": self.left, "right": self.right},
            "time": self.time,
        }
        return json.dumps(values, ensure_ascii=False) + "\n"


def rate(shown: ShownPair, rater: str, choice: str, left: Scores, right: Scores) -> Rating:
    """A rating of what a rater saw, given now.

    Raises:
        ValueError: As `Rating`.
    """
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    pair = shown.pair
    return Rating(rater, pair.row, pair.key, shown.base_on_left, choice, left, right, now)


def rater_name(name: object) -> str:
    """A rater's name as it is stored: in NFC, with single spaces.

    Raises:
        ValueError: When it is empty, longer than 60 characters, or holds control characters.
    """
    said = unicodedata.normalize("NFC", " ".join(name.split())) if isinstance(name, str) else ""
    if not said or len(said) > LONGEST_NAME or not said.isprintable():
        raise ValueError(
            f"the rater's name {shorten(name)} must have 1 to {LONGEST_NAME} printable characters"
        )
    return said


def read_ratings(path: Path) -> list[Rating]:
    """Read all ratings, in the order in which they were given; none when there is no file.

    Raises:
        ValueError: When a line is no rating, with its number. Half a line at the end is said, and left out.
    """
    ratings, torn = _read(path)
    if torn:
        logger.warning(
            "%s: the last line is torn (%s) and does not count; that row has to be rated again",
            path,
            shorten(torn),
        )
    return ratings


def last_ratings(ratings: Iterable[Rating]) -> dict[tuple[str, int], Rating]:
    """The last rating of each rater and row, under `(rater, row)`."""
    return {(rating.rater, rating.row): rating for rating in ratings}


def check_ratings(ratings: Iterable[Rating], pairs: Iterable[AnswerPair], path: Path) -> None:
    """Make sure that ratings are of these answers. Rows that were rated and are not among them are no fault.

    Raises:
        ValueError: When a row was rated with another question or other answers.
    """
    keys = {pair.row: pair.key for pair in pairs}
    for rating in ratings:
        if keys.get(rating.row, rating.pair) != rating.pair:
            raise ValueError(
                f"{path}: {rating.rater} rated row {rating.row} with other answers than those of these "
                "models. Give another folder for this comparison, or evaluate the models that were rated"
            )


class RatingsFile:
    """The file that ratings are added to, by one process with any number of threads.

    Args:
        path: `ratings.jsonl`; made when the first rating is added, as are the folders above it.

    Raises:
        ValueError: As `read_ratings`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._last = last_ratings(read_ratings(path))

    def last(self, rater: str, row: int) -> Rating | None:
        """The rating of a row that counts, or None."""
        return self._last.get((rater, row))

    def add(self, rating: Rating) -> None:
        """Add a rating; when this returns, it is on the disk."""
        with self._lock:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab+") as file:
                _mend_end(self.path, file.fileno())
                file.write(rating.as_line().encode("utf-8"))
                file.flush()
                os.fsync(file.fileno())
            _sync_folder(self.path.parent)
            self._last[rating.rater, rating.row] = rating


def _read(path: Path) -> tuple[list[Rating], str]:
    """The ratings, and what stands at the end that is none."""
    if not path.is_file():
        return [], ""
    lines = path.read_bytes().split(b"\n")
    ratings: list[Rating] = []
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            ratings.append(_from_json(json.loads(line)))
        except ValueError as error:  # UnicodeDecodeError and JSONDecodeError are among them
            if number == len(lines):  # no line feed follows it
                return ratings, line.decode("utf-8", "replace")
            raise ValueError(
                f"{path}, line {number}: is no rating ({error}). Repair the line, or delete it"
            ) from error
    return ratings, ""


def _from_json(values: Any) -> Rating:
    if not isinstance(values, Mapping):
        raise ValueError("not an object")
    try:
        scores = values["scores"]
        given = (scores["left"], scores["right"], values["time"])
        rater, row, pair, left = (values[name] for name in ("rater", "row", "pair", "left"))
        choice = values["choice"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"lacks {error}") from error
    if left not in ("base", "tuned") or type(row) is not int:
        raise ValueError(f"left is {shorten(left)} and row is {shorten(row)}")
    return Rating(rater, row, pair, left == "base", choice, *given)


def _mend_end(path: Path, descriptor: int) -> None:
    """Bring the end of the file to a line's end: complete a whole rating, cut off half a one."""
    size = os.fstat(descriptor).st_size
    if size == 0 or os.pread(descriptor, 1, size - 1) == b"\n":
        return
    _, torn = _read(path)
    if torn:
        os.ftruncate(descriptor, path.read_bytes().rfind(b"\n") + 1)
    else:
        os.write(descriptor, b"\n")


def _sync_folder(folder: Path) -> None:
    """Put a new file's name on the disk, too."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
