import numpy as np
import pytest

from bitsft.data.duplicates import linking
from bitsft.data.duplicates.linking import Components, link_similar
from bitsft.data.duplicates.sketches import SketchSettings, sketch


def test_a_component_is_named_after_its_least_member() -> None:
    components = Components(6)
    assert components.link(5, 3)
    assert components.link(3, 1)
    assert not components.link(1, 5)
    assert components.link(2, 4)
    assert components.names().tolist() == [0, 1, 2, 1, 2, 1]
    assert components.link(4, 5)
    assert components.names().tolist() == [0, 1, 1, 1, 1, 1]


# One band of one constant: everything is a candidate of everything.
SETTINGS = SketchSettings(1, True, 1, 1, 1, 1)


def linked(texts: list[str], threshold: float) -> tuple[list[list[int]], list[float], int]:
    sketches = sketch([[text] for text in texts], SETTINGS)
    sketches.bands[:] = 7
    links = link_similar(sketches, threshold)
    text_of = {int(entry): text for text, entry in enumerate(sketches.entry_of)}
    pairs = [sorted([text_of[a], text_of[b]]) for a, b in links.pairs.tolist()]
    return sorted(pairs), links.similarity.tolist(), links.compared


def test_similarity_is_exact() -> None:
    # with the mark: {a, b, c, |} and {a, b, d, |} share 3 of 5
    assert linked(["abc", "abd"], 0.6) == ([[0, 1]], [0.6], 1)
    assert linked(["abc", "abd"], 0.61) == ([], [], 1)


def test_sets_of_too_different_a_size_are_not_compared() -> None:
    assert linked(["abcdefgh", "ab"], 0.6) == ([], [], 0)


@pytest.mark.parametrize("pairs_at_once", [1, 3, 1 << 16])
def test_batches_do_not_matter(monkeypatch: pytest.MonkeyPatch, pairs_at_once: int) -> None:
    texts = ["abcd", "abce", "wxyz", "abcf", "wxyv", "pqrs"]
    expected = {(0, 1, 3), (2, 4), (5,)}
    monkeypatch.setattr(linking, "_PAIRS", pairs_at_once)
    sketches = sketch([[text] for text in texts], SETTINGS)
    sketches.bands[:] = 7
    names = link_similar(sketches, 0.6).names[sketches.entry_of]
    found = {tuple(np.flatnonzero(names == name).tolist()) for name in names}
    assert found == expected


def test_a_crowd_is_not_compared_pair_by_pair() -> None:
    texts = [f"{i:04d}" + "가나다라마바사아자차카타파하" * 2 for i in range(3000)]
    pairs, _, compared = linked(texts, 0.5)
    assert len(pairs) == len({frozenset(text) for text in texts}) - 1
    assert compared < 3000 * linking.NEIGHBOURS
