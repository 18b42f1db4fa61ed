"""What a spreadsheet gets."""

import json
from pathlib import Path

import pytest

from bitsft.blind.cells import restored
from bitsft.blind.pairs import pair_answers, shown_order
from bitsft.blind.rating import CRITERIA
from bitsft.blind.sheet import write_sheet
from tests.blind.evaluations import BASE, TUNED, evaluation, rating, shown
from tests.blind.sheets import HOSTILE, PAIRS, table_of, written


def test_what_is_written(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert path.read_bytes().startswith(b"\xef\xbb\xbfid,prompt,reference,left,right,choice,")
    table = table_of(path)
    order = shown_order(PAIRS, "kim")
    assert [row["left"] for row in table] == [one.left for one in order]
    assert [row["right"] for row in table] == [one.right for one in order]
    assert [row["prompt"] for row in table] == [one.pair.prompt for one in order]
    assert {row["choice"] for row in table} == {""}
    (key_path,) = (tmp_path / "keys").iterdir()
    key = json.loads(key_path.read_text(encoding="utf-8"))
    assert key["rater"] == "kim"
    assert [row["left"] for row in key["rows"]] == [
        "base" if one.base_on_left else "tuned" for one in order
    ]
    assert table[0]["id"] == f"{key_path.stem}-1"
    assert BASE not in path.read_text(encoding="utf-8") and "tuned" not in path.read_text("utf-8")


def test_without_the_reference(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write_sheet(path, tmp_path / "keys", shown_order(PAIRS, "a"), "a", with_reference=False)
    assert "reference" not in table_of(path)[0] and "참고" not in path.read_text(encoding="utf-8")


def test_hostile_texts_are_no_formulas_and_come_back(tmp_path: Path) -> None:
    pairs = pair_answers(evaluation(BASE, HOSTILE), evaluation(TUNED, HOSTILE[::-1]))
    table = table_of(written(tmp_path, pairs))
    for row, one in zip(table, shown_order(pairs, "kim"), strict=True):
        assert (restored(row["left"]), restored(row["right"])) == (one.left, one.right)
        assert row["left"][0] not in "=+-@\t\r\n"


@pytest.mark.parametrize("turned", [False, True])
def test_ratings_so_far_stand_on_the_side_where_the_answer_is_now(
    tmp_path: Path, turned: bool
) -> None:
    left, right = (5, 4, 3), (1, 2, 1)
    base_on_left = turned
    if turned:
        given = rating(PAIRS[0], "kim", "right", right, left, base_on_left=not base_on_left)
    else:
        given = rating(PAIRS[0], "kim", "left", left, right, base_on_left=base_on_left)
    path = tmp_path / "kim.csv"
    now = [shown(PAIRS[0], base_on_left=base_on_left)]
    write_sheet(path, tmp_path / "keys", now, "kim", given={0: given})
    (row,) = table_of(path)
    assert row["choice"] == "left"
    assert [row[f"left {one}"] for one in CRITERIA] == ["5", "4", "3"]
    assert [row[f"right {one}"] for one in CRITERIA] == ["1", "2", "1"]


def test_only_csv(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must end in .csv"):
        write_sheet(tmp_path / "a.xlsx", tmp_path / "keys", [], "kim")
