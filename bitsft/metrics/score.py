"""One number with what is needed to reproduce it and to doubt it: the result type of every metric here.

The text form follows sacreBLEU (Post 2018, https://aclanthology.org/W18-6319), which prints
`name|key:value|key:value = number`: two numbers may be compared when their signatures are equal.

Every value here is a function of column sums. Row i contributes a line of k numbers (for a mean: its value
and 1; for BLEU: matched and possible n-grams of each order and two lengths; for macro F1: a cell of the
confusion matrix), and

    value = of_sums(Σ_i table[i])

so the value of any part of the rows, or of rows drawn with replacement, costs one sum and no new scoring.
The interval is the percentile bootstrap over rows (Efron 1979; for machine translation Koehn 2004,
https://aclanthology.org/W04-3250): rows are drawn n out of n with replacement, `resamples` times, and the
middle `confidence` of the values is the interval. It says how far the value depends on which rows were
picked, nothing about other data or another training run; below about 30 rows it is too narrow.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

Goal = Literal["higher", "lower", "none"]
"""Which direction is better; of a length neither is."""

_DRAWN_AT_ONCE = 2_000_000  # 16 MB, three times


@dataclass(frozen=True)
class Statistics:
    """What a value is computed from: one line of numbers per row, and a function of their column sums.

    Attributes:
        table: float64 [n, k].
        of_sums: Takes column sums [..., k] and returns values [...]; 0/0 must be handled by it.
    """

    table: "np.ndarray"
    of_sums: "Callable[[np.ndarray], np.ndarray]"

    def value(self, rows: "Sequence[int] | np.ndarray | None" = None) -> float:
        """The value of these rows (numbers from 0); None means all."""
        table = self.table if rows is None else self.table[rows]
        return float(self.of_sums(table.sum(axis=0)))


@dataclass(frozen=True)
class Score:
    """A metric's value and its signature.

    Two scores are equal when name, value and signature are.

    Attributes:
        name: The name that gets logged, e.g. `"rougeL"`.
        value: A plain Python float; its range belongs to the metric.
        signature: Tokenizer, settings and versions, as `key:value` joined by `|`.
        rows: float64 [n], each row scored for itself (of BLEU the sentence's BLEU): for lists of the best and
            the worst, and for histograms. NaN where the metric says nothing of a single row. None where
            the metric has no rows.
        statistics: What the value is computed from; None where it is not known row by row.
        goal: Which direction is better.

    Example:
        >>> print(Score("bleu", 35.930411, "nrefs:1|tok:char"))
        bleu|nrefs:1|tok:char = 35.93
    """

    name: str
    value: float
    signature: str
    rows: "np.ndarray | None" = field(default=None, repr=False, compare=False)
    statistics: Statistics | None = field(default=None, repr=False, compare=False)
    goal: Goal = field(default="higher", repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.name}|{self.signature} = {self.value:.4g}"

    def interval(
        self, confidence: float = 0.95, *, resamples: int = 1000, seed: int = 0
    ) -> tuple[float, float]:
        """Bootstrap confidence interval of the value over rows.

        Args:
            confidence: Share of the resampled values inside, between 0 and 1.
            resamples: How often rows are drawn.
            seed: Of the draws; the global random state is not used.

        Returns:
            Lower and upper end.

        Raises:
            ValueError: When the metric knows no rows, or a setting is out of range.
        """
        import numpy as np

        if not 0 < confidence < 1:
            raise ValueError(f"confidence={confidence}: it must lie between 0 and 1, e.g. 0.95")
        (values,) = resampled([self._statistics()], resamples, seed)
        outside = (1 - confidence) / 2
        low, high = np.quantile(values, [outside, 1 - outside])
        return float(low), float(high)

    def subset(self, rows: "Sequence[int] | np.ndarray") -> "Score":
        """The same metric over some of its rows, without scoring anew.

        Args:
            rows: Row numbers from 0.

        Returns:
            A score with the same name and signature.

        Raises:
            ValueError: When the metric knows no rows, or none are given.
        """
        import numpy as np

        statistics = self._statistics()
        chosen = np.asarray(rows, dtype=np.int64)
        if chosen.size == 0:
            raise ValueError(f"{self.name}: a subset of no rows has no value")
        part = Statistics(statistics.table[chosen], statistics.of_sums)
        values = None if self.rows is None else self.rows[chosen]
        return Score(self.name, part.value(), self.signature, values, part, self.goal)

    def _statistics(self) -> Statistics:
        if self.statistics is None:
            raise ValueError(
                f"{self.name} was made without its statistics, so it has no interval and no parts; "
                "a metric that is a mean makes them with mean_score"
            )
        return self.statistics


def rows_counted(score: Score) -> int | None:
    """How many rows a score is over: those that it leaves out (of quotes, a row without one) do not count.

    Args:
        score: A score. What it leaves out is NaN in `rows`, and, where it says nothing of single rows, a line of
            zeros in its table.

    Returns:
        Their number; None where the score does not know its rows.
    """
    import numpy as np

    if score.rows is not None:
        scored = ~np.isnan(score.rows)
        if scored.any() or score.statistics is None:
            return int(scored.sum())
    if score.statistics is None:
        return None
    return int(score.statistics.table.any(axis=1).sum())


def mean_score(
    name: str, rows: "Sequence[float] | np.ndarray", signature: str, *, goal: Goal = "higher"
) -> Score:
    """The score whose value is the mean of its rows.

    Args:
        name: The name that gets logged.
        rows: n numbers, one or more.
        signature: As `Score.signature`.
        goal: Which direction is better.
    """
    return ratio_score(name, rows, [1.0] * len(rows), signature, goal=goal)


def ratio_score(
    name: str,
    above: "Sequence[float] | np.ndarray",
    below: "Sequence[float] | np.ndarray",
    signature: str,
    *,
    goal: Goal = "higher",
) -> Score:
    """The score Σ above / Σ below (0 where the latter is 0), with each row's own ratio.

    Args:
        name: The name that gets logged.
        above: n numbers, e.g. nats of each text.
        below: n numbers, e.g. bytes of each text.
        signature: As `Score.signature`.
        goal: Which direction is better.
    """
    import numpy as np

    table = np.stack([np.asarray(above, np.float64), np.asarray(below, np.float64)], axis=1)
    statistics = Statistics(table, _ratio)
    return Score(name, statistics.value(), signature, _ratio(table), statistics, goal)


def _ratio(sums: "np.ndarray") -> "np.ndarray":
    import numpy as np

    above, below = sums[..., 0], sums[..., 1]
    return np.divide(above, below, out=np.zeros_like(above), where=below != 0)


def resampled(
    statistics: Sequence[Statistics], resamples: int = 1000, seed: int = 0
) -> "list[np.ndarray]":
    """The values of rows drawn with replacement, n out of n, for several metrics of the same n rows at once.

    All of them see the same rows in each draw, so that differences between two models are paired.

    Args:
        statistics: Tables of equal length.
        resamples: How often rows are drawn.
        seed: Of the draws; the global random state is not used.

    Returns:
        For each of `statistics` its values, float64 [resamples].

    Raises:
        ValueError: When tables differ in length, or a number is below 1.
    """
    import numpy as np

    if resamples < 1:
        raise ValueError(f"resamples={resamples}: it must be 1 or more")
    lengths = {len(one.table) for one in statistics}
    if len(lengths) != 1:
        raise ValueError(f"tables of {sorted(lengths)} rows cannot be resampled together")
    (rows,) = lengths
    if rows == 0:
        raise ValueError("no rows to draw from")
    generator = np.random.default_rng(seed)
    (joined,), columns = join_tables(statistics)
    at_once = max(1, _DRAWN_AT_ONCE // rows)
    sums = []
    for start in range(0, resamples, at_once):
        draws = generator.integers(rows, size=(min(at_once, resamples - start), rows))
        counts = np.stack([np.bincount(draw, minlength=rows) for draw in draws])
        sums.append(counts.astype(np.float64) @ joined)
    found = np.concatenate(sums)
    return [one.of_sums(found[:, part]) for one, part in zip(statistics, columns, strict=True)]


def join_tables(*sides: Sequence[Statistics]) -> "tuple[list[np.ndarray], list[slice]]":
    """Tables side by side; one that several metrics share (macro precision, recall and F1) stands there once.

    Args:
        *sides: Of each model its statistics, one or more, of n rows each; those of the same place belong together
            and have tables of one shape.

    Returns:
        For each side float64 [n, k], and for each place the columns in them.
    """
    import numpy as np

    columns: dict[tuple[int, ...], slice] = {}  # by id: the arguments keep each table alive
    tables: list[list[np.ndarray]] = [[] for _ in sides]
    keys = []
    width = 0
    for place in zip(*sides, strict=True):
        keys.append(tuple(id(one.table) for one in place))
        if keys[-1] in columns:
            continue
        columns[keys[-1]] = slice(width, width + place[0].table.shape[1])
        width += place[0].table.shape[1]
        for joined, one in zip(tables, place, strict=True):
            joined.append(one.table)
    return [np.concatenate(joined, axis=1) for joined in tables], [columns[key] for key in keys]
