"""Which runs there are, and which one is meant."""

from pathlib import Path

import pytest

from bitsft.runs import find_run, list_runs
from bitsft.runs.select import sorted_by, value_of, where

from .conftest import MakeRun


def test_numbered_by_their_start(make_run: MakeRun, tmp_path: Path) -> None:
    make_run("b", number=1)
    make_run("deep/a", number=3)
    make_run("c", number=2)
    (tmp_path / "c" / "run.other.json").write_text("{}")
    (tmp_path / "c" / "runs.json").write_text("{}")
    damaged: list[str] = []
    assert [run.name for run in list_runs(tmp_path, damaged)] == ["b", "c", "deep/a"]
    assert len(damaged) == 1 and "run.other.json: is not the record of a run" in damaged[0]
    again = list_runs([tmp_path / "c", tmp_path, tmp_path / "c" / "run.json"])
    assert [run.name for run in again] == ["b", "c", "deep/a"], "each once"
    with pytest.raises(FileNotFoundError, match="none: there is no such folder"):
        list_runs(tmp_path / "none")


def test_the_run_that_is_meant(make_run: MakeRun, tmp_path: Path) -> None:
    first, second = make_run("첫째", number=1), make_run("b", number=2)
    for wanted in ("#1", "1", "001", first.id, first.id[:-1], "첫째", str(tmp_path / "첫째")):
        assert find_run(wanted, [tmp_path]).id == first.id, wanted
    make_run("c", number=3, name="b")
    with pytest.raises(ValueError, match=f"2 runs are called: {second.id}, .*Give an id"):
        find_run("b", [tmp_path])
    with pytest.raises(ValueError, match="3 runs"):
        find_run("2026", [tmp_path])
    with pytest.raises(FileNotFoundError, match="there are 3 runs"):
        find_run("#4", [tmp_path])
    with pytest.raises(FileNotFoundError, match="no run of that number, id or name below"):
        find_run("none", [tmp_path])


def test_values_by_a_short_name(make_run: MakeRun) -> None:
    run = make_run(
        scores={
            "raft": {"em": {"value": 0.25}, "f1": {"value": 0.5}},
            "all": {"f1": {"value": 0.75}},
        }
    )
    assert value_of(run, "f1") == 0.75 and value_of(run, "raft.f1") == 0.5
    assert value_of(run, "em") == 0.25, "of the task that has it"
    assert value_of(run, "learning_rate") == value_of(run, "training.learning_rate") == 2e-3
    assert value_of(run, "time") == 125.0 and value_of(run, "steps") == 40
    assert value_of(run, "nothing") is None


def test_conditions(make_run: MakeRun) -> None:
    runs = [
        make_run("a", number=1, scores={"all": {"f1": {"value": 0.5}}}),
        make_run("b", number=2, scores={"all": {"f1": {"value": 0.9}}}, status="failed"),
        make_run("c", number=3, learning_rate=1e-3),
    ]

    def names(condition: str) -> str:
        return "".join(run.name for run in where(runs, condition))

    assert names("f1>0.5") == "b" and names("f1 >= 0.5") == "ab" and names("f1<0.6") == "a"
    assert names("learning_rate=0.002") == "ab" and names("learning_rate != 2e-3") == "c"
    assert names("status=finished") == "ac" and names("name==b") == "b"
    for wrong, message in (("f1", "is no condition"), ("f1>high", "'high' is no number")):
        with pytest.raises(ValueError, match=message):
            where(runs, wrong)


def test_sorting_puts_what_is_missing_last(make_run: MakeRun) -> None:
    values = [0.5, None, "nan", 0.9]
    runs = [
        make_run(str(n), number=n, scores={} if v is None else {"all": {"f1": {"value": v}}})
        for n, v in enumerate(values, 1)
        if v != "nan"
    ]
    assert [run.name for run in sorted_by(runs, "f1")] == ["1", "4", "2"]
    assert [run.name for run in sorted_by(runs, "f1", reverse=True)] == ["4", "1", "2"]
    assert [run.name for run in sorted_by(runs, "name", reverse=True)] == ["4", "2", "1"]
