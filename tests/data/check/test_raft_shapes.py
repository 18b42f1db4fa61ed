from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsft.data.check.raft import RaftRow
from bitsft.data.fields import RowError

SEOUL, BUSAN = "서울은 대한민국의 수도이다.", "부산은 항구 도시이다."


def plain(**changes: Any) -> dict[str, Any]:
    row = {"question": "수도는 어디인가요?", "context": [SEOUL, BUSAN], "answer": "서울"}
    return row | changes


def gorilla(**changes: Any) -> dict[str, Any]:
    row = {
        "id": "7a1b",
        "type": "general",
        "question": "What is the capital?",
        "context": {"title": [["placeholder_title"] * 2], "sentences": [["Seoul is.", "Busan."]]},
        "oracle_context": "Seoul is.",
        "cot_answer": "It says ##begin_quote##Seoul is.##end_quote##\n<ANSWER>: Seoul",
        "instruction": (
            "<DOCUMENT>Seoul is.</DOCUMENT>\n<DOCUMENT>Busan.</DOCUMENT>\nWhat is the capital?"
        ),
    }
    return row | changes


@pytest.mark.parametrize(
    "context",
    [
        [SEOUL, BUSAN],
        (SEOUL, f"  {BUSAN}\n"),
        [[SEOUL, BUSAN]],
        {"title": ["placeholder_title"] * 2, "sentences": [SEOUL, BUSAN]},  # raft_local.py
        {"title": [["placeholder_title"] * 2], "sentences": [[SEOUL, BUSAN]]},  # raft.py
        {"title": ["placeholder_title"], "sentences": [[SEOUL, BUSAN]]},
        {"sentences": [[SEOUL, BUSAN]]},
        {
            "title": ["서울", "부산"],
            "sentences": [["서울은 대한민국의", " 수도이다."], [BUSAN]],
        },  # HotpotQA
        f"<DOCUMENT>{SEOUL}</DOCUMENT>\n<DOCUMENT>{BUSAN}</DOCUMENT>",  # gorilla's eval format
    ],
)
def test_all_forms_of_the_context_are_the_same_documents(context: Any) -> None:
    assert RaftRow.from_raw(plain(context=context)).documents == (SEOUL, BUSAN)


@pytest.mark.parametrize("context", [SEOUL, [SEOUL], [[SEOUL]], {"sentences": [SEOUL]}])
def test_one_document(context: Any) -> None:
    assert RaftRow.from_raw(plain(context=context)).documents == (SEOUL,)


@settings(max_examples=40, derandomize=True)
@given(
    documents=st.lists(st.text(min_size=1).filter(lambda t: t.strip(" \n") and t.isprintable())),
    titles=st.booleans(),
)
def test_nested_and_flat_give_the_same_result(documents: list[str], titles: bool) -> None:
    def read(sentences: list[Any], title: list[Any]) -> tuple[str, ...] | str:
        context = {"sentences": sentences} | ({"title": title} if titles else {})
        try:
            return RaftRow.from_raw(plain(context=context)).documents
        except RowError as error:
            return error.reason

    names = ["placeholder_title"] * len(documents)
    assert read(documents, names) == read([documents], [names])


@pytest.mark.parametrize(
    ("context", "field", "reason"),
    [
        (None, "context", "is missing"),
        ("", "context", "is empty"),
        ([], "context", "is empty"),
        ([[]], "context", "is empty"),
        ({"sentences": []}, "context", "is empty"),
        ({"title": []}, "context.sentences", "is missing"),
        ({"sentences": SEOUL}, "context.sentences", "is not a list"),
        (3, "context", "is of type int"),
        ([SEOUL, ""], "context[1]", "is empty"),
        ([SEOUL, None], "context[1]", "is missing"),
        ([SEOUL, 3], "context[1]", "is of type int, not text"),
        ([{"text": SEOUL}], "context[0]", "is of type dict, not text"),
        ([[SEOUL], [BUSAN]], "context", "holds lists, which may each be a document or a set"),
        ({"sentences": [[SEOUL], [BUSAN]]}, "context.sentences", "holds lists"),
        ({"title": ["a", "b"], "sentences": [[SEOUL], [3]]}, "context.sentences[1]", "holds"),
    ],
)
def test_contexts_that_are_refused(context: Any, field: str, reason: str) -> None:
    with pytest.raises(RowError) as caught:
        RaftRow.from_raw(plain(context=context), 5)
    assert caught.value.field == field
    assert caught.value.reason.startswith(reason)
    assert caught.value.row_number == 5


