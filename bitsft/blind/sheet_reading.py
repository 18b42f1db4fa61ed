"""A sheet that was filled in -> ratings, and the rows that are none, each with its place, value and remedy.

Only the id, the choice and the scores are read, so the sheet may come back in CP949, as Excel saves it on a Korean
Windows, with a ? for every character that CP949 lacks; rows may have been sorted, and rows and columns
added or removed. A row with none of these filled in is not rated yet.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bitsft.blind.cells import read_choice, read_score, restored
from bitsft.blind.pairs import AnswerPair, ShownPair
from bitsft.blind.rating import Rating, Scores, rate
from bitsft.blind.sheet import ANSWERS, FORM, SCORE_COLUMNS
from bitsft.data.fields import shorten
from bitsft.data.ledger import Ledger
from bitsft.data.read.charset import text_file
from bitsft.data.read.records import read_records
from bitsft.data.records import Record

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
    missing = [name for name in ("id", *ANSWERS) if name not in records[0].values]
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
        cells = {name: restored(record.values[name] or "") for name in ("id", *ANSWERS)}
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
        elif not any(cells[name].strip() for name in ANSWERS):
            unrated += 1
        elif isinstance(found := _rating(cells, shown, key["rater"], row), Rating):
            ratings[number] = found
        else:
            faults.append(found)
    if not key:
        raise ValueError(f"{path}: no row has an id of a sheet that was written. {faults[0]}")
    return SheetReading(key["rater"], tuple(ratings.values()), unrated, tuple(faults))


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
    for name in ANSWERS:
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
