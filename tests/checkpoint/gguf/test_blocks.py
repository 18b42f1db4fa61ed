"""Bytes against the `gguf` package's quantizer and dequantizer."""

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsft.checkpoint.gguf import blocks
from bitsft.checkpoint.gguf.blocks import (
    F16,
    F32,
    Q2_K,
    Q4_0,
    Q8_0,
    TERNARY_TYPES,
    TQ1_0,
    TQ2_0,
    TensorType,
    fitting_type,
    pack_rows,
    tensor_type,
)

QUICK = settings(derandomize=True, max_examples=20, deadline=None)
EVERY_TYPE = pytest.mark.parametrize("kind", TERNARY_TYPES.values(), ids=lambda kind: kind.name)


def random_codes(rows: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1, 2, (rows, width), dtype=np.int8)


def packed(codes: np.ndarray, scale: np.ndarray, kind: TensorType) -> np.ndarray:
    return np.concatenate(list(pack_rows(codes, scale, kind)))


def unpacked(data: np.ndarray, kind: TensorType) -> np.ndarray:
    return gguf.quants.dequantize(data, gguf.GGMLQuantizationType(kind.ggml_id))


@EVERY_TYPE
def test_numbers_are_those_of_the_format(kind: TensorType) -> None:
    known = gguf.GGMLQuantizationType[kind.name]
    assert kind.ggml_id == known
    assert (kind.block_size, kind.block_bytes) == gguf.GGML_QUANT_SIZES[known]
    name = "ALL_F32" if kind is F32 else f"MOSTLY_{kind.name}"
    assert kind.file_type == gguf.LlamaFileType[name]


@pytest.mark.parametrize("kind", [TQ2_0, TQ1_0], ids=lambda kind: kind.name)
@QUICK
@given(
    rows=st.integers(1, 5),
    blocks_a_row=st.integers(1, 4),
    scale=st.floats(2.0**-10, 100.0, width=32),
    seed=st.integers(0, 2**16),
)
def test_same_bytes_as_the_gguf_package(
    kind: TensorType, rows: int, blocks_a_row: int, scale: float, seed: int
) -> None:
    codes = random_codes(rows, 256 * blocks_a_row, seed)
    gamma = np.float32(scale)
    expected = gguf.quants.quantize(codes * gamma, gguf.GGMLQuantizationType(kind.ggml_id))
    np.testing.assert_array_equal(packed(codes, np.asarray(gamma), kind), expected)


@EVERY_TYPE
@QUICK
@given(
    rows=st.integers(1, 7),
    blocks_a_row=st.integers(1, 3),
    scale=st.floats(2.0**-14, 65000.0, width=32),
    seed=st.integers(0, 2**16),
)
def test_reads_back_as_fp16_scale_times_codes(
    kind: TensorType, rows: int, blocks_a_row: int, scale: float, seed: int
) -> None:
    codes = random_codes(rows, kind.block_size * blocks_a_row, seed)
    gamma = np.asarray(scale, np.float32)
    assert fitting_type(codes.shape[1], gamma, kind) is kind
    data = packed(codes, gamma, kind)
    assert data.dtype == np.uint8
    assert data.shape == (rows, blocks_a_row * kind.block_bytes)
    stored = gamma if kind is F32 else gamma.astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(unpacked(data, kind), codes * stored)


@EVERY_TYPE
def test_a_scale_per_row(kind: TensorType) -> None:
    codes = random_codes(3, 512)
    gamma = np.array([[0.5], [2.0], [0.03125]], np.float32)
    np.testing.assert_array_equal(unpacked(packed(codes, gamma, kind), kind), codes * gamma)


@EVERY_TYPE
def test_all_zeros_and_no_zeros(kind: TensorType) -> None:
    gamma = np.asarray(0.25, np.float32)
    for value in (-1, 0, 1):
        codes = np.full((2, 256), value, np.int8)
        np.testing.assert_array_equal(unpacked(packed(codes, gamma, kind), kind), codes * gamma)


def test_literal_bytes_of_q2_k() -> None:
    codes = np.zeros((1, 256), np.int8)
    codes[0, :3] = [-1, 1, 1]
    codes[0, 32] = 1  # the second pair of bits of byte 0
    data = packed(codes, np.asarray(1.0, np.float32), Q2_K)[0]
    assert data[:16].tolist() == [0x11] * 16
    assert data[16:20].tolist() == [0b01_01_10_00, 0b01_01_01_10, 0b01_01_01_10, 0b01_01_01_01]
    assert data[80:].tolist() == [0x00, 0x3C, 0x00, 0x3C]