@pytest.mark.parametrize(
    ("fields", "cot", "answer"),
    [
        ({"answer": "서울"}, None, "서울"),
        ({"answer": "서울", "cot": None}, None, "서울"),
        ({"answer": "서울", "cot": "근거."}, "근거.", "서울"),
        ({"answer": "서울", "cot": "##Reason: 근거."}, "근거.", "서울"),
        ({"answer": "서울", "cot": "근거. ##Answer: 서울."}, "근거.", "서울"),
        ({"answer": "##Answer: 서울", "cot": "근거."}, "근거.", "서울"),
        ({"answer": "##Reason: 근거. ##Answer: 서울"}, "근거.", "서울"),
        ({"answer": None, "cot": "근거. ##Answer: 서울"}, "근거.", "서울"),
        ({"answer": None, "cot_answer": "근거.\n<ANSWER>:서울"}, "근거.", "서울"),
        ({"answer": None, "cot_answer": "<ANSWER>: 서울"}, None, "서울"),
        ({"answer": "서울", "cot_answer": "표시 없는 근거."}, "표시 없는 근거.", "서울"),
        (
            {"answer": None, "cot_answer": "<<<domain>>> NLP", "type": "api call"},
            None,
            "<<<domain>>> NLP",
        ),
    ],
)
def test_reason_and_final_answer(fields: dict[str, Any], cot: str | None, answer: str) -> None:
    row = RaftRow.from_raw(plain(**fields))
    assert (row.cot, row.answer) == (cot, answer)


def test_composed_and_decomposed_answers_agree() -> None:
    row = plain(answer="\uc11c\uc6b8", cot="근거. ##Answer: \u1109\u1165\u110b\u116e\u11af")
    assert RaftRow.from_raw(row).answer == "\uc11c\uc6b8"


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"answer": None}, "answer", "is missing"),
        ({"answer": " "}, "answer", "is empty"),
        ({"answer": 7}, "answer", "is of type int, not text"),
        ({"answer": "##Reason: 끝나지 않은"}, "answer", "has no final answer"),
        ({"answer": None, "cot": "표시 없는 근거."}, "answer", "is missing"),
        ({"answer": None, "cot_answer": "표시 없는 근거."}, "cot_answer", "has no final answer"),
        ({"answer": None, "cot_answer": "근거 <ANSWER>: "}, "cot_answer", "has no final answer"),
        (
            {"cot": "근거. ##Answer: 부산"},
            "cot",
            "ends in a final answer that is not the one in 'answer'",
        ),
        ({"cot": "하나", "cot_answer": "둘"}, "cot", "holds a chain of thought beside"),
        ({"cot": "하나", "answer": "둘 ##Answer: 서울"}, "answer", "holds a chain of thought"),
        ({"answer": None, "cot": "하나 ##Answer: 서울 ##Answer: 부산"}, "cot", "holds more"),
        ({"answer": "##Answer: ##Reason: 서울"}, "answer", "holds more than one '##Reason:'"),
        ({"answer": None, "cot_answer": "##Reason: 글", "type": "api call"}, "cot_answer", "holds"),
        ({"answer": "##Answer: \u200b"}, "answer", "has no final answer"),
        ({"cot": "##begin_quote## 열린"}, "cot", "has quote marks that do not pair up"),
    ],
)
def test_answers_that_are_refused(fields: dict[str, Any], field: str, reason: str) -> None:
    with pytest.raises(RowError) as caught:
        RaftRow.from_raw(plain(**fields))
    assert caught.value.field == field
    assert caught.value.reason.startswith(reason)


def test_gorillas_instruction_is_known_by_its_content_too() -> None:
    flat = gorilla(context=["Seoul is.", "Busan."])
    flat["instruction"] = f"Read this:\n{flat['instruction']}"
    assert RaftRow.from_raw(flat).instruction is None
    without_a_distractor = gorilla(context=["Seoul is."], question="Capital?")
    assert RaftRow.from_raw(without_a_distractor).instruction is None


def test_an_instruction_that_only_repeats_the_question_is_kept() -> None:
    row = plain(instruction="다음에 답하세요: 수도는 어디인가요?")
    assert RaftRow.from_raw(row).instruction == "다음에 답하세요: 수도는 어디인가요?"


def test_both_final_answers_are_shown_when_they_differ() -> None:
    with pytest.raises(RowError) as caught:
        RaftRow.from_raw(plain(cot="근거. ##Answer: 부산"))
    assert caught.value.value == {"cot": "부산", "answer": "서울"}
