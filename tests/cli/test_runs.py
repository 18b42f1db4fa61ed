"""`bitsft runs`: the verbs, their forms, the exit status."""

import json
from pathlib import Path

import pytest
import yaml

from bitsft.cli import main
from bitsft.runs import RunRecord, read_run, write_run


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two trainings and something damaged; the working folder is above them."""
    monkeypatch.chdir(tmp_path)
    for number, (name, rate, score) in enumerate((("첫째", 2e-3, 0.25), ("둘째", 1e-3, 0.5)), 1):
        record = RunRecord(
            id=f"20260703-09150{number}-00a{number}",
            kind="train",
            name=name,
            status="finished",
            started=f"2026-07-03T09:15:0{number}.000Z",
            seed=0,
            settings={"training": {"learning_rate": rate}, "changed": ["learning_rate"]},
            result={"scores": {"all": {"rouge1": {"value": score, "before": 0.125}}}},
            sessions=[{"status": "finished"}],
        )
        write_run(record, tmp_path / name / "run.json")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "run.json").write_text("{")
    return tmp_path


def test_the_list(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs"]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[1].startswith("#001  첫째") and "rouge1 0.125 → 0.25" in lines[1]
    assert lines[2].startswith("#002  둘째") and len(lines) == 3
    assert "damaged/run.json: is no JSON" in captured.err
    assert main(["runs", "둘째"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("#001  둘째")


def test_a_copied_record_is_one_run_until_it_differs(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = runs / "again" / "run.json"
    copy.parent.mkdir()
    copy.write_bytes((runs / "첫째" / "run.json").read_bytes())
    assert main(["runs"]) == 0
    assert [line[:8] for line in capsys.readouterr().out.splitlines()[1:]] == [
        "#001  첫째",
        "#002  둘째",
    ]
    assert main(["runs", "note", "첫째", "by its name"]) == 0
    assert "첫째/run.json: written down" in capsys.readouterr().out
    assert main(["runs"]) == 0  # the copy lacks the note now
    assert [line[:4] for line in capsys.readouterr().out.splitlines()[1:]] == [
        "#001",
        "#002",
        "#003",
    ]


def test_a_name_that_no_run_has_sorts_nothing(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["runs", "--sort", "rogue1"]) == 1
    assert "--sort rogue1: no run has a score or setting" in capsys.readouterr().err


def test_filtered_and_sorted(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--sort", "rouge1", "--reverse", "--scores", "rouge1"]) == 0
    assert [line[:4] for line in capsys.readouterr().out.splitlines()[1:]] == ["#002", "#001"]
    assert main(["runs", "--where", "rouge1>0.3", "--where", "kind=train", "."]) == 0
    assert [line[:4] for line in capsys.readouterr().out.splitlines()[1:]] == ["#002"]
    assert main(["runs", "--kind", "eval"]) == 0
    assert "No such runs below this folder. " in capsys.readouterr().out
    assert main(["runs", "--where", "rouge1"]) == 1
    assert "is no condition" in capsys.readouterr().err


def test_json_and_csv(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["number"], one["name"]) for one in found] == [(1, "첫째"), (2, "둘째")]
    assert main(["runs", "list", "--csv"]) == 0
    header, first, _ = capsys.readouterr().out.splitlines()
    assert header.startswith("number,id,name,") and "all.rouge1 before,all.rouge1" in header
    assert first.endswith(",0.125,0.25,첫째")


def test_show(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "show", "2"]) == 0
    assert capsys.readouterr().out.startswith("Experiment #002: 둘째\n")
    assert main(["runs", "show", "--markdown", "둘째"]) == 0
    assert "| rouge1 | 0.125 | 0.5 |  |" in capsys.readouterr().out
    assert main(["runs", "show", "첫째", "--yaml"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == {"learning_rate": 0.002, "seed": 0}
    assert main(["runs", "show", "--in", "둘째", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "둘째"
    assert main(["runs", "show", "셋째"]) == 1
    assert "no run of that number, id or name below this folder" in capsys.readouterr().err


def test_compare(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "compare", "1", "둘째"]) == 0
    out = capsys.readouterr().out
    assert "settings.training.learning_rate  0.002  0.001" in out and "+0.25" in out
    assert main(["runs", "compare", "1", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scores"][0]["differences"] == [0.0, 0.25]
    assert main(["runs", "compare", "1"]) == 1
    assert "two or more" in capsys.readouterr().err


def test_notes(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "note", "1", "너무 느리다", "--goal", "빠르게"]) == 0
    assert main(["runs", "note", "#1", "둘째가 낫다"]) == 0
    found = read_run(runs / "첫째")
    assert (found.notes, found.goal) == (["너무 느리다", "둘째가 낫다"], "빠르게")
    capsys.readouterr()
    assert main(["runs", "note", "1"]) == 2
    assert "nothing to write down" in capsys.readouterr().err


def test_check(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "check", "1"]) == 0
    assert "0 different, 0 unknown, 0 the same" in capsys.readouterr().out
    record = read_run(runs / "둘째")
    record.versions = {"torch": "1.0"}
    record.data = [{"role": "train"}]
    write_run(record)
    assert main(["runs", "check", "2"]) == 3
    out = capsys.readouterr().out
    assert "different  versions.torch  was 1.0, is " in out and "1 different, 1 unknown" in out
    assert main(["runs", "check", "2", "--json"]) == 3
    assert [one["verdict"] for one in json.loads(capsys.readouterr().out)] == [
        "unknown",
        "different",
    ]


def test_it_fits_the_terminal(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from bitsft.pages.columns import columns_of

    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    assert main(["runs"]) == 0
    assert max(columns_of(line) for line in capsys.readouterr().out.splitlines()) <= 40


def test_help_names_the_verbs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["runs", "--help"])
    out = capsys.readouterr().out
    assert all(verb in out for verb in ("list", "show", "compare", "note", "check"))


def test_nothing_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", str(tmp_path)]) == 0
    assert "No runs below" in capsys.readouterr().out
    assert main(["runs", str(tmp_path / "none")]) == 1
    assert "there is no such folder" in capsys.readouterr().err
