"""Compile every Triton kernel for GPUs that need not be there, down to machine code; a script, run by test_compiles.py.

    python compile_for_gpus.py 90        # compute capability; prints {kernel: [instructions]} as JSON

The interpreter accepts programs that no GPU does (annotations, types, shapes that are no powers of two), so that running
the kernels there is only half of a test. `ptxas` comes with Triton.
"""

import json
import re
import sys
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from bitsft.ternary.kernels.gpu import forward_product, gradients, rows, weights
from bitsft.ternary.kernels.gpu.packed_product import _few_tokens, _many_tokens

INSTRUCTION = re.compile(r"^\s*(?:@!?%p\d+ )?([a-z]\w*(?:\.\w+)*)")


def instructions(
    kernel: Any,
    capability: int,
    types: dict[str, str],
    constants: dict[str, Any],
    aligned: tuple[str, ...] = (),
    **options: Any,
) -> list[str]:
    """The PTX instructions that a kernel compiles to; pointers and `aligned` integers are multiples of 16."""
    while not isinstance(kernel, triton.runtime.jit.JITFunction):
        kernel = kernel.fn  # out of autotune and heuristics
    names = kernel.arg_names
    signature = {name: types.get(name, "constexpr") for name in names}
    missing = set(names) - set(types) - set(constants)
    if missing:
        raise ValueError(f"{kernel.__name__}: no type and no value for {missing}")
    divisible = {
        (names.index(name),): [["tt.divisibility", 16]]
        for name in types
        if types[name].startswith("*") or name in aligned
    }
    values = {(names.index(name),): value for name, value in constants.items()}
    source = ASTSource(kernel, signature, values, divisible)
    compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    if not compiled.asm["cubin"]:
        raise RuntimeError(f"{kernel.__name__}: no machine code")
    found = (INSTRUCTION.match(line) for line in compiled.asm["ptx"].splitlines())
    return sorted({match.group(1) for match in found if match})


def integers(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "i32")


def main(capability: int) -> None:
    results: dict[str, list[str]] = {}

    def add(name: str, *arguments: Any, **options: Any) -> None:
        results[name] = instructions(arguments[0], capability, *arguments[1:], **options)

    row = {"x": "*bf16", "x_i8": "*i8", "inverse_scales": "*fp32", **integers("features", "stride")}
    for kernel in (rows._quantize_row, rows._quantize_wide_row):
        add(kernel.__name__, kernel, row, {"BLOCK": 4096}, ("features", "stride"), num_warps=4,
            enable_fp_fusion=False)  # fmt: skip
    sizes = ("in_features", "out_features", "x_stride", "codes_stride")
    tile = dict(forward_product._CANDIDATES[5])
    warps, stages = tile.pop("num_warps"), tile.pop("num_stages")
    add(
        "ternary_product", forward_product._product_tile,
        {"x_i8": "*i8", "inverse_scales": "*fp32", "codes": "*i8", "gammas": "*fp32", "bias": "*bf16", "y": "*bf16",
         **integers("tokens", "tokens_bucket", *sizes)},
        {"GAMMA_PER_ROW": False, "EVEN_IN": True, "TILES_IN_GROUP": 8, **tile}, sizes,
        num_warps=warps, num_stages=stages, enable_fp_fusion=False,
    )  # fmt: skip
    packed = {"x_i8": "*i32", "packed": "*i32", "inverse_scale": "*fp32", "scale": "*fp32", "bias": "*bf16", "y": "*bf16"}  # fmt: skip
    kind = {"PER_ROW": False, "HAS_BIAS": True}
    add(
        "packed_product, few tokens", _few_tokens,
        {**packed, **integers("tokens", "rows", "words", "width")},
        {**kind, "TOKENS": 1, "ALIGNED": True, "DP4A": True, "BLOCK_ROWS": 1, "BLOCK_WORDS": 512},
        ("rows", "words", "width"), num_warps=4, enable_fp_fusion=False,
    )  # fmt: skip
    add(
        "packed_product, many tokens", _many_tokens,
        {**packed, "x_i8": "*i8", "packed": "*u8", **integers("tokens", "rows", "in_features", "token_bucket")},
        {**kind, "BLOCK_TOKENS": 32, "BLOCK_ROWS": 32, "BLOCK_K": 128},
        ("rows", "in_features"), num_warps=4, num_stages=3, enable_fp_fusion=False,
    )  # fmt: skip
    for operation, per, source in (("times", "tensor", "*bf16"), ("divided by", "row", "*i8")):
        add(
            f"convert, {operation}", gradients._convert,
            {"source": source, "factor": "*fp32", "target": "*bf16", **integers("rows", "columns", "row_stride")},
            {"column_stride": 1, "OPERATION": operation, "PER": per, "BY_HAND": False, "ROWS": 4, "COLUMNS": 1024},
            ("columns", "row_stride"), num_warps=8,
        )  # fmt: skip
    for factor_of, inner, outer in (
        ("left", "left_depth_stride", "left_row_stride"),
        ("right", "left_row_stride", "left_depth_stride"),
    ):
        add(
            f"multiply, {factor_of}", gradients._multiply,
            {"left": "*bf16", "right": "*i8", "factor": "*fp32", "out": "*bf16",
             **integers("rows", "columns", "depth", outer, "rows_key", "depth_key")},
            {inner: 1, "FACTOR_OF": factor_of, "ONE_FACTOR": factor_of == "left", "BY_HAND": False,
             "ROWS": 128, "COLUMNS": 128, "DEPTH": 64, "GROUP": 8},
            ("rows", "columns", "depth", outer), num_warps=4, num_stages=3,
        )  # fmt: skip
    read = {"weight": "*bf16", **integers("columns", "row_stride")}
    add(
        "summarize_rows", weights._summarize_rows,
        {**read, "sums": "*fp32", "largest": "*fp32", "smallest": "*fp32"},
        {"column_stride": 1, "GRID": True, "COLUMNS": 2048}, ("columns", "row_stride"), num_warps=4,
    )  # fmt: skip
    add(
        "encode", weights._encode,
        {**read, "scale": "*fp32", "old_codes": "*i8", "codes": "*i8", "flips": "*i32", "rows": "i32"},
        {"column_stride": 1, "PER_ROW": False, "COUNT": True, "ROWS": 4, "COLUMNS": 1024},
        ("columns", "row_stride"), num_warps=4,
    )  # fmt: skip
    print(json.dumps(results))


if __name__ == "__main__":
    main(int(sys.argv[1]))
