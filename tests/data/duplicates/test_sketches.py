from collections.abc import Iterator

import numpy as np
import pytest

from bitsft.data.duplicates import sketches
from bitsft.data.duplicates.sketches import SketchSettings, sketch

SETTINGS = SketchSettings(3, False, 16, 1, 4, 4)


def test_rows_with_equal_gram_sets_share_an_entry() -> None:
    found = sketch([["가나다"], ["가 나다!"], ["라마바"], ["ㅋㅋㅋ"], ["ㅋㅋㅋㅋㅋ"]], SETTINGS)
    a, b, c, d, e = found.entry_of.tolist()
    assert a == b
    assert d == e
    assert sorted({a, c, d}) == [0, 1, 2]
    assert found.counts[[a, c, d]].tolist() == [3, 3, 3]
    assert found.bands.shape == (4, 3)


def test_entries_do_not_depend_on_the_order_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sketches, "_BATCH_ROWS", 7)
    rows = [[f"문장 {i * i} 번"] for i in range(40)]
    one, other = sketch(rows, SETTINGS), sketch(rows[::-1], SETTINGS)
    assert np.array_equal(one.entry_of, other.entry_of[::-1])
    assert np.array_equal(one.counts, other.counts)
    assert np.array_equal(one.bands, other.bands)
    for entry in range(len(one.counts)):
        first, second = (
            s.hashes[s.starts[entry] : s.starts[entry] + s.counts[entry]] for s in (one, other)
        )
        assert np.array_equal(first, second)


def test_two_processes_give_what_one_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sketches, "_BATCH_ROWS", 5)
    rows = [[f"문장 {i % 17} 번"] for i in range(60)]
    one, two = sketch(rows, SETTINGS), sketch(rows, SETTINGS, processes=2)
    for name in ("entry_of", "hashes", "starts", "counts", "bands"):
        assert np.array_equal(getattr(one, name), getattr(two, name))


def test_no_rows() -> None:
    found = sketch([], SETTINGS)
    assert found.entry_of.tolist() == []
    assert found.bands.shape == (4, 0)


def test_an_error_of_the_rows_comes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sketches, "_BATCH_ROWS", 2)

    def rows() -> Iterator[list[str]]:
        yield from (["가"] for _ in range(9))
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        sketch(rows(), SETTINGS)
