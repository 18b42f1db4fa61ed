"""The kernels in blocks give the bits of the reference: every dtype, odd shapes, empty batches, ties, extremes."""

import os
import subprocess
import sys
from typing import Any

import pytest
import torch

from bitsft.ternary import BitLinear158, kernels
from bitsft.ternary.held_codes import hold_codes
from bitsft.ternary.kernels import blocked, kernels_for, reference

DTYPES = [torch.float32, torch.bfloat16, torch.float16]
SHAPES = [(1, 1, 1), (0, 8, 4), (3, 7, 5), (65, 33, 40), (200, 64, 96)]


@pytest.fixture(autouse=True, params=["one block", "many blocks"])
def block_size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "many blocks":
        monkeypatch.setattr(blocked, "BLOCK_ELEMENTS", 1)  # 32 rows a block


def operands(
    shape: tuple[int, int, int], dtype: torch.dtype, granularity: str = "tensor"
) -> dict[str, Any]:
    tokens, in_features, out_features = shape
    torch.manual_seed(0)
    scale = torch.tensor(0.37) if granularity == "tensor" else torch.rand(out_features, 1) + 0.1
    return {
        "x": torch.randn(tokens, in_features, dtype=dtype),
        "codes": torch.randint(-1, 2, (out_features, in_features), dtype=torch.int8),
        "scale": scale,
        "bias": torch.randn(out_features, dtype=dtype),
        "grad": torch.randn(tokens, out_features, dtype=dtype),
    }


def same(found: torch.Tensor, expected: torch.Tensor) -> bool:
    return found.dtype == expected.dtype and torch.equal(found, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("granularity", ["tensor", "row"])
def test_every_kernel_gives_the_bits_of_the_reference(
    shape: tuple[int, int, int], dtype: torch.dtype, granularity: str
) -> None:
    o = operands(shape, dtype, granularity)
    x_i8, inverse_scale = reference.quantize_rows(o["x"])
    found = blocked.quantize_rows(o["x"])
    assert same(found[0], x_i8) and same(found[1], inverse_scale)
    for bias in (None, o["bias"]):
        arguments = (x_i8, inverse_scale, o["codes"], o["scale"], bias, dtype)
        assert same(blocked.ternary_product(*arguments), reference.ternary_product(*arguments))
    for to in DTYPES:
        rows = (o["grad"], x_i8, inverse_scale, to)
        assert same(blocked.weight_gradient(*rows), reference.weight_gradient(*rows))
        columns = (o["grad"], o["codes"], o["scale"], to)
        assert same(blocked.input_gradient(*columns), reference.input_gradient(*columns))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("granularity", ["tensor", "row"])
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (33, 7), (100, 64)])
def test_codes_and_scale_have_the_bits_of_the_reference(
    shape: tuple[int, int], granularity: Any, dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    latent = torch.randn(shape, dtype=dtype)
    codes, scale = reference.quantize_weight(latent, granularity)
    grid = (codes * scale).to(dtype)
    off_grid = grid.clone()
    off_grid[-1, -1] += 0.25
    broken = latent.clone()
    broken[0, 0] = float("nan")
    for weight in (latent, grid, off_grid, -latent, torch.zeros_like(latent), latent.t()):
        before = weight.clone()
        for on_grid in (False, True):
            found = blocked.quantize_weight(weight, granularity, on_grid=on_grid)
            expected = reference.quantize_weight(weight, granularity, on_grid=on_grid)
            assert same(found[0], expected[0]) and same(found[1], expected[1])
        assert torch.equal(weight, before), "the weight is only read"
    assert same(blocked.quantize_weight(grid, granularity, on_grid=True)[0], codes)
    for on_grid in (False, True):
        scale = blocked.quantize_weight(broken, granularity, on_grid=on_grid)[1]
        assert scale.isnan().any()


def test_the_scale_does_not_depend_on_the_number_of_threads() -> None:
    torch.manual_seed(0)
    weight, before = torch.randn(500, 700), torch.get_num_threads()
    scales = set()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            scales.add(reference.quantize_weight(weight)[1].item())
            scales.add(blocked.quantize_weight(weight)[1].item())
    finally:
        torch.set_num_threads(before)
    assert len(scales) == 1


def test_ties_zeros_and_extremes() -> None:
    x = torch.zeros(70, 4)
    x[0] = torch.tensor([127.0, 0.5, 1.5, -2.5])  # ties go to even
    x[1] = torch.tensor([3e38, -3e38, 1e-30, 0.0])
    x[69] = torch.tensor([1e-7, -1e-7, 0.0, 5e-8])
    x_i8, _ = blocked.quantize_rows(x)
    assert x_i8[0].tolist() == [127, 0, 2, -2]
    assert x_i8[1].tolist() == [127, -127, 0, 0]
    assert x_i8[2:69].abs().max() == 0
    assert same(x_i8, reference.quantize_rows(x)[0])


def test_non_contiguous_inputs() -> None:
    o = operands((150, 64, 96), torch.float32)
    x, codes, grad = o["x"][::2, ::3], o["codes"][::2, ::3], o["grad"][::2, ::2]
    x_i8, inverse_scale = blocked.quantize_rows(x)
    assert same(x_i8, reference.quantize_rows(x.contiguous())[0])
    arguments = (x_i8, inverse_scale, codes, o["scale"], None, torch.float32)
    assert same(blocked.ternary_product(*arguments), reference.ternary_product(*arguments))
    columns = (grad, codes, o["scale"], torch.bfloat16)
    assert same(blocked.input_gradient(*columns), reference.input_gradient(*columns))
    rows = (grad, x_i8[:, ::2], inverse_scale, torch.bfloat16)
    assert same(blocked.weight_gradient(*rows), reference.weight_gradient(*rows))


@pytest.mark.parametrize("granularity", ["tensor", "row"])
@pytest.mark.parametrize("autocast", [False, True])
def test_a_layer_has_the_same_output_and_gradients_on_both_paths(
    granularity: str, autocast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = []
    for forced in (False, True):
        monkeypatch.setattr(kernels, "reference_is_forced", forced)
        torch.manual_seed(0)
        layer = BitLinear158(48, 40, granularity=granularity)  # type: ignore[arg-type]
        x = torch.randn(3, 50, 48, requires_grad=True)
        with torch.autocast("cpu", enabled=autocast), hold_codes(layer):
            y = layer(x)
        (y.float() ** 2).sum().backward()
        assert layer.bias is not None
        results.append((y, x.grad, layer.weight.grad, layer.bias.grad))
    for fast, plain in zip(*results, strict=True):
        assert fast is not None and plain is not None and same(fast, plain)


def test_the_choice_and_how_to_force_it(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.zeros(1)
    assert kernels_for(x) is blocked
    assert kernels_for(x.to("meta")) is reference
    monkeypatch.setattr(kernels, "reference_is_forced", True)
    assert kernels_for(x) is reference


@pytest.mark.parametrize(
    ("value", "expected"), [("", "False"), ("reference", "True"), ("fast", "it may be unset, or")]
)
def test_the_environment_forces_the_reference(value: str, expected: str) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from bitsft.ternary import kernels as k; print(k.reference_is_forced)",
        ],
        env={**os.environ, "BITSFT_KERNELS": value},
        capture_output=True,
        text=True,
    )
    assert expected in done.stdout + done.stderr


def test_without_gradients_the_output_is_the_same() -> None:
    layer = BitLinear158(48, 40)
    x = torch.randn(3, 50, 48)
    with torch.no_grad():
        plain = layer(x)
    assert torch.equal(plain, layer(x)) and plain.shape == (3, 50, 40)
