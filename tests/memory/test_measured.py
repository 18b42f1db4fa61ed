"""Forecasts against benchmarks/memory.json: what was measured is literal, what is foretold is computed anew."""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
CELLS: dict[str, Any] = json.loads((BENCHMARKS / "memory.json").read_text())["cells"]


@pytest.fixture(scope="module")
def benchmark() -> Any:
    specification = importlib.util.spec_from_file_location(
        "memory_benchmark", BENCHMARKS / "memory.py"
    )
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    path = list(sys.path)
    try:
        specification.loader.exec_module(module)
    finally:
        sys.path[:] = path
    return module


@pytest.mark.parametrize("name", CELLS)
def test_every_measured_cell_is_foretold_within_a_tenth(name: str, benchmark: Any) -> None:
    cell = CELLS[name]
    assert cell["measured"]
    for one in cell["measured"]:
        assert benchmark.foretold(cell, one["layers"]).peak == pytest.approx(one["peak"], rel=0.1)
    whole = benchmark.of_the_whole(cell)
    if whole is not None:
        assert benchmark.foretold(cell).peak == pytest.approx(whole, rel=0.1)
