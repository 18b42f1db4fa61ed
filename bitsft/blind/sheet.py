"""The comparison as a CSV sheet, one for each rater, and what was typed into it.

    id        prompt   context  reference  left     right    choice  left relevance  …  right fluency
    s81c2-1   질문 …            서울       서울이다  부산이다  left    5                  …  5

UTF-8 with a byte order mark, without which Excel shows no Hangul. Texts that a spreadsheet would run as
formulas are made harmless (cells.py). Which side is whose stands in a key file of its own,

    FOLDER/keys/s81c2.json    {"form": 1, "sheet": "s81c2", "rater": "kim", "rows": [{"row", "pair", "left"}, ...]}

which the rater must not see. Rows are found by their id, so they may be sorted, and rows and columns may be
added or removed. Only the id, the choice and the scores are read: the sheet may come back in CP949, as Excel
saves it on a Korean Windows, with a ? for every character that CP949 lacks.

Limits: Excel cuts a cell after 32,767 characters, of which `write_sheet` warns.
"""

import csv
import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bitsft.blind.cells import LONGEST_CELL, harmless, read_choice, read_score, restored
from bitsft.blind.pairs import AnswerPair, ShownPair
from bitsft.blind.ratings import CRITERIA, Rating, Scores, rate
from bitsft.data.common.atomic import atomic_path
from bitsft.data.common.hashing import stable_hash
from bitsft.data.fields import shorten
from bitsft.data.ledger import Ledger
from bitsft.data.read.charset import text_file
from bitsft.data.read.records import read_records
from bitsft.data.records import Record

logger = logging.getLogger(__name__)

FORM = 1
SCORE_COLUMNS = tuple(f"{side} {criterion}" for side in ("left", "right") for criterion in CRITERIA)
_TEXTS = ("prompt", "context", "reference", "left", "right")
_ANSWERS = ("choice", *SCORE_COLUMNS)
_ID = re.compile(r"(s[0-9a-f]{12})-([0-9]{1,9})")


@dataclass(frozen=True)
class SheetFault:
    """A row of a sheet that could not be taken.

    Attributes:
        row: The row's number in the spreadsheet; the header is row 1.
        column: The column at fault; "" for the row as a whole.
        value: What stands there.
        reason: What is wrong with it.
        remedy: What to do.
    """

    row: int
    column: str
    value: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        where = f"row {self.row}" + (f', column "{self.column}"' if self.column else "")
        return f"{where}: {shorten(self.value)} {self.reason}. {self.remedy}."


@dataclass(frozen=True)
class SheetReading:
    """What was in a sheet.

    Attributes:
        rater: Whose sheet it is.
        ratings: Of the rows that are filled in.
        unrated: How many rows are empty.
        faults: Rows that are neither.
    """

    rater: str
    ratings: tuple[Rating, ...]
    unrated: int
    faults: tuple[SheetFault, ...]


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
    columns = [name for name in ("id", *_TEXTS, *_ANSWERS) if name not in unused]
    with (
        atomic_path(path) as part,
        part.open("w", encoding="utf-8-sig", errors="backslashreplace", newline="") as file,
    ):
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(table)
    return key_path


