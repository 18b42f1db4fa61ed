"""The folder: what is written is found again, whole or not at all, and only for the run that it was made for."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bitsft.training.distillation.cache import store as store_module
from bitsft.training.distillation.cache.coarse import teacher_top_k
from bitsft.training.distillation.cache.keys import document_key
from bitsft.training.distillation.cache.store import CacheStore
from bitsft.training.distillation.signals import TopKSignal

FACTS = {"teacher": {"weights": "ab"}, "vocabulary": {"size": 90}, "temperature": 1.0, "top_k": 3}


def rows(count: int, words: int = 90, k: int = 3) -> TopKSignal:
    return teacher_top_k(torch.randn(count, words), k, 1.0)


def key(number: int) -> bytes:
    return document_key(np.array([number]), np.array([True]))


@pytest.fixture
def store(tmp_path: Path) -> CacheStore:
    store = CacheStore(tmp_path / "cache")
    store.begin(FACTS)
    return store


def test_documents_are_found_again_after_reopening(store: CacheStore) -> None:
    written = [rows(5), rows(1), rows(3), rows(2)]
    store.add([key(0), key(1)], written[:2])
    store.add([key(2), key(3)], written[2:])
    again = CacheStore(store.folder)
    assert (len(again), again.tokens, again.top_k, again.words) == (4, 11, 3, 90)
    for number, expected in enumerate(written):
        found = again.rows(key(number))
        assert torch.equal(found.indices, expected.indices)
        torch.testing.assert_close(found.log_probs, expected.log_probs, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(found.rest, expected.rest, rtol=1e-3, atol=1e-3)
    assert key(4) not in again
    with pytest.raises(KeyError):
        again.rows(key(4))


def test_two_that_write_at_once_keep_their_own_documents(tmp_path: Path) -> None:
    one, other = CacheStore(tmp_path), CacheStore(tmp_path)
    written = [rows(4), rows(4)]
    for number, store in enumerate((one, other)):
        store.begin(FACTS)
        store.add([key(number)], [written[number]])
    again = CacheStore(tmp_path)
    for store, number in ((one, 0), (other, 1), (again, 0), (again, 1)):
        assert torch.equal(store.rows(key(number)).indices, written[number].indices)


def test_what_began_for_something_else_meanwhile_is_refused(tmp_path: Path) -> None:
    one, other = CacheStore(tmp_path), CacheStore(tmp_path)
    one.begin(FACTS)
    with pytest.raises(ValueError, match=r"temperature: 1\.0 there, 2\.0 here"):
        other.begin({**FACTS, "temperature": 2.0})


@pytest.mark.parametrize(("words", "bytes_per_token"), [(65_536, 260), (65_537, 388)])
def test_size_of_a_token(tmp_path: Path, words: int, bytes_per_token: int) -> None:
    store = CacheStore(tmp_path)
    store.begin({**FACTS, "vocabulary": {"size": words}, "top_k": 64})
    indices = torch.stack([torch.arange(words - 64, words)] * 4000)
    signal = TopKSignal(indices, torch.full((4000, 64), -5.0), torch.full((4000,), -1.0))
    store.add([key(0)], [signal])
    (shard,) = tmp_path.glob("shard-00000-*.safetensors")
    size = shard.stat().st_size
    assert bytes_per_token * 4000 < size < bytes_per_token * 4000 + 1000
    assert torch.equal(CacheStore(tmp_path).rows(key(0)).indices, indices)


def test_a_shard_that_could_not_be_written_leaves_nothing(
    store: CacheStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(tensors: dict[str, np.ndarray], path: Path) -> None:
        path.write_bytes(b"half a shard")
        raise OSError("no space left on device")

    store.add([key(0)], [rows(2)])
    monkeypatch.setattr("safetensors.numpy.save_file", half)
    with pytest.raises(OSError, match="no space left"):
        store.add([key(1)], [rows(2)])
    monkeypatch.undo()
    found = sorted(path.name for path in store.folder.iterdir())
    assert [name[:12] for name in found] == ["cache.json", "shard-00000-"]
    again = CacheStore(store.folder)
    again.add([key(1)], [rows(2)])
    assert len(CacheStore(store.folder)) == 2


def test_what_differs_is_named(store: CacheStore) -> None:
    other = {"teacher": {"weights": "cd"}, "temperature": 2.0, "top_k": 3, "packing": "x"}
    with pytest.raises(ValueError) as error:
        store.check(other)
    message = str(error.value)
    assert "teacher.weights: ab there, cd here" in message
    assert "temperature: 1.0 there, 2.0 here" in message
    assert "packing: not recorded there, x here" in message
    assert "top_k" not in message
    assert "delete this one" in message
    store.check({"teacher": {"weights": "ab"}, "temperature": 1})


def test_a_second_run_must_have_the_same_facts(store: CacheStore) -> None:
    again = CacheStore(store.folder)
    again.begin(FACTS)
    with pytest.raises(ValueError, match="top_k: 3 there, 4 here"):
        again.begin({**FACTS, "top_k": 4})


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match=r"is not empty and holds no cache\.json"):
        CacheStore(tmp_path)


def test_a_newer_version_is_refused(store: CacheStore) -> None:
    path = store.folder / store_module.FACTS_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 2}))
    with pytest.raises(ValueError, match="version 2; this bitsft reads"):
        CacheStore(store.folder)


def test_an_empty_cache_has_no_facts(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is empty"):
        _ = CacheStore(tmp_path / "none").top_k
    assert not (tmp_path / "none").exists()


Documents = st.lists(st.tuples(st.integers(0, 2**31 - 1), st.booleans()), min_size=1, max_size=20)


def of(document: list[tuple[int, bool]]) -> bytes:
    tokens, trained = zip(*document, strict=True)
    return document_key(np.array(tokens, np.int64), np.array(trained))


@given(Documents, Documents)
def test_documents_share_a_key_only_if_they_are_the_same(
    one: list[tuple[int, bool]], other: list[tuple[int, bool]]
) -> None:
    assert (of(one) == of(other)) == (one == other)


def test_a_key_is_the_same_in_every_version() -> None:
    # Caches on disk depend on it.
    found = document_key(np.array([1, 2, 3]), np.array([False, True, True]))
    assert found.hex() == "bcf2803d53cf33069c57f8d1feac4964"
