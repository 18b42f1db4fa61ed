import itertools
from collections import Counter
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsft.data.ledger import Ledger
from bitsft.data.mix import Turns, mix_records
from bitsft.data.records import Record


def rows(name: str, count: int) -> list[dict[str, Any]]:
    return [{"task": "koalpaca", "instruction": f"{name}{n}", "output": name} for n in range(count)]


def mixed(sources: dict[str, Any], *arguments: Any, **options: Any) -> tuple[list[Record], Ledger]:
    ledger = Ledger()
    records = list(mix_records(sources, *arguments, ledger=ledger, **options))
    ledger.count_out(len(records))
    ledger.check_balance()
    return records, ledger


def names(records: list[Record]) -> str:
    return "".join(record.values["output"] for record in records)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=7))
@settings(deadline=None, max_examples=60)
def test_no_source_is_ever_a_whole_row_off(weights: list[int]) -> None:
    turns = Turns({str(i): Fraction(weight) for i, weight in enumerate(weights)})
    bound = 1 - Fraction(1, 2 * len(weights) - 2) if len(weights) > 1 else 0
    given_rows: Counter[str] = Counter()
    for turn in range(1, 2 * sum(weights) + 1):
        given_rows[turns.next()] += 1
        for i, weight in enumerate(weights):
            assert abs(given_rows[str(i)] - Fraction(weight * turn, sum(weights))) <= bound


def test_the_turns() -> None:
    turns = Turns({"a": Fraction(7, 10), "b": Fraction(3, 10)})
    assert "".join(turns.next() for _ in range(20)) == "abaaabaaba" * 2


def test_decimal_weights_are_exact() -> None:
    records, _ = mixed({"a": rows("a", 700), "b": rows("b", 300)}, {"a": 0.7, "b": 0.3})
    assert len(records) == 1000


def test_first_exhausted() -> None:
    records, ledger = mixed({"a": rows("a", 2), "b": rows("b", 5)})
    assert names(records) == "abab"
    assert [r.values["instruction"] for r in records] == ["a0", "b0", "a1", "b1"]
    assert ledger.rejections == {("mix", "", "is left over: another source ran out"): 3}
    assert {row.detail for row in ledger.rejected_rows} == {"source 'b'"}
    assert {row.source for row in ledger.rejected_rows} == {"b"}


def test_all_exhausted() -> None:
    records, ledger = mixed({"a": rows("a", 2), "b": rows("b", 5)}, stop="all_exhausted")
    assert names(records) == "ababababab"
    assert ledger.rows_added == {"mix": 3}
    repeats = [
        (r.values["instruction"], r.values["repeat"]) for r in records if "repeat" in r.values
    ]
    assert repeats == [("a0", 1), ("a1", 1), ("a0", 2)]


def test_all_exhausted_without_replacement() -> None:
    sources = {"a": rows("a", 2), "b": rows("b", 3), "c": rows("c", 8)}
    records, ledger = mixed(
        sources, {"a": 1, "b": 1, "c": 2}, stop="all_exhausted_without_replacement"
    )
    assert Counter(names(records)) == {"a": 2, "b": 3, "c": 8}
    assert not ledger.rows_added
    assert not ledger.rejections
    assert names(records) == "cabccabcccbcc"  # from "a" to its end, then 1 to 2


def test_a_size() -> None:
    sources = {"a": rows("a", 2), "b": rows("b", 50)}
    weights = {"a": 0.4, "b": 0.6}
    records, ledger = mixed(sources, weights, size=10, stop="all_exhausted")
    assert Counter(names(records)) == {"a": 4, "b": 6}
    assert ledger.rows_added == {"mix": 2}
    assert ledger.rejections == {("mix", "", "is left over: the set is as large as asked"): 44}
    records, _ = mixed(sources, weights, size=4)
    assert Counter(names(records)) == {"a": 2, "b": 2}
    assert len(mixed(sources, weights, size=10)[0]) < 10  # "a" runs out before


def test_each_row_keeps_its_task_and_origin() -> None:
    raft = Record({"task": "raft", "answer": "x"}, "raft.jsonl", 7)
    ledger = Ledger()
    sources = {"raft": [raft], "chat": [{"prompt": "p", "completion": "c"}]}
    records = list(mix_records(sources, ledger=ledger))
    assert records[0] is raft
    assert records[1] == Record({"prompt": "p", "completion": "c", "task": "chat"}, "chat", 0)
    assert ledger.rows_in == 1  # a record was counted where it was read


def test_a_seed_orders_each_source_by_its_rows() -> None:
    plain = {"a": rows("a", 20), "b": rows("b", 20)}
    turned = {"a": rows("a", 20)[::-1], "b": rows("b", 20)[::-1]}

    def texts(sources: dict[str, Any], seed: int | None) -> list[str]:
        records, _ = mixed(sources, size=10, seed=seed)
        return [record.values["instruction"] for record in records]

    assert texts(plain, None) == ["a0", "b0", "a1", "b1", "a2", "b2", "a3", "b3", "a4", "b4"]
    assert texts(plain, 0) == texts(turned, 0) != texts(plain, 1)


def test_rows_are_taken_one_by_one() -> None:
    taken = 0

    def endless() -> Any:
        nonlocal taken
        for n in itertools.count():
            taken += 1
            yield {"task": "koalpaca", "instruction": str(n), "output": "x"}

    mixture = mix_records({"a": endless(), "b": endless()}, ledger=Ledger())
    assert len(list(itertools.islice(mixture, 10))) == 10
    assert taken <= 12


def test_the_rows_are_left_as_they_were() -> None:
    sources = {"a": [{"prompt": "p"}], "b": rows("b", 3)}
    mixed(sources, stop="all_exhausted")
    assert sources == {"a": [{"prompt": "p"}], "b": rows("b", 3)}


def test_one_source_and_an_empty_one() -> None:
    assert names(mixed({"a": rows("a", 3)})[0]) == "aaa"
    assert mixed({"a": [], "b": rows("b", 2)})[0] == []
    with pytest.raises(ValueError, match="source 'a' has no rows to repeat"):
        mixed({"a": [], "b": rows("b", 2)}, stop="all_exhausted")


@pytest.mark.parametrize(
    ("sources", "weights", "options", "message"),
    [
        ({}, None, {}, "there are no sources to mix"),
        ({"a": []}, {"b": 1}, {}, "weights are given for b, but the sources are a"),
        ({"a": []}, {"a": 0}, {}, r"weights\['a'\]=0 must be above 0"),
        ({"a": []}, {"a": float("nan")}, {}, r"weights\['a'\]=nan must be above 0"),
        ({"a": []}, None, {"stop": "never"}, "stop='never' is not known"),
        ({"a": []}, None, {"size": 0}, "size=0 must be at least 1"),
    ],
)
def test_wrong_arguments(sources: Any, weights: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mix_records(sources, weights, ledger=Ledger(), **options)
