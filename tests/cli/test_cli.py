"""The `bitsft` command: help and errors."""

from pathlib import Path

import pytest

import bitsft
from bitsft.cli import main


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, expected in ((["--version"], bitsft.__version__), (["--help"], "demo")):
        with pytest.raises(SystemExit) as exit_info:
            main(arguments)
        assert exit_info.value.code == 0
        assert expected in capsys.readouterr().out


def test_no_verb_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main([])
    assert exit_info.value.code == 2
    assert "verb" in capsys.readouterr().err


def test_errors_are_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["demo", "--steps", "0", "--output-dir", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "bitsft: --steps is 0; train for at least 1 step.\n"


def test_ctrl_c_ends_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bitsft.cli.demo.run_demo", interrupted)
    assert main(["demo", "--output-dir", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "\nStopped.\n"