def read_sheet(path: Path, keys: Path, pairs: Sequence[AnswerPair]) -> SheetReading:
    """Read a sheet back.

    Args:
        path: The .csv file, in UTF-8 or CP949, with commas, semicolons or tabs.
        keys: The folder of the keys.
        pairs: The rows and answers that were to be rated.

    Raises:
        FileNotFoundError: When the sheet or its key is not there.
        ValueError: When it is no such sheet, or is of other answers.
    """
    records, faults = _records(path)
    missing = [name for name in ("id", *_ANSWERS) if name not in records[0].values]
    if missing:
        raise ValueError(
            f'{path}: lacks the column "{missing[0]}". Keep the first line of the sheet as it was written'
        )
    by_row = {pair.row: pair for pair in pairs}
    key: dict[str, Any] = {}
    ratings: dict[int, Rating] = {}
    unrated = 0
    for record in records:
        row = record.number + 2
        cells = {name: restored(record.values[name] or "") for name in ("id", *_ANSWERS)}
        if not any(cell.strip() for cell in cells.values()):
            continue
        match = _ID.fullmatch(cells["id"].strip())
        if match is None:
            remedy = "Copy the id from the sheet as it was written"
            faults.append(SheetFault(row, "id", cells["id"], "is no id of a row", remedy))
            continue
        key = key or _key(keys, match[1], path)
        number = int(match[2])
        if match[1] != key["sheet"] or not 1 <= number <= len(key["rows"]):
            remedy = "Read each sheet by itself"
            faults.append(
                SheetFault(row, "id", cells["id"], "does not belong to this sheet", remedy)
            )
            continue
        shown = _shown(key["rows"][number - 1], by_row, path)
        if number in ratings:
            remedy = "Delete one of the two rows"
            faults.append(SheetFault(row, "id", cells["id"], "stands here twice", remedy))
        elif not any(cells[name].strip() for name in _ANSWERS):
            unrated += 1
        elif isinstance(found := _rating(cells, shown, key["rater"], row), Rating):
            ratings[number] = found
        else:
            faults.append(found)
    if not key:
        raise ValueError(f"{path}: no row has an id of a sheet that was written. {faults[0]}")
    return SheetReading(key["rater"], tuple(ratings.values()), unrated, tuple(faults))


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
    cells.update(dict.fromkeys(_ANSWERS, ""))
    if rating is not None and rating.base_on_left == shown.base_on_left:
        cells["choice"] = rating.choice.replace("_", " ")
        for side, scores in (("left", rating.left), ("right", rating.right)):
            cells.update({f"{side} {criterion}": str(scores[criterion]) for criterion in CRITERIA})
    return cells


def _records(path: Path) -> tuple[list[Record], list[SheetFault]]:
    """The rows of the sheet, and those that are broken as CSV."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file")
    with text_file(str(path), str(path)).open("") as file:
        header = file.readline()
    match = re.match(r'"?id"?([,;\t])', header)
    ledger = Ledger()
    records = list(
        read_records(path, delimiter=match[1] if match else None, quoted=True, ledger=ledger)
    )
    faults = [
        SheetFault(
            reject.row_number + 2,
            reject.field or "",
            "" if reject.value is None else str(reject.value),
            reject.reason + (f" ({reject.detail})" if reject.detail else ""),
            reject.remedy or "Repair the row",
        )
        for reject in ledger.rejected_rows
    ]
    return records, faults


def _key(keys: Path, sheet: str, path: Path) -> dict[str, Any]:
    key_path = keys / f"{sheet}.json"
    if not key_path.is_file():
        raise FileNotFoundError(
            f"{key_path}: there is no such key, so nobody knows which side of {path} is whose. Give the folder "
            "that was given when the sheet was written"
        )
    try:
        key = json.loads(key_path.read_text(encoding="utf-8"))
        form, rows, rater = key["form"], key["rows"], key["rater"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{key_path}: is no key of a sheet ({error})") from error
    if form != FORM:
        raise ValueError(f"{key_path}: is of form {shorten(form)}; this version reads form {FORM}")
    return {"sheet": sheet, "rows": rows, "rater": rater}


def _shown(row: dict[str, Any], by_row: dict[int, AnswerPair], path: Path) -> ShownPair:
    pair = by_row.get(row["row"])
    if pair is None or pair.key != row["pair"]:
        raise ValueError(
            f"{path}: row {row['row']} of the data was rated with other answers than those of these models. "
            "Give the two evaluations that the sheet was written from"
        )
    return ShownPair(pair, row["left"] == "base")


def _rating(cells: dict[str, str], shown: ShownPair, rater: str, row: int) -> Rating | SheetFault:
    for name in _ANSWERS:
        if not cells[name].strip():
            reason = "is empty, and other cells of the row are not"
            return SheetFault(row, name, "", reason, "Fill it in, or empty the others")
    try:
        choice = read_choice(cells["choice"])
    except ValueError as error:
        remedy = "Write left, right, tie or both bad"
        return SheetFault(row, "choice", cells["choice"], str(error), remedy)
    scores: dict[str, Scores] = {"left": {}, "right": {}}
    for name in SCORE_COLUMNS:
        side, criterion = name.split()
        try:
            scores[side][criterion] = read_score(cells[name])
        except ValueError as error:
            return SheetFault(row, name, cells[name], str(error), "Write 1, 2, 3, 4 or 5")
    return rate(shown, rater, choice, scores["left"], scores["right"])
