"""Packed bytes: literal, round trip, and byte for byte what transformers packs."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.integrations import bitnet

from bitsft.ternary.pack import pack_codes, unpack_codes


def test_bytes_by_hand() -> None:
    codes = torch.tensor([[-1, 1], [0, 0], [1, -1], [1, 0]], dtype=torch.int8)
    # u = code + 1: column 0 is 0, 1, 2, 2 -> 0b10_10_01_00; column 1 is 2, 1, 0, 1 -> 0b01_00_01_10
    assert pack_codes(codes).tolist() == [[0b10100100, 0b01000110]]


@settings(derandomize=True, max_examples=50)
@given(st.integers(1, 6), st.integers(1, 9), st.integers(0, 2**31))
def test_round_trip_and_transformers_bytes(quarter: int, columns: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(-1, 2, (4 * quarter, columns), generator=generator, dtype=torch.int8)
    before = codes.clone()
    packed = pack_codes(codes)
    assert torch.equal(codes, before), "the input is not changed"
    assert torch.equal(unpack_codes(packed), codes)
    assert torch.equal(packed, bitnet.pack_weights(codes.clone()))


def test_rows_that_do_not_fill_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match="6 rows"):
        pack_codes(torch.zeros(6, 2, dtype=torch.int8))


@pytest.mark.parametrize("value", [2, -2, 127, -128])  # int8 has no 128: abs(-128) is -128
def test_other_values_are_refused(value: int) -> None:
    codes = torch.zeros(4, 3, dtype=torch.int8)
    codes[2, 1] = value
    with pytest.raises(ValueError, match=f"largest magnitude is {abs(value)}"):
        pack_codes(codes)


def test_damaged_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match="damaged"):
        unpack_codes(torch.tensor([[0b11000000]], dtype=torch.uint8))
    with pytest.raises(TypeError, match="float32"):
        unpack_codes(torch.zeros(1, 1))
