import os
import subprocess
import sys

import numpy as np
import pytest

from bitsft.data.common.hashing import stable_hash
from bitsft.data.raft_builder.bm25 import Bm25Ranking, character_pairs

TEXTS = ["부산은 항구 도시이다.", "서울에서 한강이 흐른다.", "서울은 수도이다.", "사과는 과일이다."]


def ranking(texts: list[str]) -> Bm25Ranking:
    return Bm25Ranking(texts, np.array([stable_hash(text) for text in texts], dtype=np.uint64))


def test_terms_are_pairs_within_words() -> None:
    assert character_pairs("서울은 큰 AI도시, 2024년!") == [
        "서울",
        "울은",
        "큰",
        "ai",
        "도시",
        "2024",
        "년",
    ]


def test_particles_do_not_hide_a_word() -> None:
    best = list(ranking(TEXTS).best("서울의 수도", 1))
    assert best == [2, 1]  # not the two that share no term


@pytest.mark.parametrize("first", [0, 1, 3, 100])
def test_order_does_not_depend_on_how_many_are_expected(first: int) -> None:
    assert list(ranking(TEXTS).best("서울은 과일 항구 도시", first)) == [0, 2, 3, 1]


def test_equal_scores_do_not_depend_on_the_order_of_chunks() -> None:
    texts = [f"서울 {number}" for number in range(50)]
    one = [texts[index] for index in ranking(texts).best("서울", 5)]
    back = texts[::-1]
    assert one == [back[index] for index in ranking(back).best("서울", 5)]
    assert len(one) == 50


@pytest.mark.parametrize("texts", [[], ["?!", "..."]])
def test_chunks_without_terms(texts: list[str]) -> None:
    assert list(ranking(texts).best("서울", 3)) == []


def test_question_without_known_terms() -> None:
    assert list(ranking(TEXTS).best("???", 3)) == []
    assert list(ranking(TEXTS).best("zzz", 3)) == []


def test_other_terms() -> None:
    keys = np.arange(2, dtype=np.uint64)
    words = Bm25Ranking(["서울은 수도", "서울 시내"], keys, terms=str.split)
    assert list(words.best("서울", 2)) == [1]


def test_the_same_in_every_process() -> None:
    code = (
        "import numpy as np; from bitsft.data.raft_builder.bm25 import Bm25Ranking\n"
        "texts = [f'서울 도시 {n % 7} 강 {n % 3}' for n in range(60)]\n"
        "print(list(Bm25Ranking(texts, np.arange(60, dtype=np.uint64)).best('도시 3 강 1', 9)))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(outputs) == 1
    assert outputs.pop().startswith("[")


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bm25s", None)
    with pytest.raises(ImportError, match=r'pip install "bitsft\[data\]"'):
        ranking(TEXTS)
