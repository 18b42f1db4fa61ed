"""`mix_records`: several sources -> one training set, in given proportions.

    mixed = mix_records({"raft": raft, "chat": koalpaca}, weights={"raft": 0.7, "chat": 0.3}, ledger=ledger)

The sources take turns by a rule, not by chance. After t rows each has given its share w·t of them to less
than one row: the next is, of the sources that are at least 1/(2k-2) of a row behind (k sources), the one
that would first be a whole row late (Tijdeman 1980, "The chairman assignment problem", doi
10.1016/0012-365X(80)90269-1). So every stretch of the set has the same mixture, and two runs are equal.

Each row keeps its `task`, by which scores are reported for each task; a row without one gets the name of
its source here.

| `stop` | the set ends when | `datasets.interleave_datasets` |
|---|---|---|
| `"first_exhausted"` | the source whose turn it is has no more rows | the same name |
| `"all_exhausted"` | every source was used up once; smaller ones start again | the same name |
| `"all_exhausted_without_replacement"` | every row was used once; the rest share the turns | the same name |

There, with `probabilities`, every turn is drawn at random: 1,000 rows at 0.7 hold 671 to 729 of that source (two
standard deviations), and what a source has left over goes without a word. Here each row is accounted
for: repetitions are counted as added and carry the column `repeat` (1, 2, ...); rows left over are
rejected under the stage "mix".

Limits: rows that start again are held in memory, and with a `seed` all rows are. Mix after the split, or
without repetitions: a row and its repetition must not land on both sides.
"""

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import chain
from typing import Any

from bitsft.data.common.choices import check_choice
from bitsft.data.common.hashing import row_hash
from bitsft.data.ledger import Ledger
from bitsft.data.records import Record, as_records
from bitsft.data.tasks import REPEAT

STAGE = "mix"
STOPS = ("first_exhausted", "all_exhausted", "all_exhausted_without_replacement")


def mix_records(
    sources: Mapping[str, Iterable[Record | Mapping[str, Any]]],
    weights: Mapping[str, float] | None = None,
    *,
    size: int | None = None,
    stop: str = "first_exhausted",
    seed: int | None = None,
    ledger: Ledger,
) -> Iterator[Record]:
    """Mix several sources of rows into one.

    Args:
        sources: The rows of each source, by a name of your choice.
        weights: The share of each source, above 0; they need not add up to 1. None for equal shares.
        size: End after so many rows at the latest. With `"all_exhausted"` it is the number of rows:
            sources start again until there are as many.
        stop: When the set ends; see the table in this module's docstring.
        seed: None takes each source in its order, and what is left over are its last rows. A number
            puts each source in an order of its own, by a hash of seed and row.
        ledger: Where added and rejected rows are counted.

    Yields:
        The rows, mixed.

    Raises:
        ValueError: For no sources, weights of other names or not above 0, an unknown `stop`, a `size`
            below 1, or a source without rows where it would have to be repeated.
    """
    if not sources:
        raise ValueError("there are no sources to mix; give at least one, {'name': rows}")
    shares = _shares(tuple(sources), weights)
    check_choice("stop", stop, STOPS)
    if size is not None and size < 1:
        raise ValueError(f"size={size} must be at least 1, or None")
    records = {
        name: _Source(name, as_records(rows, ledger, source=name), stop == "all_exhausted", seed)
        for name, rows in sources.items()
    }
    return _mixed(records, shares, size, stop, ledger)


