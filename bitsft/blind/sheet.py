"""The comparison as a CSV sheet, one for each rater, with a key that says whose the answers are.

    id        prompt   context  reference  left     right    choice  left relevance  …  right fluency
    s81c2-1   질문 …            서울       서울이다  부산이다  left    5                  …  5

UTF-8 with a byte order mark, without which Excel shows no Hangul. Texts that a spreadsheet would run as
formulas are made harmless (cells.py). Which side is whose stands in a key file of its own,

    FOLDER/keys/s81c2.json    {"form": 1, "sheet": "s81c2", "rater": "kim", "rows": [{"row", "pair", "left"}, ...]}

which the rater must not see. sheet_reading.py reads a sheet back; it finds rows by their id.

Limits: Excel cuts a cell after 32,767 characters, of which `write_sheet` warns.
"""

import csv
import json
import logging
from collections.abc import Sequence
from pathlib import Path

from bitsft.blind.cells import LONGEST_CELL, harmless
from bitsft.blind.pairs import ShownPair
from bitsft.blind.rating import CRITERIA, Rating
from bitsft.data.common.atomic import atomic_path
from bitsft.data.common.hashing import stable_hash

logger = logging.getLogger(__name__)

FORM = 1
SCORE_COLUMNS = tuple(f"{side} {criterion}" for side in ("left", "right") for criterion in CRITERIA)
ANSWERS = ("choice", *SCORE_COLUMNS)
_TEXTS = ("prompt", "context", "reference", "left", "right")


def write_sheet(
    path: Path,
    keys: Path,
    shown: Sequence[ShownPair],
    rater: str,
    *,
    with_reference: bool = True,
    given: "dict[int, Rating] | None" = None,
) -> Path:
    """Write a sheet for one rater, and its key.

    Args:
        path: The sheet, a .csv file; an older one is replaced.
        keys: The folder of the keys.
        shown: The rater's rows in their order (`shown_order`).
        rater: The rater's name.
        with_reference: Whether to show the reference and the context.
        given: The rater's ratings so far, by row; they are filled in.

    Returns:
        The key file.

    Raises:
        ValueError: When the path does not end in .csv.
    """
    if path.suffix.lower() != ".csv":
        raise ValueError(f"{path}: the sheet's name must end in .csv")
    left = ["base" if one.base_on_left else "tuned" for one in shown]
    rows = [
        {"row": one.pair.row, "pair": one.pair.key, "left": side}
        for one, side in zip(shown, left, strict=True)
    ]
    sheet = f"s{stable_hash(rater, json.dumps(rows)):016x}"[:13]
    key = {"form": FORM, "sheet": sheet, "rater": rater, "rows": rows}
    key_path = keys / f"{sheet}.json"
    with atomic_path(key_path) as part:
        part.write_text(json.dumps(key, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    table = [
        _cells(f"{sheet}-{number}", one, with_reference, (given or {}).get(one.pair.row))
        for number, one in enumerate(shown, start=1)
    ]
    unused = {name for name in ("context", "reference") if not any(row[name] for row in table)}
    columns = [name for name in ("id", *_TEXTS, *ANSWERS) if name not in unused]
    with (
        atomic_path(path) as part,
        part.open("w", encoding="utf-8-sig", errors="backslashreplace", newline="") as file,
    ):
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(table)
    return key_path


def _cells(
    name: str, shown: ShownPair, with_reference: bool, rating: Rating | None
) -> dict[str, str]:
    pair = shown.pair
    texts = {
        "prompt": pair.prompt,
        "context": (pair.context or "") if with_reference else "",
        "reference": pair.reference if with_reference else "",
        "left": shown.left,
        "right": shown.right,
    }
    for column, text in texts.items():
        if len(text) >= LONGEST_CELL:
            logger.warning(
                "row %d: the %s has %d characters, and Excel cuts it after %d; rate this row on the page",
                pair.row,
                column,
                len(text),
                LONGEST_CELL,
            )
    cells = {"id": name, **{column: harmless(text) for column, text in texts.items()}}
    cells.update(dict.fromkeys(ANSWERS, ""))
    if rating is not None:
        seen = rating.with_base_on_left(
            shown.base_on_left
        )  # it may be of a sheet with another seed
        cells["choice"] = seen.choice.replace("_", " ")
        for side, scores in (("left", seen.left), ("right", seen.right)):
            cells.update({f"{side} {criterion}": str(scores[criterion]) for criterion in CRITERIA})
    return cells
