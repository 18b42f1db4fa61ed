import subprocess
import sys

import pytest

import bitsft.data

HEAVY = ["torch", "transformers", "datasets", "pyarrow", "pandas", "numpy", "pydantic"]


def test_importing_every_module_stays_light() -> None:
    code = (
        "import sys, bitsft.data\n"
        "[getattr(bitsft.data, name) for name in bitsft.data.__all__]\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_public_names() -> None:
    assert dir(bitsft.data) == [
        "Formatted",
        "KoAlpacaRow",
        "RaftRow",
        "RejectedRow",
        "RowError",
        "TokenBudget",
        "format_koalpaca",
        "format_raft",
        "format_rows",
        "raft_final_answer",
        "read_rows",
        "token_budget",
    ]
    for name in dir(bitsft.data):
        assert getattr(bitsft.data, name).__name__ == name


def test_unknown_names() -> None:
    with pytest.raises(AttributeError, match="module 'bitsft.data' has no attribute 'format_x'"):
        bitsft.data.format_x  # noqa: B018
