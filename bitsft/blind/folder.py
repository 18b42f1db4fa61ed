"""The folder of a blind comparison.

FOLDER/settings.json   {"form": 1, "seed": 0, "rows": 100}: so that raters who come back find what they left
FOLDER/ratings.jsonl   what was rated (ratings.py)
FOLDER/keys/           which side of which sheet is whose (sheet.py)
FOLDER/results.json    the results, and the same as a text in results.md
"""

import json
from dataclasses import dataclass
from pathlib import Path

from bitsft.blind.pairs import AnswerPair
from bitsft.blind.ratings import RatingsFile, check_ratings, last_ratings, read_ratings
from bitsft.blind.results import Results
from bitsft.blind.results_text import results_markdown
from bitsft.blind.sheet_reading import SheetReading
from bitsft.data.common.atomic import atomic_path
from bitsft.data.fields import shorten

FORM = 1


@dataclass(frozen=True)
class BlindFolder:
    """Paths in a folder, and what is written to it.

    Attributes:
        path: The folder; made when something is written.
    """

    path: Path

    @property
    def ratings(self) -> Path:
        """ratings.jsonl."""
        return self.path / "ratings.jsonl"

    @property
    def keys(self) -> Path:
        """The folder of the sheets' keys."""
        return self.path / "keys"

    def settled(self, seed: int | None, rows: int | None) -> tuple[int, int | None]:
        """The seed and the number of rows: those given, else those of before, else 0 and all. Kept from now on.

        Raises:
            ValueError: When another seed, or fewer rows than before, are given.
        """
        path = self.path / "settings.json"
        old_seed: int | None = None
        old_rows: int | None = None
        known = path.is_file()
        if known:
            old_seed, old_rows = _read_settings(path)
        if old_seed is not None and seed not in (None, old_seed):
            raise ValueError(
                f"{path}: people have rated in the orders of seed {old_seed}, so seed {seed} is for another "
                "folder"
            )
        if known and rows is not None and (old_rows is None or rows < old_rows):
            raise ValueError(
                f"{path}: {'all' if old_rows is None else old_rows} rows were to be rated, and {rows} are fewer. "
                "Give no number, or another folder"
            )
        settled = (
            next(value for value in (seed, old_seed, 0) if value is not None),
            old_rows if rows is None else rows,
        )
        if settled != (old_seed, old_rows):
            values = {"form": FORM, "seed": settled[0], "rows": settled[1]}
            with atomic_path(path) as part:
                part.write_text(json.dumps(values) + "\n", encoding="utf-8")
        return settled

    def take(self, reading: SheetReading, pairs: list[AnswerPair]) -> int:
        """Add the ratings of a sheet.

        Args:
            reading: The sheet.
            pairs: The rows that were to be rated.

        Returns:
            How many were new, or other than before.

        Raises:
            ValueError: As `check_ratings` and `read_ratings`.
        """
        before = read_ratings(self.ratings)
        check_ratings(before, pairs, self.ratings)
        known = last_ratings(before)
        file = RatingsFile(self.ratings)
        new = [
            rating
            for rating in reading.ratings
            if not rating.same_opinion(known.get((rating.rater, rating.row)))
        ]
        for rating in new:
            file.add(rating)
        return len(new)

    def write_results(self, results: Results) -> None:
        """Write results.json and results.md."""
        with atomic_path(self.path / "results.json") as part:
            text = json.dumps(results.as_dict(), ensure_ascii=False, indent=2, allow_nan=False)
            part.write_text(text + "\n", encoding="utf-8")
        with atomic_path(self.path / "results.md") as part:
            part.write_text(results_markdown(results), encoding="utf-8")


def _read_settings(path: Path) -> tuple[int, int | None]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        form, seed, rows = values["form"], values["seed"], values["rows"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path}: holds no settings of a comparison ({error!r}). Choose another folder, or repair it"
        ) from error
    if form != FORM or type(seed) is not int or not (rows is None or type(rows) is int):
        raise ValueError(f"{path}: cannot be read by this version: {shorten(values)}")
    return seed, rows
