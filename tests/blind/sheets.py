"""A sheet for kim, and what a spreadsheet would do with it."""

import csv
from pathlib import Path

from bitsft.blind.pairs import AnswerPair, shown_order
from bitsft.blind.sheet import write_sheet
from tests.blind.evaluations import pairs_of

PAIRS = pairs_of(4)
HOSTILE = ["=cmd|' /C calc'!A0", '+1,"-2;\t\r\n@', "'=1", "둘째 줄\n=A1"]
Table = list[dict[str, str]]


def written(folder: Path, pairs: list[AnswerPair] = PAIRS) -> Path:
    path = folder / "kim.csv"
    write_sheet(path, folder / "keys", shown_order(pairs, "kim"), "kim")
    return path


def table_of(path: Path) -> Table:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def save(path: Path, table: Table, encoding: str = "utf-8-sig", delimiter: str = ",") -> None:
    with path.open("w", encoding=encoding, errors="replace", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(table)


def fill(row: dict[str, str], choice: str, values: str) -> None:
    row["choice"] = choice
    names = [name for name in row if name.split()[0] in ("left", "right") and " " in name]
    row.update(zip(names, values, strict=True))
