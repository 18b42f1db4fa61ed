"""What the raters found: who won, by how much, and whether they agree.

The row is the unit. What several people said of a row is brought together first, so that a row which everybody
rated does not weigh more than one that a single person rated, and intervals do not take two opinions of one
row for two rows:

    win rate    mean over rows of the mean over raters of 1 (tuned), 0 (base), ½ (tie, both bad)
    decided     rows with more than ½ among the rows with another value than ½; Wilson, and the exact sign test
    1 to 5      mean over rows of the mean over raters, for each model, and of the difference

A tie and "both bad" count as half a win for each: neither says that one model is better. How many there were of
each stands beside it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bitsft.blind.agreement import Agreement, agreement
from bitsft.blind.estimates import Estimate, mean, share, sign_test
from bitsft.blind.pairs import AnswerPair
from bitsft.blind.rating import CRITERIA, Rating
from bitsft.blind.ratings import last_ratings

FORM = 1
VERDICTS = ("tuned", "base", "tie", "both_bad")
POINTS = {"tuned": 1.0, "base": 0.0, "tie": 0.5, "both_bad": 0.5}


@dataclass(frozen=True)
class Criterion:
    """One question of 1 to 5.

    Attributes:
        base: The base model's mean.
        tuned: The tuned model's mean.
        difference: tuned − base, over the same rows.
        agreement: Of the raters, over rows and models.
    """

    base: Estimate
    tuned: Estimate
    difference: Estimate
    agreement: Agreement


@dataclass(frozen=True)
class Rater:
    """What one person did.

    Attributes:
        name: The name.
        rated: How many rows.
        verdicts: How often each of `VERDICTS`.
        left: Share of the left answer among the rows where a side was chosen; far from ½ is a habit.
        sided_on_equal: How often a side was chosen although both answers were the same text.
        equal: How many rows with the same text on both sides were rated.
    """

    name: str
    rated: int
    verdicts: dict[str, int]
    left: Estimate
    sided_on_equal: int
    equal: int


@dataclass(frozen=True)
class Results:
    """The outcome of a blind comparison.

    Attributes:
        base: The base model's name.
        tuned: The tuned model's name.
        rows: How many rows there were to rate.
        rated_rows: How many of them somebody rated.
        ratings: How many ratings count.
        verdicts: How often each of `VERDICTS`, over all ratings.
        win_rate: Of the tuned model; above ½ it is preferred.
        decided: Its share of the rows that raters decided.
        wins: Rows decided for it.
        losses: Rows decided against it.
        p_value: Of the sign test on `wins` and `losses`; None when no row was decided.
        criteria: Relevance, accuracy, fluency.
        choices: How far raters agree on the choice.
        left: How often the left answer was chosen, where a side was.
        raters: By name.
    """

    base: str
    tuned: str
    rows: int
    rated_rows: int
    ratings: int
    verdicts: dict[str, int]
    win_rate: Estimate
    decided: Estimate
    wins: int
    losses: int
    p_value: float | None
    criteria: dict[str, Criterion]
    choices: Agreement
    left: Estimate
    raters: tuple[Rater, ...]

    def as_dict(self) -> dict[str, Any]:
        """What stands in results.json."""
        return {"form": FORM, **asdict(self)}


def results_of(
    ratings: Iterable[Rating], pairs: Sequence[AnswerPair], base: str, tuned: str
) -> Results:
    """Compute the results.

    Args:
        ratings: In the order in which they were given; of each rater and row the last one counts. Those of
            rows that are not among the pairs do not.
        pairs: What was there to be rated.
        base: The base model's name.
        tuned: The tuned model's name.

    Raises:
        ValueError: When no row was rated.
        ImportError: When the `krippendorff` package is not installed.
    """
    by_row = {pair.row: pair for pair in pairs}
    counted = [rating for rating in last_ratings(ratings).values() if rating.row in by_row]
    if not counted:
        raise ValueError("none of the rows has been rated yet, so there are no results")
    rows: dict[int, list[Rating]] = defaultdict(list)
    raters: dict[str, list[Rating]] = defaultdict(list)
    for rating in sorted(counted, key=lambda one: (one.row, one.rater)):
        rows[rating.row].append(rating)
        raters[rating.rater].append(rating)
    points = [_mean([POINTS[one.verdict] for one in given]) for given in rows.values()]
    wins, losses = sum(value > 0.5 for value in points), sum(value < 0.5 for value in points)
    return Results(
        base=base,
        tuned=tuned,
        rows=len(pairs),
        rated_rows=len(rows),
        ratings=len(counted),
        verdicts=_verdicts(counted),
        win_rate=mean(points),
        decided=share(wins, wins + losses),
        wins=wins,
        losses=losses,
        p_value=sign_test(wins, losses) if wins + losses else None,
        criteria={criterion: _criterion(criterion, rows, raters) for criterion in CRITERIA},
        choices=agreement(
            {name: {one.row: one.verdict for one in given} for name, given in raters.items()},
            "nominal",
            VERDICTS,
        ),
        left=_left(counted),
        raters=tuple(_rater(name, raters[name], by_row) for name in sorted(raters)),
    )


def _criterion(
    criterion: str, rows: dict[int, list[Rating]], raters: dict[str, list[Rating]]
) -> Criterion:
    base, tuned = (
        [_mean([one.scores_of(model)[criterion] for one in given]) for given in rows.values()]
        for model in ("base", "tuned")
    )
    scores = {
        name: {
            (one.row, model): one.scores_of(model)[criterion]
            for one in given
            for model in ("base", "tuned")
        }
        for name, given in raters.items()
    }
    difference = mean([after - before for before, after in zip(base, tuned, strict=True)])
    return Criterion(
        mean(base), mean(tuned), difference, agreement(scores, "ordinal", (1, 2, 3, 4, 5))
    )


def _rater(name: str, given: list[Rating], by_row: dict[int, AnswerPair]) -> Rater:
    equal = [one for one in given if by_row[one.row].base == by_row[one.row].tuned]
    sided = sum(one.choice in ("left", "right") for one in equal)
    return Rater(name, len(given), _verdicts(given), _left(given), sided, len(equal))


def _verdicts(ratings: list[Rating]) -> dict[str, int]:
    found = Counter(rating.verdict for rating in ratings)
    return {verdict: found[verdict] for verdict in VERDICTS}


def _left(ratings: list[Rating]) -> Estimate:
    found = Counter(rating.choice for rating in ratings)
    return share(found["left"], found["left"] + found["right"])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
