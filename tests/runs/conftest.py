"""Records made by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bitsft.runs import RunRecord, write_run

MakeRun = Callable[..., RunRecord]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """`make_run("out", number=1, learning_rate=…, scores={…}, **fields)`: a finished training on disk."""

    def make(
        folder: str = "out",
        *,
        number: int = 1,
        learning_rate: float = 2e-3,
        scores: dict[str, Any] | None = None,
        **given: Any,
    ) -> RunRecord:
        values: dict[str, Any] = {
            "id": f"20260703-09150{number}-00a{number}",
            "kind": "train",
            "name": folder,
            "status": "finished",
            "started": f"2026-07-03T09:15:0{number}.000Z",
            "ended": f"2026-07-03T09:20:0{number}.000Z",
            "data": [{"role": "train", "name": "chat", "rows": 1234, "rows_sha256": "a" * 64}],
            "base_model": {"name": "org/base", "weights_sha256": "b" * 64},
            "settings": {
                "training": {"learning_rate": learning_rate, "output_dir": folder, "seed": 0},
                "changed": ["learning_rate", "output_dir"],
            },
            "command": ["train.py", "--data", "chat.csv"],
            "seed": 0,
            "versions": {"python": "3.11.7", "torch": "2.8.0"},
            "time": {"seconds": 125.0},
            "memory": {"peak_bytes": 1_500_000_000},
            "result": {"steps": 40, "scores": scores or {}},
            "sessions": [{"started": "2026-07-03T09:15:00.000Z", "status": "finished"}],
        }
        values.update(given)
        record = RunRecord(**values)
        write_run(record, tmp_path / folder / "run.json")
        return record

    return make
