"""`Rating`: what one person said of one row, with which side was whose, and its line in `ratings.jsonl` (ratings.py)."""

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from bitsft.blind.pairs import ShownPair
from bitsft.data.fields import shorten

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

    def with_base_on_left(self, base_on_left: bool) -> "Rating":
        """The same opinion as it looks with the sides so; itself where they are so already."""
        if self.base_on_left == base_on_left:
            return self
        choice = {"left": "right", "right": "left"}.get(self.choice, self.choice)
        return replace(
            self, base_on_left=base_on_left, choice=choice, left=self.right, right=self.left
        )

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

    @classmethod
    def of_values(cls, values: Any) -> "Rating":
        """The rating of a line of JSON that was read.

        Raises:
            ValueError: When something is missing or is no value of a rating.
        """
        if not isinstance(values, Mapping):
            raise ValueError("not an object")
        try:
            scores = values["scores"]
            given = (values["choice"], scores["left"], scores["right"], values["time"])
            rater, row, pair, left = (values[name] for name in ("rater", "row", "pair", "left"))
        except (KeyError, TypeError) as error:
            raise ValueError(f"lacks {error}") from error
        if left not in ("base", "tuned") or type(row) is not int:
            raise ValueError(f"left is {shorten(left)} and row is {shorten(row)}")
        if not isinstance(pair, str):
            raise ValueError(f"pair is {shorten(pair)}, which is no text")
        if not isinstance(rater, str) or rater_name(rater) != rater:
            raise ValueError(f"the rater's name {shorten(rater)} is not as it is stored")
        try:
            datetime.fromisoformat(values["time"])
        except (TypeError, ValueError) as error:
            raise ValueError(f"time is {shorten(values['time'])}, not ISO 8601") from error
        return cls(rater, row, pair, left == "base", *given)


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
