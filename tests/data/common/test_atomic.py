import subprocess
import sys
from pathlib import Path

import pytest

from bitsft.data.common.atomic import atomic_path


def test_the_file_takes_its_place_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.jsonl"
    with atomic_path(path) as part:
        part.write_text("가")
        assert part.parent == path.parent
        assert not path.exists()
    assert path.read_text() == "가"
    assert [file.name for file in path.parent.iterdir()] == ["a.jsonl"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("old")
    with pytest.raises(error), atomic_path(path) as part:
        part.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.jsonl"]


def test_a_killed_process_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("old\n")
    code = (
        "import os, signal, sys\n"
        "from bitsft.data.ledger import Ledger\n"
        "from bitsft.data.write import write_records\n"
        "def rows():\n"
        "    for n in range(100_000):\n"
        "        if n == 50_000: os.kill(os.getpid(), signal.SIGKILL)\n"
        "        yield {'text': '가나다라' * 10}\n"
        "write_records(rows(), sys.argv[1], ledger=Ledger())"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)])
    assert done.returncode == -9
    assert path.read_text() == "old\n"
    assert all(file.name.endswith(".part") for file in tmp_path.iterdir() if file != path)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere.jsonl"
    link = tmp_path / "a.jsonl"
    target.write_text("old")
    link.symlink_to(target)
    with atomic_path(link) as part:
        part.write_text("new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_folders_and_files_in_the_way(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is a folder; give the name of a file"):
        atomic_path(tmp_path).__enter__()
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="file is a file, not a folder"):
        atomic_path(tmp_path / "file" / "a.jsonl").__enter__()
    with pytest.raises(ValueError, match="not a folder"):
        atomic_path(tmp_path / "file" / "b" / "a.jsonl").__enter__()
