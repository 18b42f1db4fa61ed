"""A folder that appears whole or not at all."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bitsft.checkpoint import replaced_folder as module
from bitsft.checkpoint.replaced_folder import replaced_folder


def write(target: Path, text: str, *, overwrite: bool = False) -> None:
    with replaced_folder(target, overwrite=overwrite) as folder:
        (folder / "file").write_text(text)


def test_a_new_folder_with_its_parents(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b", "new")
    assert (tmp_path / "a" / "b" / "file").read_text() == "new"
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["b"], "nothing else is left"
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == (tmp_path / "a").stat().st_mode & 0o777


def test_an_empty_folder_needs_no_permission(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    write(tmp_path / "out", "new")
    assert (tmp_path / "out" / "file").read_text() == "new"


def test_files_are_replaced_only_when_asked(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, "old")
    (out / "more").write_text("of the old")
    with pytest.raises(FileExistsError, match="not empty .*overwrite=True"):
        write(out, "new")
    write(out, "new", overwrite=True)
    assert [p.name for p in out.iterdir()] == ["file"]
    assert (out / "file").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_folders_inside_are_never_deleted(tmp_path: Path) -> None:
    (tmp_path / "out" / "checkpoint-100").mkdir(parents=True)
    with pytest.raises(FileExistsError, match="holds folders .checkpoint-100."):
        write(tmp_path / "out", "new", overwrite=True)
    assert (tmp_path / "out" / "checkpoint-100").is_dir()


def test_files_and_links_are_no_targets(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(FileExistsError, match="is a file"):
        write(tmp_path / "file", "new", overwrite=True)
    with pytest.raises(FileExistsError, match="is a symbolic link"):
        write(tmp_path / "link", "new", overwrite=True)


def test_a_failure_leaves_the_old_one(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, "old")
    with pytest.raises(OSError, match="No space left"), replaced_folder(out, overwrite=True) as new:
        (new / "file").write_text("half of the n")
        raise OSError(28, "No space left on device")
    assert (out / "file").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_without_the_system_call_two_renames_do_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_exchange", lambda one, other: False)
    write(tmp_path / "out", "old")
    write(tmp_path / "out", "new", overwrite=True)
    assert (tmp_path / "out" / "file").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_killed_export_leaves_the_old_one_and_is_named_next_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    write(out, "old")
    script = (
        "import sys, time; from pathlib import Path\n"
        "from bitsft.checkpoint.replaced_folder import replaced_folder\n"
        "with replaced_folder(sys.argv[1], overwrite=True) as folder:\n"
        "    (folder / 'file').write_text('half'); print('writing', flush=True); time.sleep(60)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script, out], stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline() == b"writing\n"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert (out / "file").read_text() == "old"
    leftover = next(tmp_path.glob(".out.*.incomplete"))
    write(out, "new", overwrite=True)
    assert (out / "file").read_text() == "new"
    assert str(leftover) in caplog.text


def test_there_is_no_moment_without_a_folder(tmp_path: Path) -> None:
    for name in ("one", "other", "out"):
        (tmp_path / name).mkdir()
    exchanges = module._exchange(tmp_path / "one", tmp_path / "other")
    script = (
        "import sys; from pathlib import Path\n"
        "from bitsft.checkpoint.replaced_folder import replaced_folder\n"
        "for _ in range(200):\n"
        "    with replaced_folder(sys.argv[1], overwrite=True) as folder:\n"
        "        (folder / 'file').write_text('y')\n"
    )
    out = tmp_path / "out"
    child = subprocess.Popen([sys.executable, "-c", script, out])
    missing = 0
    while child.poll() is None:
        missing += not out.is_dir()
    assert child.returncode == 0
    assert (out / "file").read_text() == "y"
    assert missing == 0 or not exchanges, "only file systems that cannot exchange may show a gap"
