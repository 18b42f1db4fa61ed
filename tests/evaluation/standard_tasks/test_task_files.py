"""Task files: what they cannot hold."""

from pathlib import Path

import pytest

from bitsft.evaluation.standard_tasks import write_task_files


def test_task_files_say_what_they_cannot_hold(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="no rows in a split 'dev'; there are train, validation, test"
    ):
        write_task_files(folder / "reviews", tmp_path / "out", split="dev")
    with pytest.raises(ValueError, match="row 0: the formatter made messages"):
        write_task_files(
            folder / "reviews",
            tmp_path / "out",
            formatter=lambda row: {"prompt": [{"role": "user", "content": "?"}], "completion": []},
        )
    with pytest.raises(
        ValueError, match="row 0: the completion ' ?' does not hold the label".replace("?", r"\?")
    ):
        write_task_files(
            folder / "reviews",
            tmp_path / "out",
            formatter=lambda row: {"prompt": "p:", "completion": " ?"},
        )
    with pytest.raises(FileNotFoundError, match="no folder of splits"):
        write_task_files(tmp_path, tmp_path / "out")
