import subprocess
import sys
from types import ModuleType

import pytest

import bitsft.data

HEAVY = ["torch", "transformers", "datasets", "pyarrow", "pandas", "numpy", "pydantic"]


def test_importing_the_package_stays_light() -> None:
    code = (
        "import sys, bitsft.data\n"
        f"print([name for name in {HEAVY} if name in sys.modules])\n"
        "bitsft.data.Ledger, bitsft.data.RowError, bitsft.data.TASKS, bitsft.data.raft_final_answer\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n[]\n"


def test_no_stage_needs_torch_or_an_extra_to_be_imported() -> None:
    extras = [
        "datasketch",
        "bm25s",
        "plotly",
        "ftfy",
        "torch",
        "transformers",
        "datasets",
        "pandas",
    ]
    code = (
        "import sys, bitsft.data\n"
        "[getattr(bitsft.data, name) for name in bitsft.data.__all__]\n"
        f"print([name for name in {extras} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_public_names() -> None:
    for name in dir(bitsft.data):
        value = getattr(bitsft.data, name)
        assert not isinstance(value, ModuleType), (
            f"{name} is a module: its file hides the public name"
        )
        assert name == "TASKS" or value.__name__ == name


def test_unknown_names() -> None:
    with pytest.raises(AttributeError, match="module 'bitsft.data' has no attribute 'format_x'"):
        bitsft.data.format_x  # noqa: B018
