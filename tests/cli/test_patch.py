"""`bitsft diff` and `bitsft patch`."""

from pathlib import Path

import pytest

from bitsft.cli import main
from tests.checkpoint.tiny_models import ternary_model
from tests.patches.tuned import contents, save_pair


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return save_pair(ternary_model("llama"), tmp_path_factory.mktemp("pair"))


def test_there_and_back(
    pair: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    base, tuned = map(str, pair)
    monkeypatch.chdir(tmp_path)
    assert main(["diff", base, tuned]) == 0
    said = capsys.readouterr().out
    assert said.startswith("tuned.patch.safetensors: ") and "up_proj" in said
    assert "of 4,096 codes flipped" in said and "config.json, notes.txt" in said
    assert main(["patch", base, "tuned.patch.safetensors", "--output", "restored"]) == 0
    assert contents(tmp_path / "restored") == contents(pair[1])
    assert f"{len(contents(pair[1]))} files, each with the SHA-256" in capsys.readouterr().out


def test_errors_are_one_line_and_leave_nothing(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, tuned = map(str, pair)
    patch, out = tmp_path / "p", tmp_path / "out"
    assert main(["diff", base, str(tmp_path / "nowhere"), "--output", str(patch)]) == 1
    assert "nowhere does not exist" in capsys.readouterr().err
    assert not patch.exists()
    assert main(["diff", base, tuned, "--output", str(patch)]) == 0
    assert main(["diff", base, tuned, "--output", str(patch)]) == 1
    assert "exists; pass --overwrite to replace it, or" in capsys.readouterr().err
    assert main(["diff", base, tuned, "--output", str(patch), "--overwrite"]) == 0
    capsys.readouterr()
    assert main(["patch", tuned, str(patch), "--output", str(out)]) == 1
    error = capsys.readouterr().err
    assert "is not the base of" in error and error.count("\n") == 1
    patch.write_bytes(patch.read_bytes()[:-1])
    assert main(["patch", base, str(patch), "--output", str(out)]) == 1
    assert "is no whole patch" in capsys.readouterr().err
    assert not out.exists() and not list(tmp_path.glob(".*"))


def test_a_folder_is_replaced_when_told(pair: tuple[Path, Path], tmp_path: Path) -> None:
    base, tuned = map(str, pair)
    patch, out = str(tmp_path / "p"), tmp_path / "out"
    out.mkdir()
    (out / "old").write_text("")
    assert main(["diff", base, tuned, "--output", patch]) == 0
    assert main(["patch", base, patch, "--output", str(out)]) == 1
    assert main(["patch", base, patch, "--output", str(out), "--overwrite"]) == 0
    assert contents(out) == contents(pair[1])
