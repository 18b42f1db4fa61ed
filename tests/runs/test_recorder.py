"""A record is there from the start, ends as the run ended, and never ends the run."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bitsft.metrics import Score
from bitsft.metrics.score import mean_score
from bitsft.runs import list_runs, read_run, recorded, start_record, write_run


def test_a_block_that_ends_well(tmp_path: Path) -> None:
    data = {"eval": [{"a": "x"}], "none": None}
    with recorded(tmp_path / "out", "eval", data=data, settings={"g": {"n": 3}}, seed=5) as run:
        assert read_run(tmp_path / "out").status == "running"
        run.result(scores={"all": {"em": mean_score("em", [0, 1], "v:1"), "plain": 0.5}}, rows=2)
        run.result(scores={"qa": {"f1": {"value": 0.4, "before": 0.1}}})
        run.time(tokens_per_second=10.0)
    found = read_run(tmp_path / "out")
    assert (found.kind, found.name, found.status, found.seed) == ("eval", "out", "finished", 5)
    assert found.scores == {
        "all": {
            "em": {"value": 0.5, "signature": "v:1", "goal": "higher", "rows": 2},
            "plain": {"value": 0.5},
        },
        "qa": {"f1": {"value": 0.4, "before": 0.1}},
    }
    assert found.result["rows"] == 2 and found.settings == {"g": {"n": 3}}
    assert [entry["role"] for entry in found.data if entry["role"] != "file"] == ["eval"]
    assert found.time["tokens_per_second"] == 10.0 and found.time["seconds"] >= 0
    assert found.memory["peak_bytes"] > 1e6
    assert found.id[:15].replace("-", "T") == found.started[:19].replace("-", "").replace(":", "")
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize(
    ("error", "status"), [(OSError("voll"), "failed"), (KeyboardInterrupt(), "interrupted")]
)
def test_a_block_that_does_not(tmp_path: Path, error: BaseException, status: str) -> None:
    with pytest.raises(type(error)), recorded(tmp_path, "compare"):
        raise error
    found = read_run(tmp_path)
    assert found.status == status and found.sessions[0]["error"] == f"{type(error).__name__}" + (
        ": voll" if status == "failed" else ""
    )


def test_a_killed_run_stays_running(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from bitsft.runs import recorded\n"
        "with recorded(sys.argv[1], 'eval'):\n    os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], check=False)
    assert done.returncode == -9
    assert (read_run(tmp_path).status, read_run(tmp_path).ended) == ("running", None)
    with recorded(tmp_path, "eval", resumed=True, seed=1) as run:
        assert run.record is not None and len(run.record.sessions) == 2
    found = read_run(tmp_path)
    assert [session["status"] for session in found.sessions] == ["running", "finished"]
    assert found.sessions[1]["differs"]["seed"] == [None, 1]


def test_what_is_in_the_folder_already(tmp_path: Path) -> None:
    ids = []
    for kind in ("train", "train", "eval", "eval"):
        with recorded(tmp_path, kind) as run:
            assert run.record is not None
            ids.append(run.record.id)
    assert read_run(tmp_path).id == ids[1]
    assert read_run(tmp_path / f"run.{ids[0]}.json").kind == "train"
    assert read_run(tmp_path / "run.eval.json").id == ids[3]
    assert {run.id for run in list_runs(tmp_path)} == set(ids)


def test_a_damaged_record_is_kept_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "run.json").write_text("{")
    with caplog.at_level(logging.WARNING, "bitsft"), recorded(tmp_path, "eval"):
        pass
    assert read_run(tmp_path).status == "finished"
    (kept,) = tmp_path.glob("run.damaged-*.json")
    assert kept.read_text() == "{" and kept.name in caplog.text


def test_off(tmp_path: Path) -> None:
    with recorded(tmp_path, "eval", enabled=False) as run:
        run.result(scores={"all": {"x": 1.0}})
        run.time(a=1)
        run.save()
    assert run.record is None and not list(tmp_path.iterdir())


def test_where_nothing_can_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    done = []
    with caplog.at_level(logging.WARNING, "bitsft"), recorded(tmp_path / "file", "eval"):
        done.append(True)
    assert done and "could not be written" in caplog.text


def test_what_cannot_be_described(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Model:
        def __getattr__(self, name: str) -> None:
            raise RuntimeError("strange")

    with caplog.at_level(logging.WARNING, "bitsft"):
        start_record(tmp_path / "a", "eval", model=Model(), parents=[]).finish()
        assert "RuntimeError: strange" in read_run(tmp_path / "a").base_model["why"]
        start_record(tmp_path / "b", "eval", model=Model()).finish()
    assert "This run is not recorded: RuntimeError: strange" in caplog.text


def test_notes_that_were_written_meanwhile_stay(tmp_path: Path) -> None:
    with recorded(tmp_path, "eval") as run:
        other = read_run(tmp_path)
        other.notes.append("빠르다")
        write_run(other)
        run.result(rows=1)
    assert read_run(tmp_path).notes == ["빠르다"]


def test_numbers_that_json_lacks(tmp_path: Path) -> None:
    with recorded(tmp_path, "eval") as run:
        run.result(scores={"all": {"p": Score("p", float("inf"), "s")}}, loss=float("nan"))
    found = read_run(tmp_path)
    assert found.scores["all"]["p"]["value"] == "inf" and found.result["loss"] == "nan"


def test_nothing_names_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["t.py", "--token", "geheim", "--lr", "1"])
    with recorded(tmp_path, "eval"):
        pass
    text = (tmp_path / "run.json").read_text()
    assert read_run(tmp_path).command == ["t.py", "--token", "(hidden)", "--lr", "1"]
    assert "geheim" not in text and os.uname().nodename not in text
