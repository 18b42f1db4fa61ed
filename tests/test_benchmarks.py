"""The GPU benchmark can be tried where there is no GPU: every section, at the smallest sizes, in Triton's interpreter."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "gpu" / "run.py"
PEERS = {"torchao", "onebitllms", "onebitllms-compiled", "autobitlinear"}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        timeout=280,
    )


def test_without_a_gpu_it_says_so_in_one_line() -> None:
    done = run()
    assert done.returncode == 1
    assert "needs an NVIDIA GPU" in done.stderr.strip().splitlines()[-1]


def test_every_section_runs(tmp_path: Path) -> None:
    pytest.importorskip("triton")
    path = tmp_path / "run.json"
    done = run("--quick", "--device", "cpu", "--json", str(path))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    report = json.loads(path.read_text())
    assert set(report["sections"]) == {"peaks", "steps", "decoding", "kernels", "layers"}
    for name, section in report["sections"].items():
        assert section["rows"] and not section["notes"], name
        failed = {row["name"]: row["error"] for row in section["rows"] if "error" in row}
        assert set(failed) <= PEERS, (name, failed)
    assert len(report["wanted"]) == 6
    assert all(row["reached"] is None for row in report["wanted"]), "smallest sizes say nothing"
