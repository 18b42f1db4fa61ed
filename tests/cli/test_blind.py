"""`bitsft compare --blind...`: arguments, what is printed and written, exit status."""

import argparse
import csv
import json
from pathlib import Path

import pytest

from bitsft.cli.blind import add_blind_arguments, run_blind, wants_blind
from tests.blind.evaluations import BASE, TUNED, evaluations


def parsed(*arguments: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_blind_arguments(parser)
    return parser.parse_args([str(argument) for argument in arguments])


def run(folder: Path, *arguments: object) -> int:
    return run_blind(*evaluations(4), parsed("--blind-folder", folder / "blind", *arguments))


def fill(path: Path, *choices: str) -> None:
    with path.open(encoding="utf-8-sig", newline="") as file:
        table = list(csv.DictReader(file))
    for row, choice in zip(table, choices, strict=False):
        row["choice"] = choice
        row.update({name: "4" for name in row if name.startswith(("left ", "right "))})
    with path.open("w", encoding="cp949", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]))
        writer.writeheader()
        writer.writerows(table)


def test_what_asks_for_it() -> None:
    assert not wants_blind(parsed())
    for arguments in (
        ("--blind",),
        ("--blind-sheet", "a"),
        ("--blind-read", "a"),
        ("--blind-results",),
    ):
        assert wants_blind(parsed(*arguments))


def test_only_one_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed("--blind", "--blind-results")
    assert "not allowed with argument" in capsys.readouterr().err


def test_sheets_there_and_back_and_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [tmp_path / f"{name}.csv" for name in ("kim", "lee")]
    for path in paths:
        assert run(tmp_path, "--blind-sheet", path, "--blind-rater", path.stem) == 0
    assert f"{paths[0]}: 4 rows for kim. Give them this file, and keep" in capsys.readouterr().out
    fill(paths[0], "left", "tie", "both bad")
    fill(paths[1], "left", "right", "tie", "tie")
    assert run(tmp_path, "--blind-read", *paths) == 0
    out = capsys.readouterr().out
    assert f"{paths[0]}, kim: 3 rated (3 new or changed), 1 not rated yet, 0 refused" in out
    assert f"{paths[1]}, lee: 4 rated (4 new or changed), 0 not rated yet, 0 refused" in out
    assert run(tmp_path, "--blind-read", *paths) == 0
    assert "3 rated (0 new or changed)" in capsys.readouterr().out
    assert run(tmp_path, "--blind-results") == 0
    out = capsys.readouterr().out
    assert out == (tmp_path / "blind" / "results.md").read_text(encoding="utf-8")
    assert "7 ratings by 2 people" in out
    values = json.loads((tmp_path / "blind" / "results.json").read_text(encoding="utf-8"))
    assert (values["base"], values["tuned"], values["ratings"]) == (BASE, TUNED, 7)


def test_refused_rows_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "kim.csv"
    run(tmp_path, "--blind-sheet", path, "--blind-rater", "kim")
    fill(path, "left", "up")
    assert run(tmp_path, "--blind-read", path) == 3
    out, err = capsys.readouterr()
    assert "1 rated (1 new or changed), 2 not rated yet, 1 refused" in out
    assert f"{path}, row 3, column \"choice\": 'up' is none of left, right, tie, both bad." in err


def test_a_sheet_needs_a_rater_and_the_other_way_round(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--blind-sheet needs --blind-rater NAME"):
        run(tmp_path, "--blind-sheet", tmp_path / "a.csv")
    with pytest.raises(ValueError, match="--blind-rater 'kim' is for --blind-sheet"):
        run(tmp_path, "--blind", "--blind-rater", "kim")
    assert not (tmp_path / "blind").exists()


def test_results_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="blind: there is no such folder, so nothing was"):
        run(tmp_path, "--blind-results")
    run(tmp_path, "--blind-sheet", tmp_path / "kim.csv", "--blind-rater", "kim")
    with pytest.raises(ValueError, match="none of the rows has been rated yet"):
        run(tmp_path, "--blind-results")


def test_wrong_rows_leave_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        run(tmp_path, "--blind", "--blind-rows", 0)
    assert not (tmp_path / "blind").exists()
