"""The integer product is exact on every path."""

import pytest
import torch

from bitsft.ternary.kernels import int8_matmul as module
from bitsft.ternary.kernels.int8_matmul import int8_matmul

SHAPES = [(1, 1, 1), (3, 7, 5), (17, 64, 32), (0, 8, 4), (33, 130, 257)]


def operands(tokens: int, in_features: int, out_features: int) -> tuple[torch.Tensor, torch.Tensor]:
    x_i8 = torch.randint(-128, 128, (tokens, in_features), dtype=torch.int8)
    return x_i8, torch.randint(-1, 2, (out_features, in_features), dtype=torch.int8)


@pytest.mark.parametrize("shape", SHAPES)
def test_equals_the_product_in_int64(shape: tuple[int, int, int]) -> None:
    x_i8, codes = operands(*shape)
    y = int8_matmul(x_i8, codes)
    assert y.dtype == torch.int32
    assert torch.equal(y.long(), x_i8.long() @ codes.long().t())


@pytest.mark.parametrize("in_features", range(1, 10))
def test_small_shapes_are_exact_whatever_was_in_memory(in_features: int) -> None:
    for tokens in (1, 2, 6, 33):
        for out_features in (1, 2, 3, 4, 8, 40):
            x_i8, codes = operands(tokens, in_features, out_features)
            torch.full((200, 200), 77, dtype=torch.int32)  # what an unwritten result may show
            found = int8_matmul(x_i8, codes)
            assert torch.equal(found.long(), x_i8.long() @ codes.long().t())


@pytest.mark.parametrize("shape", SHAPES)
def test_the_float_path_gives_the_same_integers(
    shape: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    x_i8, codes = operands(*shape)
    fast = int8_matmul(x_i8, codes)
    monkeypatch.setattr(module, "_int_mm_applies", lambda *_: False)
    assert torch.equal(int8_matmul(x_i8, codes), fast)


def test_extreme_sums_beyond_float32_stay_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_int_mm_applies", lambda *_: False)
    width = module.WIDEST_EXACT_IN_FLOAT32 + 3
    x_i8 = torch.full((1, width), 127, dtype=torch.int8)
    codes = torch.ones(1, width, dtype=torch.int8)
    codes[0, 0] = 0
    assert int8_matmul(x_i8, codes).item() == 127 * (width - 1)


def test_non_contiguous_operands() -> None:
    x_i8, codes = operands(6, 20, 10)
    expected = int8_matmul(x_i8[::2, ::2].contiguous(), codes[::2, ::2].contiguous())
    assert torch.equal(int8_matmul(x_i8[::2, ::2], codes[::2, ::2]), expected)
