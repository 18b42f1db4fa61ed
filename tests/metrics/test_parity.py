"""The quick form of benchmarks/metrics/parity.py: bitsft against the reference implementations on made pairs."""

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks" / "metrics"


@pytest.fixture(scope="module")
def parity() -> ModuleType:
    sys.path.insert(0, str(FOLDER))
    try:
        return importlib.import_module("parity")
    finally:
        sys.path.remove(str(FOLDER))


@pytest.fixture(scope="module")
def results(parity: ModuleType) -> dict[str, dict[str, Any]]:
    mixed = parity.parity(parity.random_pairs(120, seed=1))
    return mixed | {
        f"{name}, ASCII pairs": result
        for name, result in parity.parity(parity.random_pairs(80, seed=2, ascii_only=True)).items()
    }


def test_every_metric_is_compared(results: dict[str, dict[str, Any]]) -> None:
    names = {name.split(" ")[0] for name in results}
    assert names >= {"rouge1", "rouge2", "rougeL", "rougeLsum", "bleu", "chrf", "chrf++", "meteor"}
    assert {"exact_match", "char_f1", "cosine_tfidf_jamo"} <= set(results)
    assert results["rouge1 (rouge-score's default, ASCII), ASCII pairs"]["rows"] == 80


def test_no_row_differs_without_a_reason(results: dict[str, dict[str, Any]]) -> None:
    assert {
        name: r["unexplained_rows"] for name, r in results.items() if r["unexplained_rows"]
    } == {}
    assert max(result["largest_difference"] for result in results.values()) < 1e-9


def test_the_reasons_are_met_and_are_few(results: dict[str, dict[str, Any]]) -> None:
    """Made pairs hold equal one-word texts, blanks and NFD; a reason that excuses half the rows excuses too much."""
    assert results["rouge1 (mecab)"]["differs_on_purpose"]["not in NFC"] > 0
    assert results["meteor (word)"]["differs_on_purpose"]["equal texts"] > 0
    for name, result in results.items():
        assert sum(result.get("differs_on_purpose", {}).values()) < 45, name


def test_a_wrong_value_is_noticed(parity: ModuleType) -> None:
    pairs = [("가 나", "가 다"), ("", "가"), ("라", "마")]
    ours = parity.char_f1(*map(list, zip(*pairs, strict=True)))["char_f1"]
    found = parity.compare_rows("char_f1", ours, [0.5, 1.0, 0.25], pairs)
    assert found["unexplained_rows"] == [2]
    assert found["differs_on_purpose"] == {"blank prediction": 1}
    assert found["largest_difference"] == 0.25


@pytest.mark.parametrize(
    ("prediction", "reference", "match", "f1"),
    [("서울.", "《서울》", 1.0, 1.0), ("서울특별시", "서울", 0.0, 4 / 7), ("!!", "??", 1.0, 0.0)],
)
def test_korquads_algorithm(
    parity: ModuleType, prediction: str, reference: str, match: float, f1: float
) -> None:
    assert parity.korquad_match(prediction, reference) == match
    assert parity.korquad_f1(prediction, reference) == pytest.approx(f1)


def test_texts_of_files(parity: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('Q,A\n"가, 나",다\n라,마\n', encoding="utf-8-sig")
    (tmp_path / "b.tsv").write_text('가\t"나\t0\n라\t마\t1\n', encoding="utf-8")
    paragraph = " ".join(f"낱말{number}" for number in range(40))
    (tmp_path / "c.txt").write_text(f"{paragraph}\n\n", encoding="utf-8")
    read = parity.real_pairs
    assert read(f"{tmp_path / 'a.csv'},Q,A") == [("가, 나", "다"), ("라", "마")]
    assert read(f"{tmp_path / 'b.tsv'},0,1", 1) == [("가", '"나')]
    ((found, reference),) = read(str(tmp_path / "c.txt"))
    assert reference == paragraph
    assert 20 < len(found.split()) < 40 and set(found.split()) < set(reference.split())
