"""Gaps, flips and differences as bytes: what is written is read again, whatever it is, and damage is an error."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsft.patches.codecs import compress, decompress
from bitsft.patches.differences import decode_difference, encode_difference
from bitsft.patches.flips import CodedFlips, decode_flips, encode_flips, find_flips, flip_
from bitsft.patches.gaps import CodedPlaces, decode_places, encode_places

PLACES = st.sets(st.integers(0, 5000), max_size=300).map(sorted)


def test_gaps_by_hand() -> None:
    """Places 1, 2, 7, 20 have the gaps 1, 0, 4, 12; with k = 1: quotients 0, 0, 2, 6 and remainders 1, 0, 0, 0."""
    coded = encode_places(np.array([1, 2, 7, 20]))
    assert (coded.count, coded.parameter) == (4, 1)
    assert coded.unary == bytes([0b00010011, 0b00001000])  # ones at bits 0, 1, 4 and 11
    assert coded.remainders == bytes([0b00000001])


@given(PLACES)
@settings(max_examples=50, deadline=None)
def test_places_come_back(places: list[int]) -> None:
    coded = encode_places(np.array(places, dtype=np.int64))
    assert decode_places(coded).tolist() == places


@pytest.mark.parametrize("places", [[], [0], list(range(1000)), [10**12], [0, 2**40 + 7]])
def test_places_at_the_ends(places: list[int]) -> None:
    assert decode_places(encode_places(np.array(places, dtype=np.int64))).tolist() == places


def test_places_across_the_blocks_of_remainders() -> None:
    places = np.flatnonzero(np.random.default_rng(0).random(9_000_000) < 0.13)
    assert len(places) > 1 << 20
    assert np.array_equal(decode_places(encode_places(places)), places)


@pytest.mark.parametrize("places", [[3, 3], [4, 1], [-1]])
def test_places_have_to_rise(places: list[int]) -> None:
    with pytest.raises(ValueError, match="must rise"):
        encode_places(np.array(places, dtype=np.int64))


@pytest.mark.parametrize("p", [1e-3, 1e-2, 0.1, 0.3])
def test_places_take_hardly_more_than_the_entropy(p: float) -> None:
    count = 2_000_000
    places = np.flatnonzero(np.random.default_rng(1).random(count) < p)
    share = len(places) / count
    bound = count * -(share * math.log2(share) + (1 - share) * math.log2(1 - share)) / 8
    coded = encode_places(places)
    assert bound <= len(coded.unary) + len(coded.remainders) <= 1.03 * bound


@pytest.mark.parametrize(
    "coded",
    [
        CodedPlaces(2, 0, b"\x01", b""),
        CodedPlaces(1, 0, b"\x01\x00", b""),
        CodedPlaces(0, 0, b"\x00", b""),
        CodedPlaces(1, 41, b"\x01", b"\x00" * 6),
        CodedPlaces(1, 3, b"\x01", b""),
        CodedPlaces(-1, 0, b"", b""),
    ],
)
def test_damaged_places_are_refused(coded: CodedPlaces) -> None:
    with pytest.raises(ValueError, match="places|remainders"):
        decode_places(coded)


CODES = st.tuples(st.integers(1, 9), st.integers(1, 13)).flatmap(
    lambda shape: st.tuples(
        *[
            st.lists(st.integers(-1, 1), min_size=math.prod(shape), max_size=math.prod(shape)).map(
                lambda values: torch.tensor(values, dtype=torch.int8).reshape(shape)
            )
            for _ in range(2)
        ]
    )
)


@given(CODES)
@settings(max_examples=50, deadline=None)
def test_flips_lead_there_and_back(matrices: tuple[torch.Tensor, torch.Tensor]) -> None:
    base, tuned = matrices
    flips = find_flips(base, tuned)
    assert len(flips) == int((base != tuned).sum())
    decoded = decode_flips(encode_flips(flips), base.numel())
    codes = base.clone()
    flip_(codes, decoded)
    assert torch.equal(codes, tuned)
    flip_(codes, decoded.reversed())
    assert torch.equal(codes, base)


def test_flips_outside_the_matrix_are_refused() -> None:
    coded = encode_flips(find_flips(torch.zeros(2, 3), torch.tensor([[0, 0, 0], [0, 0, 1]])))
    assert decode_flips(coded, 6).places.tolist() == [5]
    with pytest.raises(ValueError, match="A flip at 5 is outside a matrix of 5 codes"):
        decode_flips(coded, 5)


@given(PLACES, st.binary(max_size=40), st.integers(0, 300), st.integers(0, 45), st.integers(0, 60))
@settings(max_examples=50, deadline=None)
def test_random_flips_are_flips_or_an_error(
    places: list[int], data: bytes, count: int, parameter: int, unary: int
) -> None:
    try:
        flips = decode_flips(CodedFlips(count, parameter, unary, data), 100)
    except ValueError:
        return
    assert len(flips) == count and set(flips.steps.tolist()) <= {1, 2}
    assert all(0 <= place < 100 for place in flips.places)


@given(st.sampled_from([1, 2, 4, 8]), st.integers(0, 40), st.integers(0, 40), st.randoms())
@settings(max_examples=50, deadline=None)
def test_differences_lead_there_and_back(width: int, before: int, after: int, random) -> None:  # type: ignore[no-untyped-def]
    base, tuned = random.randbytes(before * width), random.randbytes(after * width)
    parts, data = encode_difference(base, memoryview(tuned), width)
    joined = memoryview(b"".join(data))
    assert decode_difference(base, parts, joined, len(tuned), width) == tuned
    if before == after:
        back = decode_difference(tuned, parts, joined, len(base), width, backwards=True)
        assert back == base


def test_a_difference_by_hand() -> None:
    """5 -> 4 is -1, zigzag 1; 0 -> 2 is 2, zigzag 4; in 16 bits the high plane is 0."""
    parts, data = encode_difference(b"\5\0\0\0", memoryview(b"\4\0\2\0"), 2)
    assert parts == [("raw", 2), ("raw", 2)]
    assert data == [b"\1\4", b"\0\0"]


def test_close_floats_take_less_than_their_bytes() -> None:
    base = torch.randn(1 << 16)
    tuned = base * (1 + 1e-4 * torch.randn(1 << 16))
    size = tuned.numel() * 4
    _, data = encode_difference(base.numpy().tobytes(), memoryview(tuned.numpy().tobytes()), 4)
    assert sum(map(len, data)) < 0.5 * size


@pytest.mark.parametrize("kind", ["plane", "file"])
@given(data=st.binary(max_size=300), base=st.binary(max_size=300))
@settings(max_examples=50, deadline=None)
def test_compressed_bytes_come_back(kind: str, data: bytes, base: bytes) -> None:
    codec, packed = compress(data, kind, base)  # type: ignore[arg-type]
    assert decompress(codec, packed, len(data), base) == data
    assert len(packed) <= len(data)
    with pytest.raises(ValueError, match="came out|damaged"):
        decompress(codec, packed, len(data) + 1, base)


def test_a_file_is_written_against_the_bases() -> None:
    base = np.random.default_rng(0).bytes(5000)
    codec, packed = compress(base[:2500] + b"!" + base[2500:], "file", base)
    assert codec == "zlib-base" and len(packed) < 100


def test_no_more_is_unpacked_than_was_announced() -> None:
    codec, packed = compress(b"\0" * 1_000_000, "file")
    with pytest.raises(ValueError, match="11 bytes came out where 10 were announced"):
        decompress(codec, packed, 10)


def test_flips_by_hand() -> None:
    """Patches on disk depend on it: places 0, 2, 3, 5 have the gaps 0, 1, 0, 1, so k = 0; one bit for each step."""
    base = torch.tensor([[0, 1, -1], [1, 0, 0]], dtype=torch.int8)
    tuned = torch.tensor([[1, 1, 0], [-1, 0, -1]], dtype=torch.int8)
    flips = find_flips(base, tuned)
    assert flips.places.tolist() == [0, 2, 3, 5]
    assert flips.steps.tolist() == [1, 1, 1, 2]  # 0 to 1, -1 to 0, around from 1 to -1, 0 to -1
    assert flips.reversed().steps.tolist() == [2, 2, 2, 1]
    assert encode_flips(flips) == CodedFlips(4, 0, 1, bytes([0b101101, 0b1000]))