class Turns:
    """Whose turn it is: shares kept to less than one row, by Tijdeman's rule.

    Args:
        shares: The share of each name; made to add up to 1.
    """

    def __init__(self, shares: Mapping[str, Fraction]) -> None:
        total = sum(shares.values())
        # Whole numbers throughout: in floats the shares of a long set would drift.
        scale = 1
        for share in shares.values():
            scale = max(scale, 1) * (share / total * scale).denominator
        self._weights = {name: int(share / total * scale) for name, share in shares.items()}
        self._total = scale
        self._given = dict.fromkeys(shares, 0)
        self._turn = 0

    def next(self) -> str:
        """Return the name whose turn it is, and count it as given."""
        self._turn += 1
        behind = {
            name: weight * self._turn - self._total * self._given[name]
            for name, weight in self._weights.items()
        }
        names = len(behind)
        least = 2 * max(names - 1, 1)  # 1 / (2k - 2) of a row
        late = self._total * (least - 1)
        chosen = min(
            (name for name, rows in behind.items() if rows * least >= self._total),
            # Turns until the name is 1 - 1 / (2k - 2) of a row behind.
            key=lambda name: -((behind[name] * least - late) // (self._weights[name] * least)),
        )
        self._given[chosen] += 1
        return chosen


class _Source:
    """The rows of a source, again and again where they are kept."""

    def __init__(self, name: str, records: Iterator[Record], keep: bool, seed: int | None) -> None:
        self.name = name
        self.used_up = False
        self._keep = keep
        self._kept: list[Record] = []
        self._records = records if seed is None else _ordered(records, seed)
        self._ahead: list[Record] = []
        self._repeats = 0

    def look_ahead(self) -> bool:
        """Whether there is another first-time row; `used_up` says the same afterwards."""
        if not self._ahead and not self.used_up:
            self._ahead = [record for record in [next(self._records, None)] if record is not None]
            self.used_up = not self._ahead
        return not self.used_up

    def take(self) -> tuple[Record, bool]:
        """Return the next row, and whether it is a repetition."""
        if self.look_ahead():
            record = self._ahead.pop()
            if "task" not in record.values:
                record = Record({**record.values, "task": self.name}, record.source, record.number)
            if self._keep:
                self._kept.append(record)
            return record, False
        if not self._kept:
            raise ValueError(
                f"source {self.name!r} has no rows to repeat; leave it out of the mixture"
            )
        rounds, place = divmod(self._repeats, len(self._kept))
        self._repeats += 1
        first = self._kept[place]
        return Record({**first.values, REPEAT: rounds + 1}, first.source, first.number), True

    def rest(self) -> Iterator[Record]:
        """Yield what was never taken."""
        return chain(self._ahead, self._records)


def _mixed(
    sources: dict[str, _Source],
    shares: dict[str, Fraction],
    size: int | None,
    stop: str,
    ledger: Ledger,
) -> Iterator[Record]:
    turns = Turns(shares)
    given = 0
    reason = "is left over: the set is as large as asked"
    while size is None or given < size:
        fresh = [source for source in sources.values() if source.look_ahead()]
        if stop == "all_exhausted" and size is None and not fresh:
            break
        name = turns.next()
        source = sources[name]
        if not source.look_ahead() and stop != "all_exhausted":
            if stop == "first_exhausted":
                reason = "is left over: another source ran out"
                break
            shares = {other: share for other, share in shares.items() if other != name}
            if not shares:
                break
            turns = Turns(shares)
            continue
        record, is_repeated = source.take()
        if is_repeated:
            ledger.count_added(STAGE)
        given += 1
        yield record
    for name, source in sources.items():
        for record in source.rest():
            ledger.reject(
                record,
                stage=STAGE,
                field=None,
                value=None,
                reason=reason,
                remedy="Nothing need be done; stop='all_exhausted_without_replacement' uses every row",
                detail=f"source {name!r}",
            )


def _shares(names: tuple[str, ...], weights: Mapping[str, float] | None) -> dict[str, Fraction]:
    if weights is None:
        return dict.fromkeys(names, Fraction(1))
    if set(weights) != set(names):
        raise ValueError(
            f"weights are given for {', '.join(sorted(weights))}, but the sources are "
            f"{', '.join(sorted(names))}; give one weight for each"
        )
    for name, weight in weights.items():
        if not 0 < weight < float("inf"):
            raise ValueError(
                f"weights[{name!r}]={weight} must be above 0; leave out a source that shall not be used"
            )
    # By its decimal digits 0.7 is 7/10; as a binary fraction it is a little less.
    return {name: Fraction(str(weights[name])) for name in names}


def _ordered(records: Iterator[Record], seed: int) -> Iterator[Record]:
    """Yield all rows in the order of their hashes, at first use; equal rows keep their order."""
    yield from sorted(records, key=lambda record: row_hash(record.values, STAGE, seed))
