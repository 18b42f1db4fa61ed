from typing import Any

import pytest

from bitsft.data.augment import (
    KOALPACA_PREFIXES,
    RAFT_INSTRUCTIONS,
    AugmentCounts,
    augment_records,
)
from bitsft.data.check.koalpaca import KoAlpacaRow
from bitsft.data.check.raft import RaftRow
from bitsft.data.format.raft import INSTRUCTION
from bitsft.data.ledger import Ledger
from bitsft.data.raft_builder import REFUSALS, ChunkPool
from bitsft.data.tasks import TASKS

ORACLE = "서울은 대한민국의 수도이다."
RAFT = {
    "task": "raft",
    "id": "q1",
    "question": "수도는 어디인가?",
    "context": ["부산은 항구이다.", ORACLE, "대구는 덥다.", "광주는 빛고을이다."],
    "answer": "서울",
    "oracle_context": ORACLE,
}
KOALPACA = {"task": "koalpaca", "instruction": "양파를 설명해 줘.", "output": "채소이다."}
CHUNKS = [
    f"{name} 이야기를 적은 글이다."
    for name in ("사과", "바다", "구름", "기차", "학교", "시장", "서울")
]


def pool() -> ChunkPool:
    chunks = ChunkPool()
    chunks.add_documents([*CHUNKS, *RAFT["context"]])
    return chunks


def augment(
    *rows: dict[str, Any], ledger: Ledger | None = None, **options: Any
) -> list[dict[str, Any]]:
    ledger = Ledger() if ledger is None else ledger
    made = [record.values for record in augment_records(rows, ledger=ledger, **options)]
    ledger.count_out(len(made))
    ledger.check_balance()
    return made


def test_another_order() -> None:
    ledger = Ledger()
    original, new = augment(RAFT, ledger=ledger)
    assert original == RAFT
    assert new["context"] != RAFT["context"]
    assert sorted(new["context"]) == sorted(RAFT["context"])
    assert {**new, "context": 0} == {**RAFT, "context": 0, "augmented": "order", "id": "q1-order-1"}
    assert ledger.rows_added == {"augment": 1}


def test_other_distractors() -> None:
    _, new = augment(RAFT, kinds=["distractors"], pool=pool())
    assert len(set(new["context"])) == 4
    assert new["context"].count(ORACLE) == 1
    assert set(new["context"]) - {ORACLE} <= set(
        CHUNKS[:-1]
    )  # new ones, none of them with the answer
    assert new["augmented"] == "distractors"


def test_other_distractors_without_the_oracle() -> None:
    absent = {**RAFT, "context": ["부산은 항구이다.", "대구는 덥다."]}
    _, new = augment(absent, kinds=["distractors"], pool=pool())
    assert len(new["context"]) == 2
    assert set(new["context"]) <= {*CHUNKS[:-1], "광주는 빛고을이다."}


def test_a_refusal_keeps_its_distractors() -> None:
    refused = {**RAFT, "context": ["부산은 항구이다.", "대구는 덥다."], "answer": REFUSALS["ko"]}
    _, new = augment(refused, kinds=["distractors"], pool=pool())
    assert new["augmented"] == "order"
    assert new["context"] == ["대구는 덥다.", "부산은 항구이다."]


def test_another_instruction() -> None:
    made = augment(RAFT, kinds=["instruction"], factor=8)
    assert sorted(row["instruction"] for row in made[1:]) == sorted(RAFT_INSTRUCTIONS)
    assert all(row["context"] == RAFT["context"] for row in made)


def test_a_prefix_for_koalpaca_stays_in_the_group() -> None:
    _, new = augment(KOALPACA, kinds=["instruction"])
    prefix, instruction = new["instruction"].split("\n\n")
    assert prefix in KOALPACA_PREFIXES
    assert instruction == KOALPACA["instruction"]
    assert new["group"] == TASKS["koalpaca"].question_text(KOALPACA)
    assert new["augmented"] == "instruction"


def test_raft_rows_stay_in_the_group() -> None:
    made = augment(RAFT, kinds=["order", "distractors", "instruction"], factor=6, pool=pool())
    assert len(made) == 7
    task = TASKS["raft"]
    assert {task.question_text(row) for row in made} == {RAFT["question"]}
    assert {task.document_texts(row) for row in made} == {(ORACLE,)}
    assert {row["answer"] for row in made} == {"서울"}


def test_kinds_take_turns_and_rows_differ() -> None:
    made = augment(RAFT, kinds=["order", "instruction"], factor=5)
    assert [row.get("augmented") for row in made[1:]] == [
        "order", "instruction", "order", "instruction", "order",
    ]  # fmt: skip
    shown = {(row.get("instruction"), tuple(row["context"])) for row in made}
    assert len(shown) == 6


def test_what_cannot_be_made_is_counted() -> None:
    two = {**RAFT, "context": [ORACLE, "부산은 항구이다."]}
    counts = AugmentCounts()
    made = augment(two, KOALPACA, factor=3, counts=counts)
    assert len(made) == 3
    assert counts.added == {"order": 1}
    assert counts.short == {"order": 5}


def test_other_tasks_pass() -> None:
    row = {"task": "summarization", "document": "가", "summary": "나"}
    assert augment(row, kinds=["order", "instruction"], factor=2) == [row]


def test_seeds_and_added_rows() -> None:
    options: dict[str, Any] = {"kinds": ["order", "instruction"], "factor": 4}
    assert augment(RAFT, **options) == augment(RAFT, **options) != augment(RAFT, seed=1, **options)
    assert augment(KOALPACA, RAFT, **options)[-5:] == augment(RAFT, **options)


def test_the_rows_are_valid() -> None:
    for row in augment(RAFT, kinds=["order", "instruction"], factor=2):
        assert RaftRow.from_raw(row).answer == RAFT["answer"]
    for row in augment(KOALPACA, kinds=["instruction"]):
        assert KoAlpacaRow.from_raw(row).output == KOALPACA["output"]


def test_lists_of_instructions() -> None:
    for texts in (RAFT_INSTRUCTIONS, KOALPACA_PREFIXES):
        assert len(set(texts)) == 8
    assert INSTRUCTION["ko"] not in RAFT_INSTRUCTIONS


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kinds": ["words"]}, "kinds=.'words'."),
        ({"kinds": "order"}, "kinds='order'"),
        ({"kinds": []}, "kinds="),
        ({"factor": 0}, "factor=0"),
        ({"kinds": ["distractors"]}, "pool="),
        ({"kinds": ["instruction"], "raft_instructions": []}, "is empty"),
    ],
)
def test_senseless_options_are_refused_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        augment_records([], ledger=Ledger(), **options)
