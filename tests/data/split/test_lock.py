"""One run at a time writes into a folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from bitsft.data.split.lock import only_writer

HOLD = """
import sys
from pathlib import Path
from bitsft.data.split.lock import only_writer
with only_writer(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_run_is_refused_until_the_first_ends_however_it_ends(tmp_path: Path) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    assert other.stdout.readline() == b"held\n"
    with pytest.raises(ValueError, match="another run is writing here"), only_writer(tmp_path):
        pass
    other.kill()
    other.wait()
    with only_writer(tmp_path):
        assert list(tmp_path.iterdir()) == [], "the lock is no file"
    with only_writer(tmp_path):
        pass
