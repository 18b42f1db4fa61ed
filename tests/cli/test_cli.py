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
    assert main(["export", str(tmp_path / "none"), str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err == f"bitsft: {tmp_path / 'none'} does not exist.\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["demo", "--steps", "0"],
            "bitsft demo: argument --steps: 0 is too small; give 1 or more. See bitsft demo --help\n",
        ),
        (["exprt"], "did you mean export? See bitsft --help\n"),
        (["train"], "; a training is a script of ten lines: README.md, docs/quickstart.md, "),
        (["export", "a", "b", "--format", "ggf"], "did you mean gguf? See bitsft export --help\n"),
        (
            ["data", "prepare", "a", "--out", "b", "--maps", "c=d"],
            "did you mean --map? See bitsft data prepare",
        ),
        (
            ["eval", "model", "--rows", "3", "data"],
            "bitsft eval: unrecognized arguments: data; what is no option comes first, then the options.",
        ),
        (["runs", "show"], "bitsft runs show: the following arguments are required: RUN. See "),
    ],
)
def test_wrong_use_is_one_line_and_status_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(arguments)
    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_ctrl_c_ends_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bitsft.cli.demo.run_demo", interrupted)
    assert main(["demo", "--output-dir", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "\nStopped.\n"
