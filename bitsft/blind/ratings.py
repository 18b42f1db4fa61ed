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
from collections.abc import Iterable
from pathlib import Path

from bitsft.blind.pairs import AnswerPair
from bitsft.blind.rating import Rating
from bitsft.data.fields import shorten

logger = logging.getLogger(__name__)


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
            ratings.append(Rating.of_values(json.loads(line)))
        except ValueError as error:  # UnicodeDecodeError and JSONDecodeError are among them
            if number == len(lines):  # no line feed follows it
                return ratings, line.decode("utf-8", "replace")
            raise ValueError(
                f"{path}, line {number}: is no rating ({error}). Repair the line, or delete it"
            ) from error
    return ratings, ""


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
