"""`BlindSession`: what the page asks for and is told, as plain values; it knows nothing of the page.

What leaves here goes to the rater's browser. So a row is named by its position in the rater's own order, the
answers by their side, and no name of a model, path, row number or hash is among the values.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bitsft.blind.pairs import AnswerPair, ShownPair, shown_order
from bitsft.blind.rating import rate, rater_name
from bitsft.blind.ratings import RatingsFile, check_ratings, read_ratings

Reply = dict[str, Any]


class BlindSession:
    """A comparison in progress, of any number of raters.

    Args:
        pairs: The rows to rate.
        path: `ratings.jsonl`; ratings that are there already are gone on with.
        seed: Of the orders and sides.
        with_reference: Whether raters may see the reference and the context.

    Raises:
        ValueError: When the file is damaged, or its ratings are of other answers.
    """

    def __init__(
        self,
        pairs: Sequence[AnswerPair],
        path: Path,
        *,
        seed: int = 0,
        with_reference: bool = True,
    ) -> None:
        check_ratings(read_ratings(path), pairs, path)
        self._pairs = pairs
        self._file = RatingsFile(path)
        self._seed = seed
        self._with_reference = with_reference
        self._orders: dict[str, list[ShownPair]] = {}

    def start(self, name: object) -> Reply:
        """Let a rater in.

        Args:
            name: What was typed as the name.

        Returns:
            `rater`, the name as it is stored, and what `item` returns for the first row that they have not
            rated; `item` is None when there is none.

        Raises:
            ValueError: When it is no name.
        """
        rater = rater_name(name)
        return {"rater": rater, **self._progress(rater), "item": self._next(rater, -1)}

    def item(self, name: object, position: object) -> Reply:
        """One row of a rater.

        Args:
            name: The rater.
            position: From 0, in the rater's order.

        Returns:
            `done` and `total`; `item`: `position`, `prompt`, `context`, `reference`, `left`, `right`, and
            `given`, the rating so far (`choice`, `left`, `right`) or None.

        Raises:
            ValueError: When there is no such position.
        """
        rater = rater_name(name)
        return {**self._progress(rater), "item": self._item(rater, self._checked(position))}

    def save(self, name: object, position: object, choice: Any, left: Any, right: Any) -> Reply:
        """Take a rating; when this returns, it is on the disk.

        Args:
            name: The rater.
            position: Of the row, from 0.
            choice: One of `CHOICES`.
            left: Scores of the left answer.
            right: Scores of the right answer.

        Returns:
            `done` and `total`, and `item`: the next row that is not rated. When all are: the row after this one
            if this one was rated before, else None.

        Raises:
            ValueError: When the rating is incomplete, or there is no such position.
        """
        rater, place = rater_name(name), self._checked(position)
        if not isinstance(left, Mapping) or not isinstance(right, Mapping):
            raise ValueError("a rating needs the scores of both answers")
        shown = self._order(rater)[place]
        rating = rate(shown, rater, choice, dict(left), dict(right))
        before = self._file.last(rater, shown.pair.row)
        if not rating.same_opinion(before):
            self._file.add(rating)
        item = self._next(rater, place)
        if item is None and before is not None and place + 1 < len(self._pairs):
            item = self._item(rater, place + 1)  # all are rated: the rater looks through them again
        return {**self._progress(rater), "item": item}

    def _order(self, rater: str) -> list[ShownPair]:
        if rater not in self._orders:
            self._orders[rater] = shown_order(self._pairs, rater, self._seed)
        return self._orders[rater]

    def _checked(self, position: object) -> int:
        if type(position) is not int or not 0 <= position < len(self._pairs):
            raise ValueError(f"position {position!r}: there are {len(self._pairs)} rows, from 0")
        return position

    def _progress(self, rater: str) -> Reply:
        done = sum(self._file.last(rater, pair.row) is not None for pair in self._pairs)
        return {"done": done, "total": len(self._pairs)}

    def _next(self, rater: str, after: int) -> Reply | None:
        """The next row that is not rated, from the one after `after` on and round to the start."""
        order = self._order(rater)
        for step in range(1, len(order) + 1):
            position = (after + step) % len(order)
            if self._file.last(rater, order[position].pair.row) is None:
                return self._item(rater, position)
        return None

    def _item(self, rater: str, position: int) -> Reply:
        shown = self._order(rater)[position]
        rating = self._file.last(rater, shown.pair.row)
        given = None
        if rating is not None:
            # Sides as they are shown now: an older rating may have been given on a sheet with another seed.
            seen = rating.with_base_on_left(shown.base_on_left)
            given = {"choice": seen.choice, "left": seen.left, "right": seen.right}
        return {
            "position": position,
            "prompt": _sendable(shown.pair.prompt),
            "context": _sendable(shown.pair.context or "") or None
            if self._with_reference
            else None,
            "reference": _sendable(shown.pair.reference) or None if self._with_reference else None,
            "left": _sendable(shown.left),
            "right": _sendable(shown.right),
            "given": given,
        }


def _sendable(text: str) -> str:
    """The text, with ? for half of a surrogate pair, which has no UTF-8 and would stop the whole reply."""
    return text.encode("utf-8", "replace").decode("utf-8")
