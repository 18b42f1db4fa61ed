"""The folder: settings that stay, and sheets that are taken in once."""

from pathlib import Path

import pytest

from bitsft.blind.folder import BlindFolder
from bitsft.blind.ratings import read_ratings
from bitsft.blind.sheet_reading import SheetReading
from tests.blind.evaluations import pairs_of, rating

PAIRS = pairs_of(3)


def test_settings_stay(tmp_path: Path) -> None:
    folder = BlindFolder(tmp_path / "blind")
    assert folder.settled(7, 10) == (7, 10)
    assert folder.settled(None, None) == (7, 10)
    assert folder.settled(7, 20) == (7, 20)
    with pytest.raises(ValueError, match="seed 7, so seed 8 is for another folder"):
        folder.settled(8, None)
    with pytest.raises(ValueError, match="20 rows were to be rated, and 10 are fewer"):
        folder.settled(None, 10)
    assert folder.settled(None, None) == (7, 20)


def test_all_rows_cannot_become_fewer(tmp_path: Path) -> None:
    folder = BlindFolder(tmp_path)
    assert folder.settled(None, None) == (0, None)
    with pytest.raises(ValueError, match="all rows were to be rated, and 10 are fewer"):
        folder.settled(None, 10)


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "holds no settings"), ("{}", "holds no settings"), ('{"form": 2}', "holds no settings")],
)
def test_broken_settings(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "settings.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=said):
        BlindFolder(tmp_path).settled(None, None)


def test_settings_of_a_newer_form(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"form": 2, "seed": 0, "rows": null}', encoding="utf-8")
    with pytest.raises(ValueError, match="cannot be read by this version"):
        BlindFolder(tmp_path).settled(None, None)


def test_a_sheet_that_is_read_twice_counts_once(tmp_path: Path) -> None:
    folder = BlindFolder(tmp_path)
    first = rating(PAIRS[0], "kim", "left")
    assert folder.take(SheetReading("kim", (first,), 2, ()), PAIRS) == 1
    changed = rating(PAIRS[0], "kim", "tie")
    second = rating(PAIRS[1], "kim", "left")
    assert folder.take(SheetReading("kim", (first, second), 1, ()), PAIRS) == 1
    assert folder.take(SheetReading("kim", (changed, second), 1, ()), PAIRS) == 1
    assert [one.choice for one in read_ratings(folder.ratings)] == ["left", "left", "tie"]
