"""The `bitsft` command: help, errors, and the demo from end to end with few steps."""

import json
import re
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

    monkeypatch.setattr("bitsft.demo.run_demo", interrupted)
    assert main(["demo", "--output-dir", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "\nStopped.\n"


def test_the_demo_from_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--steps", "3", "--output-dir", str(tmp_path / "model")]) == 0
    captured = capsys.readouterr()
    for kind in ("other wordings of what was taught", "other documents of the same kind"):
        assert f"\n{kind}\n" in captured.out
    assert captured.out.count("  question  ") == 5
    assert re.search(r"\d+\.\d% -1, \d+\.\d% 0, \d+\.\d% \+1", captured.out)
    assert re.search(r"ternary layers take 0\.\d\d MB, against \d\.\d\d MB in bf16", captured.out)
    assert f'AutoModelForCausalLM.from_pretrained("{tmp_path / "model"}")' in captured.out
    assert "3/3" in captured.err, "a progress bar"
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert config["quantization_config"]["linear_class"] == "bitlinear"
