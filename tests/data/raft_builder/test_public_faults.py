"""Faults that public RAFT builders have or had, each of which must not occur here.

gorilla: ShishirPatil/gorilla at 6ea5797, raft/raft.py; LlamaIndex: RAFTDatasetPack; RAG Foundry: RAFTStep;
instructlab/sdg, issue 251; azure: raft-distillation-recipe.
"""

import inspect
from typing import Any

import pytest

from bitsft.data.ledger import Ledger
from bitsft.data.raft_builder import build_raft
from bitsft.data.tasks import TASKS

CHUNKS = [f"{number}번 문서에는 {word}에 관한 설명이 길게 적혀 있다." for number, word in enumerate(
    ["사과", "배", "감", "귤", "포도", "딸기", "수박", "참외", "자두", "살구", "매실", "앵두", "복숭아", "무화과", "석류", "대추", "밤", "호두", "은행", "잣"]
)]  # fmt: skip


def build(rows: list[dict[str, Any]], documents: list[str], **options: Any) -> list[dict[str, Any]]:
    made = build_raft(documents, rows, ledger=Ledger(), near_copy=1, **options)
    return [record.values for record in made]


def questions(count: int, context: str = CHUNKS[0]) -> list[dict[str, Any]]:
    return [
        {"question": f"{n}번째 물음", "context": context, "answer": "사과"} for n in range(count)
    ]


def test_gorilla_a_row_without_oracle_draws_no_distractor_twice() -> None:
    made = build(questions(500), CHUNKS, p=0)
    assert len(made) == 500
    assert all(len(set(row["context"])) == 4 for row in made)


def test_gorilla_a_copy_of_the_oracle_does_not_bring_it_back() -> None:
    documents = [*CHUNKS[1:8], CHUNKS[0], CHUNKS[0].replace(" ", "\n")]
    made = build(questions(200), documents, p=0)
    assert len(made) == 200
    assert not any("사과" in text for row in made for text in row["context"])


def test_gorilla_few_chunks_are_a_reject_not_a_crash() -> None:
    ledger = Ledger()
    assert list(build_raft([], questions(2), ledger=ledger)) == []
    assert [row.reason for row in ledger.rejected_rows] == ["has too few distractors"] * 2


def test_gorilla_the_default_share_is_the_papers() -> None:
    assert inspect.signature(build_raft).parameters["p"].default == 0.8


def test_gorilla_the_choices_are_seeded() -> None:
    assert build(questions(20), CHUNKS) == build(questions(20), CHUNKS)


def test_gorilla_a_question_of_two_lines_stays_out_of_the_context() -> None:
    rows = [{**questions(1)[0], "question": "첫째 줄\n둘째 줄"}]
    (row,) = build(rows, CHUNKS)
    assert row["question"] == "첫째 줄\n둘째 줄"
    assert not any("째 줄" in text for text in row["context"])


@pytest.mark.parametrize("mark", ["<ANSWER>: ", "<ANSWER>:", "<ANSWER>：", "##Answer: "])
def test_gorilla_the_final_answer_is_found_with_every_colon(mark: str) -> None:
    rows = [{"question": "무엇?", "context": CHUNKS[0], "cot_answer": f"이유가 있다.\n{mark}사과"}]
    (row,) = build(rows, CHUNKS, p=1)
    assert (row["answer"], row["cot"]) == ("사과", "이유가 있다.")


def test_gorilla_chunk_sizes_are_in_the_unit_that_is_given() -> None:
    def tokens(text: str) -> int:
        return len(text.split())

    text = "사과 하나 배 둘. 감 셋 귤 넷. 밤 다섯 잣 여섯. 콩 일곱 팥 여덟. 쌀 아홉 열."
    rows = [{"question": "무엇?", "context": text, "answer": "셋"}]
    (row,) = build(rows, [], chunk_size=4, size=tokens, p=1)
    assert all(tokens(chunk) <= 4 for chunk in row["context"])
    assert row["oracle_context"] == "감 셋 귤 넷."


def test_gorilla_the_answer_without_oracle_is_a_named_choice() -> None:
    assert build(questions(1), CHUNKS, p=0)[0]["answer"] == "사과"
    assert build(questions(1), CHUNKS, p=0, missing_oracle="refuse")[0]["answer"] != "사과"
    with pytest.raises(ValueError, match="missing_oracle"):
        build_raft([], [], ledger=Ledger(), missing_oracle="")


@pytest.mark.parametrize("distractors", [1, 2, 3, 7])
def test_llamaindex_instructlab_as_many_distractors_as_asked_for(distractors: int) -> None:
    for row in build(questions(50), CHUNKS, p=1, distractors=distractors):
        assert len(row["context"]) == distractors + 1


def test_llamaindex_p_has_an_effect() -> None:
    made = build(questions(300), CHUNKS, p=0.5)
    assert 100 < sum(CHUNKS[0] in row["context"] for row in made) < 200


def test_llamaindex_the_answer_is_the_answer_alone() -> None:
    assert build(questions(1), CHUNKS, p=1)[0]["answer"] == "사과"


def test_ragfoundry_p_is_the_share_with_the_oracle() -> None:
    assert all(CHUNKS[0] in row["context"] for row in build(questions(50), CHUNKS, p=1))
    assert not any(CHUNKS[0] in row["context"] for row in build(questions(50), CHUNKS, p=0))


def test_azure_rows_of_one_chunk_can_be_kept_together() -> None:
    made = build(questions(50), CHUNKS, p=0.5)
    # What a grouped split goes by, with the oracle among the documents and without.
    assert {TASKS["raft"].document_texts(row) for row in made} == {(CHUNKS[0],)}
