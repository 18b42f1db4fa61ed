"""Every kernel compiles to machine code for Ampere and Hopper, with the instructions that it was written for."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

KERNELS = 11


@pytest.fixture(scope="module", params=[80, 90])
def compiled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[int, dict[str, list[str]]]:
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("compile_for_gpus.py"), str(request.param)],
        env={
            **os.environ,
            "TRITON_INTERPRET": "0",
            "TRITON_CACHE_DIR": str(tmp_path_factory.mktemp("triton")),
        },
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return request.param, json.loads(done.stdout.splitlines()[-1])


def test_every_kernel_becomes_machine_code(compiled: tuple[int, dict[str, list[str]]]) -> None:
    capability, kernels = compiled
    assert len(kernels) == KERNELS
    matrix_unit = "wgmma.mma_async" if capability == 90 else "mma.sync"
    product = [i for i in kernels["ternary_product"] if i.startswith(matrix_unit)]
    assert product and all(".s32.s8.s8" in i for i in product), "integers on the matrix units"
    assert any(".s32.s8.s8" in i for i in kernels["packed_product, many tokens"])
    assert any(i.startswith("dp4a") for i in kernels["packed_product, few tokens"])
    for name in ("multiply, left", "multiply, right"):
        assert any(i.startswith(matrix_unit) and "bf16" in i for i in kernels[name]), name


def test_roundings_are_those_of_the_reference(compiled: tuple[int, dict[str, list[str]]]) -> None:
    _, kernels = compiled
    for name in ("ternary_product", "_quantize_row", "_quantize_wide_row", "convert, divided by"):
        divisions = {i for i in kernels[name] if i.startswith("div.") and i.endswith("f32")}
        # .ftz (Triton 3.4) makes results below 2**-126 zero; divisors here are 1e-5 and more, so such
        # a quotient is rounded to the code 0 anyway.
        rounded = {name.replace(".ftz", "") for name in divisions}
        assert rounded == {"div.rn.f32"}, "correctly rounded, not approximate"
    for name in ("_quantize_row", "_quantize_wide_row", "ternary_product"):
        assert not [i for i in kernels[name] if i.startswith("fma")], "rounded once, not fused"