def test_literal_bytes_of_q4_0() -> None:
    codes = np.zeros((1, 32), np.int8)
    codes[0, 0], codes[0, 16] = 1, -1
    data = packed(codes, np.asarray(1.0, np.float32), Q4_0)[0]
    assert data.tolist() == [0x00, 0x3C, 0x79, *[0x88] * 15]


@EVERY_TYPE
def test_chunks_together_are_the_whole(kind: TensorType, monkeypatch: pytest.MonkeyPatch) -> None:
    codes, gamma = random_codes(7, 512), np.array([[i + 1.0] for i in range(7)], np.float32)
    whole = packed(codes, gamma, kind)
    monkeypatch.setattr(blocks, "CHUNK_ELEMENTS", 3 * 512)
    chunks = list(pack_rows(codes, gamma, kind))
    assert [len(chunk) for chunk in chunks] == [3, 3, 1]
    np.testing.assert_array_equal(np.concatenate(chunks), whole)


def test_codes_of_a_permuted_view_are_packed_in_their_order() -> None:
    codes = random_codes(4, 256)
    gamma = np.asarray(1.0, np.float32)
    for kind in TERNARY_TYPES.values():
        view = codes[::-1]
        np.testing.assert_array_equal(unpacked(packed(view, gamma, kind), kind), view)


@pytest.mark.parametrize(
    ("width", "wanted", "expected"),
    [
        (512, TQ2_0, TQ2_0),
        (512, Q8_0, Q8_0),
        (576, TQ2_0, Q4_0),
        (576, Q2_K, Q4_0),
        (576, Q8_0, Q8_0),
        (200, TQ2_0, F16),
        (200, Q8_0, F16),
        (200, F32, F32),
        (200, F16, F16),
    ],
)
def test_fallback_by_width(width: int, wanted: TensorType, expected: TensorType) -> None:
    assert fitting_type(width, np.asarray(0.02, np.float32), wanted) is expected


@pytest.mark.parametrize("scale", [1e-5, 3e-8, 1e-30, 65520.0, 1e6])
@pytest.mark.parametrize("wanted", [TQ2_0, Q8_0, F16], ids=lambda kind: kind.name)
def test_a_scale_that_fp16_cannot_hold_needs_f32(scale: float, wanted: TensorType) -> None:
    gamma = np.asarray(scale, np.float32)
    assert fitting_type(256, gamma, wanted) is F32
    codes = random_codes(2, 256)
    np.testing.assert_array_equal(unpacked(packed(codes, gamma, F32), F32), codes * gamma)


def test_one_row_that_fp16_cannot_hold_is_enough() -> None:
    assert fitting_type(256, np.array([[0.5], [1e6]], np.float32), TQ2_0) is F32
    assert fitting_type(256, np.array([[0.5], [6e4]], np.float32), TQ2_0) is TQ2_0


def test_scale_of_zero_is_held() -> None:
    assert fitting_type(256, np.asarray(0.0, np.float32), TQ2_0) is TQ2_0


def test_wrong_width_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"TQ2_0 holds rows of 256 values each, but the matrix is 2 x 300"
    ):
        packed(random_codes(2, 300), np.asarray(1.0, np.float32), TQ2_0)


def test_unknown_type_is_refused() -> None:
    assert tensor_type("Q2_K") is Q2_K
    with pytest.raises(ValueError, match="gguf_type is 'Q4_K_M'; use one of TQ2_0, TQ1_0, Q2_K"):
        tensor_type("Q4_K_M")


def test_bits_a_weight() -> None:
    for kind, bits in ((TQ2_0, 2.0625), (TQ1_0, 1.6875), (Q2_K, 2.625), (Q4_0, 4.5), (Q8_0, 8.5)):
        assert (
            packed(random_codes(4, 512), np.asarray(1.0, np.float32), kind).size * 8 / 2048 == bits
        )


def test_memory_of_f16_is_one_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "CHUNK_ELEMENTS", 1024)
    sizes = [
        chunk.nbytes for chunk in pack_rows(random_codes(64, 256), np.asarray(1.0, np.float32), F16)
    ]
    assert sizes == [2048] * 16
